"""Which scores a table shows, in which order, and the columns that they have."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from esd_bench.tables import Column

QUALITY = ("clip_distance", "fid", "iq", "iv", "ig")
"""The columns of the paper's tables."""
KNOWN = {
    "clip_distance": Column("CLIP distance", better="lower"),
    "fid": Column("FID", better="lower", digits=1),
    "kid": Column("KID", better="lower"),
    "iq": Column("IQ", "nats", "lower"),
    "iv": Column("IV", "nats", "higher"),
    "ig": Column("IG", better="higher"),
    "mi": Column("MI", "nats", "higher"),
    "janus_rate": Column("Janus rate", better="lower"),
    "consistency": Column("R", better="higher"),
    "front_share": Column("Front share"),
    "faces": Column("Faces", digits=2),
    "success": Column("Oracle success", "%", "higher", 1),
    "success_rate": Column("SR", "%", "higher", 1),
}
ASIDE = {*KNOWN, "fid_floor", "iv_jackknife", "kind", "colour"} - {*QUALITY}
"""Scores that the paper's tables leave to others; one that nobody knows, such as a user's own, is shown."""
RATES = ("success_rate", "success")
"""Scores of 0 or 1, shown in per cent, that count a failed run as 0: as humans labelled it, as the oracle sees it."""
NOTES = {
    "success_rate": "prompts of which humans passed at least one seed",
    "success": "one front, the right kind, seen where it should be; not a human judgement",
}


def present(frame: pd.DataFrame, scores: Iterable[str]) -> list[str]:
    """Those of the scores that some run has, each with its like on other views: ``fid``, ``fid@band:-10:45:120``."""
    seen = sorted(set(frame["score"]))
    return [x for score in scores for x in seen if x.partition("@")[0] == score]


def shown(frame: pd.DataFrame) -> list[str]:
    """The paper's scores that exist, and any that only the user knows."""
    names = {score.partition("@")[0] for score in frame["score"]}
    return present(frame, (*QUALITY, *sorted(names - {"", *QUALITY} - ASIDE)))


def column(frame: pd.DataFrame, score: str) -> Column:
    """The column of a score, its network and number of views in the note."""
    name, _, views = score.partition("@")
    rows = frame[frame["score"] == score]
    made = KNOWN.get(name) or _unknown(name, rows)
    note = "; ".join(x for x in (NOTES.get(name, ""), _note(rows)) if x)
    return replace(made, name=f"{made.name} {views}".strip(), note=note, score=score)


def _unknown(name: str, rows: pd.DataFrame) -> Column:
    better = rows["better"].iloc[0]
    return Column(
        name, str(rows["unit"].iloc[0]), better if better in ("higher", "lower") else None
    )


def _note(rows: pd.DataFrame) -> str:
    """Network, protocol and background, as far as the scores say them, and n."""
    if rows.empty:
        return "no labels yet"
    key = json.loads(rows["key"].iloc[0] or "{}")
    background = f" on {key['background']}" if key.get("background") else ""
    counts = " or ".join(str(n) for n in sorted(set(rows["n"])))
    views = f"{key.get('protocol', 'views')}{background}"
    facts = [rows["network"].iloc[0], views, f"n = {counts} views"]
    reference = key.get("reference")
    facts.append(f"{reference['n']} reference pictures" if reference else "")
    return ", ".join(str(fact) for fact in facts if fact)
