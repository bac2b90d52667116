"""Intervals of a mean over prompts."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from esd_bench.stats.resampling import RESAMPLES, SEED, Numbers, draws, percentiles, sizes

Interval = Literal["bootstrap", "hierarchical", "t", "none"]
INTERVALS: tuple[str, ...] = get_args(Interval)


def over_seeds(scores: pd.DataFrame, by: Sequence[str] = ("prompt",)) -> pd.Series:
    """One number a prompt: the mean over its seeds. Undefined values (NaN) are left out.

    Args:
        scores: a row a run, with a column ``value`` and those of ``by``.
        by: columns that make the index of the result, ``prompt`` among them.
    """
    return scores.dropna(subset="value").groupby(list(by), sort=True)["value"].mean()


def bootstrap_interval(
    values: Numbers,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean over prompts (Efron); None for fewer than two of them.

    Args:
        values: one number a prompt, as :func:`over_seeds` gives them.
        confidence: coverage aimed at; with few prompts the interval is somewhat too short.
        resamples: how many draws.
        seed: of their random stream.
    """
    known = np.asarray(values, dtype=np.float64)
    if len(known) < 2:
        return None
    means = np.concatenate([known[x].mean(1) for x in draws(len(known), resamples, seed)])
    # A plain quantile, whose last bits stored tables hold.
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def hierarchical_interval(
    prompts: Sequence[Numbers] | np.ndarray,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """Bootstrap interval of the mean over prompts that draws prompts, then seeds within each.

    The prompts' means vary with their seeds already, so the second draw makes the interval longer than it needs to be: by
    8 % where seeds vary as much as prompts and there are three of them. With one seed it is :func:`bootstrap_interval`.

    Args:
        prompts: for each prompt the numbers of its seeds; a prompt without any is left out.
        confidence: coverage aimed at, rather exceeded.
        resamples: how many draws.
        seed: of their random stream.
    """
    known = [x for x in (_known(values) for values in prompts) if len(x)]
    if len(known) < 2 or max(map(len, known)) == 1:
        flat = np.array([x[0] for x in known])
        return bootstrap_interval(flat, confidence, resamples, seed)
    counts = np.array([len(x) for x in known])
    padded = np.stack([np.pad(x, (0, counts.max() - len(x))) for x in known])
    rng, means = np.random.default_rng(seed), []
    for size in sizes(len(known), resamples):
        drawn = rng.integers(0, len(known), (size, len(known)))
        means.append(_over_drawn_seeds(padded, counts, drawn, rng).mean(1))
    low, high = percentiles(np.concatenate(means), confidence)
    return float(low), float(high)


def hierarchical_intervals(
    values: np.ndarray,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> np.ndarray:
    """:func:`hierarchical_interval` of many scores at once, all of the same draws: (2, scores), both ends of each.

    Args:
        values: (prompts, seeds, scores); a seed that one score lacks (NaN) is lacking in all of them.
        confidence: coverage aimed at, rather exceeded.
        resamples: how many draws.
        seed: of their random stream.

    Raises:
        ValueError: when scores lack different seeds, or there are fewer than two prompts.
    """
    there = ~np.isnan(values[..., 0])
    if (np.isnan(values) == there[..., None]).any():
        raise ValueError("these scores do not have the same seeds; take the interval of each")
    there = there[there.any(1)]
    if len(there) < 2:
        raise ValueError("an interval over prompts needs two of them")
    numbers, counts = values[~np.isnan(values[..., 0])], there.sum(1)
    start = np.cumsum(counts) - counts
    rng, means = np.random.default_rng(seed), []
    for size in sizes(len(counts), resamples):
        drawn = rng.integers(0, len(counts), (size, len(counts)))
        have, rows = counts[drawn], len(numbers) * np.arange(size)[:, None]
        held = np.zeros(size * len(numbers))
        for k in range(counts.max()):
            chosen = start[drawn]
            # With one seed a prompt there is no second draw.
            if counts.max() > 1:
                chosen = chosen + (rng.random(drawn.shape) * have).astype(np.intp)
            held += np.bincount((rows + chosen).ravel(), ((k < have) / have).ravel(), len(held))
        means.append(held.reshape(size, -1) @ numbers / len(counts))
    return percentiles(np.concatenate(means), confidence)


def _over_drawn_seeds(
    padded: np.ndarray, counts: np.ndarray, prompts: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Means over as many seeds of each drawn prompt as it has, drawn with replacement, in the shape of ``prompts``."""
    have, first = counts[prompts], prompts * padded.shape[1]
    total, flat = np.zeros(prompts.shape), padded.ravel()
    for k in range(padded.shape[1]):
        drawn = flat[first + (rng.random(prompts.shape) * have).astype(np.intp)]
        total += drawn if counts.min() > k else drawn * (k < have)
    return total / have


def t_interval(values: Numbers, confidence: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of the mean over prompts, clustered by prompt because each is one number; None for fewer than two."""
    from scipy.special import stdtrit

    known = _known(values)
    if len(known) < 2:
        return None
    half = stdtrit(len(known) - 1, (1 + confidence) / 2) * known.std(ddof=1) / math.sqrt(len(known))
    return float(known.mean() - half), float(known.mean() + half)


def interval_of(
    kind: str, values: Numbers, seeds: Sequence[Numbers] = ()
) -> tuple[float, float] | None:
    """The interval of one of :data:`INTERVALS`: from one number a prompt, or for "hierarchical" from those of its seeds.

    Raises:
        ValueError: that lists them.
    """
    if kind == "hierarchical":
        return hierarchical_interval(seeds or [[x] for x in values])
    if kind == "bootstrap":
        return bootstrap_interval(values)
    if kind == "t":
        return t_interval(values)
    if kind != "none":
        raise ValueError(f"no interval {kind!r}; use {', '.join(INTERVALS)}")
    return None


def _known(values: Numbers) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[~np.isnan(numbers)]
