"""What the tables share: known columns, and numbers per prompt."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from esd_bench import stats
from esd_bench.tables import Body, Cell, Column, labels

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
SIMILAR = ("self_similarity", "opposite", "quarter", "opposite_mirrored", "quarter_mirrored")
DETECTORS = (
    *("fronts_elsewhere", "front_elsewhere", "right_word", "front_peaks", "pose_peaks"),
    *(f"{name}{space}" for name in SIMILAR for space in ("", "_clip")),
)
"""Of :mod:`esd_bench.validation`, which has a table of their own."""
ASIDE = {*KNOWN, *DETECTORS, "fid_floor", "iv_jackknife", "kind", "colour"} - {*QUALITY}
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
    unit = key.get("counts", "views")
    facts = [rows["network"].iloc[0], views if unit == "views" else "", f"n = {counts} {unit}"]
    reference = key.get("reference")
    facts.append(f"{reference['n']} reference pictures" if reference else "")
    return ", ".join(str(fact) for fact in facts if fact)


@dataclass(frozen=True)
class Study:
    """A frame with what the tables ask of it: one number for each method, score and prompt.

    Attributes:
        frame: as gathered.
        runs: one row a run.
        values: mean over seeds by (label, score, prompt); a failed run counts as 0 in a rate and is left out elsewhere.
    """

    frame: pd.DataFrame
    runs: pd.DataFrame
    values: pd.Series

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Study":
        """Average once for all cells."""
        finished = frame[(frame["status"] == "finished") & (frame["score"] != "")]
        runs = frame.drop_duplicates("run")
        scored = pd.concat([finished, *(_lost(runs, finished, score) for score in RATES)])
        values = stats.over_seeds(scored, ("label", "score", "prompt"))
        # A prompt that waits for a human verdict has none, also where another of its runs failed.
        waits = finished[(finished["score"] == "success_rate") & finished["value"].isna()]
        keys = pd.MultiIndex.from_frame(waits[["label", "score", "prompt"]])
        values = values[~values.index.isin(keys)]
        # The paper's rule for human labels: a prompt succeeds if any of its seeds does.
        human = values.index.get_level_values("score") == "success_rate"
        return cls(frame, runs, values.mask(human & (values > 0), 1.0))

    @property
    def labels(self) -> list[str]:
        """Methods in the order of the paper's tables, then by name."""
        return labels(self.runs)

    def prompts(self, label: str) -> int:
        """How many prompts a method was given."""
        return int(self.runs[self.runs["label"] == label]["prompt"].nunique())

    def failed(self, *by: str) -> dict[tuple[str, ...], str]:
        """Failed runs of all runs, such as "2/72", by values of columns."""
        lost = (self.runs["status"] != "finished").groupby([self.runs[name] for name in by])
        pairs = zip(lost.sum().items(), lost.size(), strict=True)
        return {(x if isinstance(x, tuple) else (x,)): f"{n}/{size}" for (x, n), size in pairs}

    def cell(self, label: str, score: str, detail: bool = False) -> Cell:
        """The mean over prompts; with ``detail`` its standard deviation and interval as well."""
        if (label, score) not in self.values.index:
            return Cell(None)
        values, given = self.values.loc[(label, score)], self.prompts(label)
        n = len(values)
        gap = f"{n} of {given} prompts" if n < given else ""
        if score in RATES:
            return _rate(values, gap, detail)
        if not detail:
            return Cell(float(values.mean()), n=n, flag=gap)
        spread = float(values.std(ddof=1)) if n > 1 else None
        return Cell(float(values.mean()), spread, stats.bootstrap_interval(values), n, gap)


def _lost(runs: pd.DataFrame, finished: pd.DataFrame, score: str) -> pd.DataFrame:
    """Failed runs as zeros of a rate, for the methods that were scored, or had nothing to score."""
    scored = set(finished[finished["score"] == score]["label"])
    ended = set(runs[runs["status"] == "finished"]["label"])
    lost = runs[(runs["status"] != "finished") & ~runs["label"].isin(ended - scored)]
    return lost.assign(score=score, value=0.0) if scored else lost[:0]


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
    return [*notes, *_uneven(frame), *_starts(frame), *_failures(frame)]


def _uneven(frame: pd.DataFrame) -> list[str]:
    """A warning where not every method was given every prompt and seed."""
    runs = frame.drop_duplicates("run")
    given = {frozenset(zip(x["prompt"], x["seed"], strict=True)) for _, x in runs.groupby("label")}
    return ["Not every method was given the same prompts and seeds."] if len(given) > 1 else []


def _starts(frame: pd.DataFrame) -> list[str]:
    warm = frame[frame["start"] != ""].drop_duplicates(["label", "start"])
    return [f"{row.label} starts from a scene made by {row.start}." for row in warm.itertuples()]


def _failures(frame: pd.DataFrame) -> list[str]:
    lost = frame[frame["status"] != "finished"].drop_duplicates("run")
    counts = lost.groupby(["label", "note"], sort=False).size().reset_index(name="runs")
    rows = zip(counts["label"], counts["note"], counts["runs"], strict=True)
    told = [f"{label}: {reason or 'no reason'} ({n})" for label, reason, n in rows]
    return [f"Failed runs: {'; '.join(told)}."] if told else []


def _gain_of_means(study: Study) -> str:
    """(mean IV - mean IQ) / mean IQ of each method, which the mean of gains is often mistaken for."""
    means = [(study.cell(x, "iq").value, study.cell(x, "iv").value) for x in study.labels]
    ratios = ", ".join(f"{(iv - iq) / iq:.3f}" if iq and iv else "–" for iq, iv in means)
    return f"IG is the mean of the assets' gains; the gain of the mean IQ and IV is, row by row, {ratios}."


def by_method(frame: pd.DataFrame, title: str, detail: bool) -> Body:
    """A row a method; success by humans always has its column, success by the oracle where it was scored."""
    study, scores = Study.of(frame), [*shown(frame), "success_rate", *present(frame, ("success",))]
    failed = study.failed("label")
    rows = tuple(
        (
            (label, str(study.prompts(label)), failed[(label,)]),
            tuple(study.cell(label, score, detail) for score in scores),
        )
        for label in study.labels
    )
    notes = [_gain_of_means(study)] if {"iq", "iv", "ig"} <= {*scores} else []
    columns = tuple(column(frame, score) for score in scores)
    index = ("Method", "Prompts", "Failed")
    return Body(title, index, columns, rows, tuple(notes + footnotes(frame)))
