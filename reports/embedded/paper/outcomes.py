"""Outcomes of arms and their differences, all intervals of the same draws; and the families of tests over them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from esd_bench import stats
from reports.embedded.paper.units import RATE, WORDINGS, Arm, Study

PRIMARY = ("janus_rate", RATE)
DETECTORS = (
    *("right_word", "front_elsewhere", "fronts_elsewhere", "front_peaks"),
    *("self_similarity", "self_similarity_clip"),
)
"""Scores of the detectors that need no oracle, without their parts."""
SECONDARY = (
    *("consistency", "front_share", "faces", "clip_distance", "fid", "kid", "iq", "iv", "ig"),
    *DETECTORS,
)
OUTCOMES = (*PRIMARY, *SECONDARY)
LAMBDAS = (0.5, 1.0)
Key = tuple[str, str, str]
"""Two labels, of which the second is subtracted, and a score."""
Arrays = Mapping[tuple[str, str], np.ndarray]


def scale(score: str) -> float:
    """Rates of success are shown in per cent."""
    return 100 if score == RATE else 1


def over_seeds(values: np.ndarray) -> np.ndarray:
    """A number a prompt: the mean over the seeds that have one, NaN where none has."""
    there = ~np.isnan(values)
    count = there.sum(1)
    total = np.where(there, values, 0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def by_seed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Differences by prompt and seed; where one lacks a seed that the other has, every seed has the difference of the means."""
    gaps = first - second
    uneven = (np.isnan(first) != np.isnan(second)).any(1)
    means = over_seeds(first) - over_seeds(second)
    return np.where(uneven[:, None], means[:, None], gaps)


def intervals(values: Mapping) -> dict:
    """Hierarchical bootstrap intervals of (prompts, seeds) numbers; None where fewer than two prompts have one."""
    alike: dict[bytes, list] = {}
    for key, x in values.items():
        alike.setdefault(np.isnan(x).tobytes(), []).append(key)
    found = dict.fromkeys(values)
    for keys in alike.values():
        table = np.stack([values[key] for key in keys], -1)
        if (~np.isnan(table[..., 0])).any(1).sum() > 1:
            ends = stats.hierarchical_intervals(table)
            found |= {key: (float(a), float(b)) for key, a, b in zip(keys, *ends, strict=True)}
    return found


@dataclass(frozen=True)
class Mean:
    """An arm's mean over prompts and its interval; ``n`` prompts have a number."""

    value: float
    interval: tuple[float, float] | None
    n: int


def means(study: Study, scores: Iterable[str] = OUTCOMES) -> dict[tuple[str, str], Mean]:
    """(label, score) -> mean; rates of success in per cent."""
    own = {key: x for key, x in study.arrays.items() if key[1] in {*scores}}
    known = {key: x for key, x in own.items() if not np.isnan(x).all()}
    ends, found = intervals(known), {}
    for key, values in known.items():
        prompts, times = over_seeds(values), scale(key[1])
        interval = ends[key] and (times * ends[key][0], times * ends[key][1])
        n = int((~np.isnan(prompts)).sum())
        found[key] = Mean(times * float(np.nanmean(prompts)), interval, n)
    return found


def differences(study: Study, keys: Iterable[Key], arrays: Arrays | None = None) -> dict:
    """Key -> the paired difference, tested by sign flips; keys of arms that are cut, or without a common prompt, are left out."""
    arrays = study.arrays if arrays is None else arrays
    pairs = {
        key: (arrays[key[0], key[2]], arrays[key[1], key[2]])
        for key in keys
        if (key[0], key[2]) in arrays and (key[1], key[2]) in arrays
    }
    pairs = {k: x for k, x in pairs.items() if not np.isnan(by_seed(*x)).all()}
    ends, found = intervals({key: by_seed(*pair) for key, pair in pairs.items()}), {}
    for key, pair in pairs.items():
        one, two = (pd.Series(over_seeds(x)) for x in pair)
        times = scale(key[2])
        made = stats.paired(one, two, scale=times, resamples=0)
        interval = ends[key] and (times * ends[key][0], times * ends[key][1])
        found[key] = replace(made, interval=interval)
    return found


