"""Which scores a table shows, in which order, and the columns that they have."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeAlias

import pandas as pd

from esd_bench.tables import Column

Way: TypeAlias = Literal["higher", "lower"] | None
QUALITY = ("clip_distance", "fid", "iq", "iv", "ig")
"""The columns of the paper's tables."""
KNOWN = {
    "janus_rate": Column("Janus rate", better="lower"),
    "consistency": Column("R", better="higher"),
    "front_share": Column("Front share"),
    "faces": Column("Faces", digits=2),
    "success": Column("Oracle success", "%", "higher", 1),
    "success_rate": Column("SR", "%", "higher", 1),
    "clip_distance": Column("CLIP distance", better="lower"),
    "r_precision": Column("R-precision", better="higher"),
    "fid": Column("FID", better="lower", digits=1),
    "fid_floor": Column("FID floor", digits=1),
    "fid_excess": Column("FID above floor", better="lower", digits=1),
    "kid": Column("KID", better="lower"),
    "cmmd": Column("CMMD", better="lower"),
    "iq": Column("IQ", "nats", "lower"),
    "iv": Column("IV", "nats", "higher"),
    "iv_jackknife": Column("IV jackknife", "nats", "higher"),
    "ig": Column("IG", better="higher"),
    "ig_jackknife": Column("IG jackknife", better="higher"),
    "mi": Column("MI", "nats", "higher"),
    "kind": Column("Kind", better="higher"),
    "colour": Column("Colour", better="higher"),
}
"""Headings and digits, in the order in which a table of everything has them; unknown scores follow by name."""
SIMILAR = ("self_similarity", "opposite", "quarter", "opposite_mirrored", "quarter_mirrored")
DETECTORS = (
    *("fronts_elsewhere", "front_elsewhere", "right_word", "front_peaks", "pose_peaks"),
    *(f"{name}{space}" for name in SIMILAR for space in ("", "_clip")),
)
"""Of :mod:`esd_bench.validation`, which has a table of their own."""
ASIDE = {
    *("janus_rate", "consistency", "front_share", "faces", "success", "success_rate"),
    *("fid_floor", "fid_excess", "kid", "cmmd", "cmmd_biased", "r_precision", "iv_jackknife"),
    *("ig_jackknife", "mi", "kind", "colour", *DETECTORS),
}
"""Scores that the paper's tables leave to others; any other, such as a user's own, is shown."""
RATES = ("success_rate", "success")
"""Scores of 0 or 1, shown in per cent, that count a failed run as 0: as humans labelled it, as the oracle sees it."""
NOTES = {
    "success_rate": "prompts of which humans passed at least one seed",
    "success": "one front, the right kind, seen where it should be; not a human judgement",
}


def present(frame: pd.DataFrame, scores: Iterable[str], parts: bool = False) -> list[str]:
    """Those of the scores that some run has, each with its like on other views: ``fid``, ``fid@band:-10:45:120``.

    Args:
        frame: of :func:`esd_bench.gather.gather`.
        scores: names, in the wanted order.
        parts: also those of some of a protocol's views, ``fid@band:-10:45 of sphere:120``, which every run has beside the whole.
    """
    seen = [x for x in sorted(set(frame["score"])) if parts or " of " not in x]
    return [x for score in scores for x in seen if x.partition("@")[0] == score]


def shown(frame: pd.DataFrame) -> list[str]:
    """The paper's scores that exist, and any that the paper lacks and no other table has."""
    names = [x.partition("@")[0] for x in everything(frame)]
    rest = [x for x in dict.fromkeys(names) if x not in ASIDE and x not in QUALITY]
    return present(frame, (*QUALITY, *rest))


def everything(frame: pd.DataFrame) -> list[str]:
    """All scores that some run has: the known ones in their order, then the others by name."""
    names = {score.partition("@")[0] for score in frame["score"]} - {""}
    return present(frame, (*(x for x in KNOWN if x in names), *sorted(names - set(KNOWN))))


def column(frame: pd.DataFrame, score: str) -> Column:
    """The column of a score, its direction as the score says it, its network and number of views in the note."""
    name, _, views = score.partition("@")
    rows = frame[frame["score"] == score]
    made = KNOWN.get(name) or Column(name, _said(rows["unit"]))
    note = "; ".join(x for x in (NOTES.get(name, ""), _note(rows)) if x)
    way = _said(rows["better"])
    better: Way = "higher" if way == "higher" else "lower" if way == "lower" else made.better
    return replace(made, name=f"{made.name} {views}".strip(), note=note, score=score, better=better)


def _said(words: pd.Series) -> str:
    """The first word that is one: a failed run has a score of nothing."""
    return next((str(x) for x in words if x), "")


def _note(rows: pd.DataFrame) -> str:
    """Network, protocol and background, as far as the scores say them, and n."""
    if rows.empty:
        return "no labels yet"
    key = json.loads(rows["key"].iloc[0] or "{}")
    background = f" on {key['background']}" if key.get("background") else ""
    counts = " or ".join(str(n) for n in sorted(set(rows["n"])))
    views = f"{key.get('protocol', 'views')}{background}"
    unit = key.get("counts", "views")
    facts = [rows["network"].iloc[0], views if unit == "views" else "", f"n = {counts} {unit}"]
    reference = key.get("reference")
    facts.append(f"{reference['n']} reference pictures" if reference else "")
    return ", ".join(str(fact) for fact in facts if fact)
