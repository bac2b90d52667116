"""Methods compared on the same prompts: the one way, for every table that does it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from esd_bench import stats
from esd_bench.tables import Cell, arms
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import RATES

PRIMARY = ("success", "janus_rate")
"""The family that was declared before: what the paper claims is that objects succeed and faces do not repeat."""
Interval = Literal["bootstrap", "hierarchical", "t", "none"]
Failed = Literal["fail", "exclude"]
HOW = {
    "bootstrap": f"bootstrap over prompts ({stats.RESAMPLES} resamples, seed {stats.SEED})",
    "hierarchical": f"bootstrap over prompts, then seeds ({stats.RESAMPLES} resamples, seed {stats.SEED})",
    "t": "Student's t over prompts",
}


@dataclass(frozen=True)
class Rules:
    """How a table counts.

    Attributes:
        interval: of :data:`esd_bench.stats.INTERVALS`.
        p_values: the method that every other is tested against, by name or label; "" tests nothing.
        failed: what a failed run is to a rate.
    """

    interval: str = "none"
    p_values: str = ""
    failed: str = "fail"

    def say(self, means: str) -> str:
        """The title's sentence about intervals, if there are any."""
        how = f"{HOW[self.interval]}; Wilson for shares" if self.interval in HOW else ""
        return (
            f"{means}, and 95 % intervals of the means in brackets: {how}." if how else f"{means}."
        )


def compared(
    study: Study, first: str, second: str, score: str, interval: str = "bootstrap"
) -> stats.Paired | None:
    """Two labels on the prompts that both have a number for, rates in per cent; None where there is no such prompt."""
    found = [study.of_prompts(label, score) for label in (first, second)]
    if found[0] is None or found[1] is None or not set(found[0].index) & set(found[1].index):
        return None
    scale = 100 if score in RATES else 1
    made = stats.paired(found[0], found[1], binary=score in RATES, scale=scale)
    if interval == "bootstrap":
        return made
    ends = _interval(study, (first, second), score, interval)
    return replace(made, interval=ends and (scale * ends[0], scale * ends[1]))


def _interval(
    study: Study, pair: tuple[str, str], score: str, kind: str
) -> tuple[float, float] | None:
    """Another interval of the difference. Seeds are drawn in pairs, where both methods have the same ones of a prompt."""
    first, second = (study.values.loc[(label, score)] for label in pair)
    gaps = (first - second).dropna()
    if kind != "hierarchical":
        return stats.interval_of(kind, gaps)
    # A prompt succeeds by humans if any seed does: there is nothing below the prompt.
    if score == "success_rate":
        return stats.bootstrap_interval(gaps)
    one, two = (study.of_seeds(label, score) for label in pair)
    pairs = {str(x): own.to_numpy() for x, own in (one - two).groupby(level="prompt")}
    # Left out, a seed that one of them lacks would make this the interval of another difference.
    return stats.hierarchical_interval(
        [[gap] if np.isnan(pairs[x]).any() else pairs[x] for x, gap in gaps.items()]
    )


def bases(study: Study, baseline: str) -> dict[str, str]:
    """Wording -> the one label of the baseline; empty is VSD, or the first method there is."""
    methods = study.runs.drop_duplicates("label").set_index("label")["method"]
    there = [str(methods[label]) for label in study.labels]
    return arms(study.runs, baseline or ("vsd" if "vsd" in there else there[0]))


def partners(study: Study, baseline: str) -> dict[str, str]:
    """Label -> the baseline of its wording, for every other method."""
    known, base = study.runs.drop_duplicates("label"), bases(study, baseline)
    wordings = dict(zip(known["label"], known["wording"], strict=True))
    found = {label: base.get(wordings[label], "") for label in study.labels}
    return {label: other for label, other in found.items() if other and other != label}


@dataclass(frozen=True)
class Tested:
    """p-values of all cells of a table: (label, score) -> raw and adjusted; and how they were made."""

    p: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Study, rules: Rules, scores: Sequence[str]) -> "Tested":
        """Every method against the baseline in every score; nothing without a baseline."""
        if not rules.p_values:
            return cls()
        pairs = partners(study, rules.p_values)
        made = {
            (label, score): compared(study, label, other, score)
            for label, other in pairs.items()
            for score in scores
        }
        raw = {key: found.p for key, found in made.items() if found}
        if not raw:
            return cls(notes=(f"p: there is nothing to set against {rules.p_values}.",))
        adjusted = stats.corrected(raw, [key for key in raw if key[1] in PRIMARY])
        subtracted = " or ".join(dict.fromkeys(pairs.values()))
        note = (
            f"p: two-sided, of the paired difference from {subtracted} over prompts, {family(raw)}"
        )
        return cls({key: (raw[key], adjusted[key]) for key in raw}, (note,))

    def mark(self, cell: Cell, label: str, score: str) -> Cell:
        """The cell with its p."""
        return replace(cell, p=self.p.get((label, score)))


def family(keys: Sequence[tuple[str, str]] | dict, primary: Sequence[str] = PRIMARY) -> str:
    """Tests and corrections in words, from the (label, score) keys that were tested."""
    first = sum(key[1] in primary for key in keys)
    rest = len(keys) - first
    named = " and ".join(dict.fromkeys(key[1] for key in keys if key[1] in primary))
    parts = [f"Holm over the {first} of the primary family ({named})"] if first else []
    parts += (
        [f"Benjamini-Hochberg over the {rest} {'others' if first else 'tests'}"] if rest else []
    )
    return (
        "by sign flips (McNemar's exact test where all numbers are 0 or 1); adjusted: "
        f"{', '.join(parts)}."
    )
