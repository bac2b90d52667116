"""What the tables share: known columns, the order of methods, and numbers per prompt."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from esd_bench import stats
from esd_bench.tables import Body, Cell, Column

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
METHODS = ("sds", "vsd", "debiased_sds", "perp_neg", "esd")


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
    background = f"on {key['background']}" if key.get("background") else ""
    counts = " or ".join(str(n) for n in sorted(set(rows["n"])))
    facts = [rows["network"].iloc[0], key.get("protocol"), background, f"n = {counts} views"]
    reference = key.get("reference")
    facts.append(f"{reference['n']} reference pictures" if reference else "")
    return ", ".join(str(fact) for fact in facts if fact)


def natural(text: str) -> list[tuple[int, float, str]]:
    """A sort key under which 2 comes before 10."""
    parts = re.findall(r"\d+\.?\d*|\D+", text)
    return [(0, float(x), "") if x[0].isdigit() else (1, 0.0, x) for x in parts]


def methods(frame: pd.DataFrame) -> list[str]:
    """Labels in the order of the paper's tables, then by name."""
    names = frame.drop_duplicates("label").set_index("label")["method"]
    rank = {label: METHODS.index(m) if m in METHODS else len(METHODS) for label, m in names.items()}
    return sorted(rank, key=lambda label: (rank[label], natural(str(label))))


@dataclass(frozen=True)
class Arm:
    """All rows of one method, of finished and failed runs."""

    rows: pd.DataFrame

    @property
    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return self.rows.drop_duplicates("run")

    @property
    def prompts(self) -> int:
        """How many prompts it was given."""
        return len(self.runs["prompt"].unique())

    @property
    def failed(self) -> str:
        """Failed runs of all runs, such as "2/72"."""
        return f"{(self.runs['status'] != 'finished').sum()}/{len(self.runs)}"

    def values(self, score: str) -> pd.Series:
        """One number a prompt, the mean over seeds; a failed run counts as 0 in a rate and is left out elsewhere."""
        scored = self.rows[(self.rows["score"] == score) & (self.rows["status"] == "finished")]
        if score in RATES and len(scored):
            lost = self.runs[self.runs["status"] != "finished"].assign(value=0.0)
            scored = pd.concat([scored, lost])
        values = stats.per_prompt(scored["prompt"], pd.to_numeric(scored["value"]))
        # The paper's rule for human labels: a prompt succeeds if any of its seeds does.
        return (values > 0).astype(float) if score == "success_rate" else values

    def cell(self, score: str, detail: bool = False) -> Cell:
        """The mean over prompts; with ``detail`` its standard deviation and bootstrap interval as well."""
        values = self.values(score)
        if values.empty:
            return Cell(None)
        n = len(values)
        gap = f"{n} of {self.prompts} prompts" if n < self.prompts else ""
        if score in RATES:
            return _rate(values, gap, detail)
        if not detail:
            return Cell(float(values.mean()), n=n, flag=gap)
        spread = float(values.std(ddof=1)) if n > 1 else None
        return Cell(float(values.mean()), spread, stats.bootstrap_interval(values), n, gap)


def _rate(values: pd.Series, gap: str, detail: bool) -> Cell:
    ends = stats.wilson(float(values.sum()), len(values)) or (math.nan, math.nan)
    interval = (100 * ends[0], 100 * ends[1]) if detail else None
    return Cell(100 * float(values.mean()), None, interval, len(values), gap)


def footnotes(frame: pd.DataFrame) -> list[str]:
    """Prompts and seeds, where runs start from, and which runs failed and why."""
    seeds = sorted({int(seed) for seed in frame["seed"]})
    suites = ", ".join(sorted(set(frame["suite"])))
    prompts = frame["prompt"].nunique()
    notes = [f"Suite {suites}: {prompts} prompts, {len(seeds)} seed{'s' * (len(seeds) > 1)}."]
    return [*notes, *_starts(frame), *_failures(frame)]


def _starts(frame: pd.DataFrame) -> list[str]:
    warm = frame[frame["start"] != ""].drop_duplicates(["label", "start"])
    return [f"{row.label} starts from a scene made by {row.start}." for row in warm.itertuples()]


def _failures(frame: pd.DataFrame) -> list[str]:
    lost = frame[frame["status"] != "finished"].drop_duplicates("run")
    counts = lost.groupby(["label", "note"], sort=False).size()
    told = [f"{label}: {reason or 'no reason'} ({n})" for (label, reason), n in counts.items()]
    return [f"Failed runs: {'; '.join(told)}."] if told else []


def gain_of_means(arms: Sequence[Arm]) -> str:
    """(mean IV - mean IQ) / mean IQ of each arm, which the mean of gains is often mistaken for; "" without both."""
    means = [(arm.values("iq").mean(), arm.values("iv").mean()) for arm in arms]
    ratios = ", ".join("–" if not iq > 0 else f"{(iv - iq) / iq:.3f}" for iq, iv in means)
    return f"IG is the mean of the assets' gains; the gain of the mean IQ and IV is, row by row, {ratios}."


def by_method(frame: pd.DataFrame, title: str, detail: bool) -> Body:
    """A row a method; success by humans always has its column, success by the oracle where it was scored."""
    scores = [*shown(frame), "success_rate", *present(frame, ("success",))]
    arms = {label: Arm(frame[frame["label"] == label]) for label in methods(frame)}
    rows = tuple(
        (
            (label, str(arm.prompts), arm.failed),
            tuple(arm.cell(score, detail) for score in scores),
        )
        for label, arm in arms.items()
    )
    notes = [gain_of_means(list(arms.values()))] if {"iq", "iv", "ig"} <= {*scores} else []
    columns = tuple(column(frame, score) for score in scores)
    index = ("Method", "Prompts", "Failed")
    return Body(title, index, columns, rows, tuple(notes + footnotes(frame)))