@dataclass(frozen=True)
class Test:
    """One test of a family; ``made`` is None where an arm is cut, which has p = 1."""

    first: Arm
    second: Arm
    score: str
    made: stats.Paired | None
    adjusted: float

    @property
    def p(self) -> float:
        """As tested, before the correction."""
        return self.made.p if self.made else 1.0


@dataclass(frozen=True)
class Family:
    """ESD (.5) and (1) against one comparator in both wordings: what the rule of yes and no is asked of.

    Attributes:
        tests: eight, corrected by Holm.
        guards: name of the first arm -> its difference in R.
        worst: the same as ``tests`` in the worst case of failed runs; empty where none failed.
    """

    tests: tuple[Test, ...]
    guards: dict[str, stats.Paired]
    worst: tuple[Test, ...] = ()


def family(study: Study, second: str = "esd", student: str | None = None) -> Family:
    """The rule's tests against ESD with λ = 0, or against VSD."""
    zero = 0.0 if second == "esd" else None
    pairs = [
        (study.find("esd", x, student=student, words=words), study.find(second, zero, student=student, words=words))
        for words in (True, False)
        for x in LAMBDAS
    ]  # fmt: skip
    found = differences(study, [(a.label, b.label, "consistency") for a, b in pairs])
    guards = {a.name: x for a, b in pairs if (x := found.get((a.label, b.label, "consistency")))}
    worst: tuple[Test, ...] = ()
    if any(study.failed.get(arm.label, 0) for pair in pairs for arm in pair):
        worst = _holm(study, pairs, _worst(study, pairs))
    return Family(_holm(study, pairs), guards, worst)


def _holm(
    study: Study, pairs: list[tuple[Arm, Arm]], arrays: Arrays | None = None
) -> tuple[Test, ...]:
    keys = [(a.label, b.label, score) for a, b in pairs for score in PRIMARY]
    found = differences(study, keys, arrays)
    adjusted = stats.holm([found[key].p if key in found else 1.0 for key in keys])
    named = [(a, b, score) for a, b in pairs for score in PRIMARY]
    return tuple(
        Test(*own, found.get(key), p) for own, key, p in zip(named, keys, adjusted, strict=True)
    )


def _worst(study: Study, pairs: list[tuple[Arm, Arm]]) -> Arrays:
    """The numbers with a Janus rate of 1 for failed runs of first arms, of 0 for those of second ones."""
    lost = study.runs[study.runs["status"] != "finished"]
    arrays = {key: x.copy() for key, x in study.arrays.items()}
    assumed = {a.label: 1.0 for a, _ in pairs} | {b.label: 0.0 for _, b in pairs}
    for row in lost[lost["label"].isin(assumed)].itertuples():
        blank = np.full((len(study.prompts), len(study.seeds)), np.nan)
        table = arrays.setdefault((row.label, "janus_rate"), blank)
        table[study.prompts.index(row.prompt), study.seeds.index(row.seed)] = assumed[row.label]
    return arrays


def exploratory(study: Study) -> tuple[Test, ...]:
    """Every other arm against ESD (0) of its wording and student in all outcomes, and ESD (.5) and (1) in the secondary ones.

    Benjamini and Hochberg over all; what was cut was not tested.
    """
    named = [
        (arm, base, score)
        for arm in study.arms
        for base in [study.find("esd", 0.0, student=arm.student, words=arm.words)]
        if arm != base
        for score in (SECONDARY if arm.plain and arm.entropy in LAMBDAS else OUTCOMES)
    ]
    found = differences(study, [(a.label, b.label, score) for a, b, score in named])
    tested = [x for x in named if (x[0].label, x[1].label, x[2]) in found]
    made = [found[a.label, b.label, score] for a, b, score in tested]
    adjusted = stats.benjamini_hochberg([x.p for x in made])
    return tuple(Test(*own, x, p) for own, x, p in zip(tested, made, adjusted, strict=True))


def of_wording(tests: Iterable[Test], words: bool) -> list[Test]:
    """Those with view words in the prompt, or without."""
    return [test for test in tests if test.first.wording == WORDINGS[not words]]
