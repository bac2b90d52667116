"""What stands behind the numbers: each combination of comparability key and provenance once, with a place to link to."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from esd_bench.gather import flat
from esd_bench.pages.assets import conditions, origin


@dataclass(frozen=True)
class Origin:
    """One combination; ``key`` decides what may be compared, ``provenance`` may differ.

    Attributes:
        id: its anchor.
        scores: what was measured so, with the versions of the measures.
        runs: how many.
    """

    id: str
    scores: tuple[tuple[str, str], ...]
    runs: int
    methods: str
    network: str
    key: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]


def origins(frame: pd.DataFrame) -> list[Origin]:
    """All combinations, in the order of the frame."""
    scored = frame[frame["score"] != ""]
    kinds = scored[["key", "provenance", "network", "n"]]
    known = {tuple(row.values()): origin(row) for row in kinds.drop_duplicates().to_dict("records")}
    ids = [known[row] for row in kinds.itertuples(index=False, name=None)]
    return [
        _origin(str(id), rows)
        for id, rows in scored.groupby(np.array(ids, dtype=object), sort=False)
    ]


def by_score(found: list[Origin]) -> dict[str, list[Origin]]:
    """Score -> the combinations under which it was measured."""
    names = sorted({score for it in found for score, _ in it.scores})
    return {name: [it for it in found if name in dict(it.scores)] for name in names}


def _origin(id: str, rows: pd.DataFrame) -> Origin:
    first = rows.iloc[0].to_dict()
    versions = rows.drop_duplicates("score")
    return Origin(
        id,
        tuple(
            sorted(
                (s, _version(k)) for s, k in zip(versions["score"], versions["key"], strict=True)
            )
        ),
        rows["run"].nunique(),
        "; ".join(dict.fromkeys(rows["label"])),
        str(first["network"]),
        tuple(flat(conditions(first))),
        tuple(flat(json.loads(first["provenance"] or "{}"))),
    )


def _version(key: str) -> str:
    return str(json.loads(key or "{}").get("version", "unknown"))
