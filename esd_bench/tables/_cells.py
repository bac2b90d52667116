"""Numbers per prompt, and the cells that they make."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from esd_bench import stats
from esd_bench.tables import Cell, labels
from esd_bench.tables._columns import RATES


@dataclass(frozen=True)
class Study:
    """A frame with what the tables ask of it: one number for each method, score and prompt.

    Attributes:
        frame: as gathered.
        runs: one row a run.
        scored: rows that count, failed runs among them where the rule says so.
        values: mean over seeds by (label, score, prompt).
    """

    frame: pd.DataFrame
    runs: pd.DataFrame
    scored: pd.DataFrame
    values: pd.Series

    @classmethod
    def of(cls, frame: pd.DataFrame, failed: str = "fail") -> "Study":
        """Average once for all cells; ``failed`` says what a failed run is to a rate: no success, or left out ("exclude")."""
        finished = frame[(frame["status"] == "finished") & (frame["score"] != "")]
        runs = frame.drop_duplicates("run")
        lost = [_lost(runs, finished, score) for score in RATES if failed == "fail"]
        scored = pd.concat([finished, *lost])
        values = stats.over_seeds(scored, ("label", "score", "prompt"))
        # A prompt that waits for a human verdict has none, also where another of its runs failed.
        waits = finished[(finished["score"] == "success_rate") & finished["value"].isna()]
        keys = pd.MultiIndex.from_frame(waits[["label", "score", "prompt"]])
        values = values[~values.index.isin(keys)]
        # The paper's rule for human labels: a prompt succeeds if any of its seeds does.
        human = values.index.get_level_values("score") == "success_rate"
        return cls(frame, runs, scored, values.mask(human & (values > 0), 1.0))

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

    def of_prompts(self, label: str, score: str) -> pd.Series | None:
        """One number a prompt; None where the method has none of the score."""
        return self.values.loc[(label, score)] if (label, score) in self.values.index else None

    def of_seeds(self, label: str, score: str) -> pd.Series:
        """One number for each (prompt, seed)."""
        own = self.scored[(self.scored["label"] == label) & (self.scored["score"] == score)]
        return stats.over_seeds(own, ("prompt", "seed"))

    def cell(self, label: str, score: str, spread: bool = False, interval: str = "none") -> Cell:
        """The mean over prompts, its standard deviation and its interval as they are wanted; for a rate Wilson's."""
        values, given = self.of_prompts(label, score), self.prompts(label)
        if values is None:
            return Cell(None)
        n = len(values)
        gap = f"{n} of {given} prompts" if n < given else ""
        if score in RATES:
            return _rate(values, gap, interval != "none")
        deviation = float(values.std(ddof=1)) if spread and n > 1 else None
        return Cell(
            float(values.mean()), deviation, self._interval(interval, values, label, score), n, gap
        )

    def _interval(
        self, kind: str, values: pd.Series, label: str, score: str
    ) -> tuple[float, float] | None:
        if kind != "hierarchical":
            return stats.interval_of(kind, values)
        return stats.hierarchical_interval(by_prompt(self.of_seeds(label, score)))


def by_prompt(seeds: pd.Series) -> list[np.ndarray]:
    """Numbers by (prompt, seed) as one array a prompt."""
    return [own.to_numpy() for _, own in seeds.groupby(level="prompt")]


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
