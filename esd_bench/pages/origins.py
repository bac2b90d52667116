"""What stands behind the numbers: each combination of comparability key and provenance once, with a place to link to."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from esd_bench.gather import flat
from esd_bench.pages.assets import origin


@dataclass(frozen=True)
class Origin:
    """One combination; ``key`` decides what may be compared, ``provenance`` may differ."""

    id: str
    runs: int
    methods: str
    n: str
    network: str
    key: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]


def origins(frame: pd.DataFrame) -> dict[str, list[Origin]]:
    """Score -> the combinations under which it was measured."""
    scored = frame[frame["score"] != ""]
    found: dict[str, list[Origin]] = {}
    for (score, _, _), rows in scored.groupby(["score", "key", "provenance"], sort=False):
        found.setdefault(str(score), []).append(_origin(rows))
    return dict(sorted(found.items()))


def _origin(rows: pd.DataFrame) -> Origin:
    first = rows.iloc[0].to_dict()
    return Origin(
        origin(first),
        rows["run"].nunique(),
        "; ".join(dict.fromkeys(rows["label"])),
        " or ".join(str(n) for n in sorted(set(rows["n"]))),
        str(first["network"]),
        tuple(_pairs(first["key"])),
        tuple(_pairs(first["provenance"])),
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    yield from flat(json.loads(text or "{}"))
