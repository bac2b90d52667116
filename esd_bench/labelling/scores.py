"""Decided labels into the folders of the runs: ``labels/human.json``, and the score ``success_rate`` that tables read."""

from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.study import Study
from esd_bench.labelling.tallies import by_prompt, counted, seeds

RULE = "three criteria, each by the majority of raters"


def write_runs(given: pd.DataFrame, study: Study) -> tuple[int, int]:
    """Write the majority's word on every run that was judged.

    A run whose prompt does not count for its method, because a seed is missing or undecided, gets a score without a
    value, so that tables and :func:`esd_bench.labelling.tallies.success` agree. What an earlier call wrote on a run that
    nobody has judged any more, because labels were taken back or a rater is left out, goes.

    Returns:
        how many runs have a value, and how many have none yet.
    """
    from esd_bench.store import write_json

    decided, heard = seeds(given, study), counted(given)
    whole = {label: by_prompt(decided, label)["any"].notna() for label in decided["label"].unique()}
    count = {True: 0, False: 0}
    judged = decided["item"].isin(heard["item"])
    for run in decided[~judged]["run"]:
        for path in _files(run):
            path.unlink(missing_ok=True)
    rows: list[Any] = decided[judged].to_dict("records")
    for row in rows:
        own = heard[heard["item"] == row["item"]]
        counts = bool(whole[row["label"]][row["prompt"]])
        label, score = _files(row["run"])
        write_json(label, _label(row, own))
        write_json(score, _score(row, own, counts))
        count[counts] += 1
    return count[True], count[False]


def _files(run: str) -> tuple[Path, Path]:
    return Path(run) / "labels" / "human.json", Path(run) / "scores" / "success_rate.json"


def _value(number: float) -> bool | None:
    return None if pd.isna(number) else bool(number)


def _label(row: dict[str, Any], own: pd.DataFrame) -> dict[str, Any]:
    """Votes and verdicts, without the raters' names."""
    heard = own.groupby(["criterion", "value"]).size()
    votes = {x: {v: int(heard.get((x, v), 0)) for v in ("yes", "no", "unsure")} for x in NAMES}
    verdicts = {name: {**votes[name], "passed": _value(row[name])} for name in NAMES}
    passed = _value(row["passed"])
    return {"rule": RULE, "raters": own["rater"].nunique(), "criteria": verdicts, "passed": passed}


def _score(row: dict[str, Any], own: pd.DataFrame, counts: bool) -> dict[str, Any]:
    score: dict[str, Any] = {
        "name": "success_rate",
        "value": float(row["passed"]) if counts else None,
        "unit": "",
        "better": "higher",
        "n": own["rater"].nunique(),
        "per_view": [],
        "version": 1,
        "note": "" if counts else "a seed of this prompt is missing or undecided",
    }
    return {
        "metric": "success_rate",
        "scores": [score],
        "network": "",
        "comparability": {"rule": RULE, "counts": "raters"},
        "provenance": {},
    }
