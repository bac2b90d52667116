"""Intervals and tests for a benchmark whose unit of analysis is the prompt.

Seeds are nested in prompts and views in assets, so everything here starts from one number a prompt: the mean over its
seeds. Views are never replicates. Methods see the same prompts, so they are compared by pairs. Pure functions on numbers;
scipy is imported where it is used, so that a table of means needs none of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import pandas as pd

Numbers: TypeAlias = Sequence[float] | np.ndarray | pd.Series

RESAMPLES = 10_000
SEED = 240100909
"""Of every random draw below: the same numbers give the same interval everywhere."""
EXACT = 14
"""Up to so many differences the permutation test goes through all 2^n signs instead of drawing them."""
BLOCK = 2**21
"""Numbers drawn at a time, so that memory does not grow with the number of prompts."""


def over_seeds(scores: pd.DataFrame, by: Sequence[str] = ("prompt",)) -> pd.Series:
    """One number a prompt: the mean over its seeds. Undefined values (NaN) are left out.

    Args:
        scores: a row a run, with a column ``value`` and those of ``by``.
        by: columns that make the index of the result, ``prompt`` among them.
    """
    return scores.dropna(subset="value").groupby(list(by), sort=True)["value"].mean()


def _means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of ``resamples`` draws with replacement from ``values``."""
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // len(values))
    sizes = [min(rows, resamples - done) for done in range(0, resamples, rows)]
    draws = (values[rng.integers(0, len(values), (size, len(values)))].mean(1) for size in sizes)
    return np.concatenate(list(draws))


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
    tail = (1 - confidence) / 2
    low, high = np.quantile(_means(known, resamples, seed), [tail, 1 - tail])
    return float(low), float(high)


def sign_flip(differences: Numbers, resamples: int = RESAMPLES, seed: int = SEED) -> float:
    """Two-sided p of the mean paired difference under random signs: exact for few pairs, else by Monte Carlo.

    The Monte-Carlo p counts the observed signs as one of the draws, so it is never 0.
    """
    known = np.asarray(differences, dtype=np.float64)
    if not len(known):
        raise ValueError("no pairs to compare")
    # Sums that tie but for rounding must count as ties.
    observed = abs(known.mean()) * (1 - 1e-12)
    if len(known) <= EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(known))))
        return float((np.abs(signs @ known) / len(known) >= observed).mean())
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // len(known))
    hits = 0
    for done in range(0, resamples, rows):
        signs = rng.integers(0, 2, (min(rows, resamples - done), len(known))) * 2 - 1
        hits += int((np.abs(signs @ known) / len(known) >= observed).sum())
    return (hits + 1) / (resamples + 1)


@dataclass(frozen=True)
class Paired:
    """Two methods on the same prompts.

    Attributes:
        difference: mean over prompts of first minus second.
        interval: its bootstrap interval; None for fewer than two prompts.
        p: two-sided, by sign flips.
        n: prompts that both have; others are left out.
        wins, ties, losses: prompts on which the first is larger, equal, smaller.
    """

    difference: float
    interval: tuple[float, float] | None
    p: float
    n: int
    wins: int
    ties: int
    losses: int


def paired(first: pd.Series, second: pd.Series, confidence: float = 0.95) -> Paired:
    """Compare two methods by their per-prompt numbers (series indexed by prompt).

    Raises:
        ValueError: when they share no prompt.
    """
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    gap = both.iloc[:, 0] - both.iloc[:, 1]
    if gap.empty:
        raise ValueError("the two methods share no prompt")
    return Paired(
        difference=float(gap.mean()),
        interval=bootstrap_interval(gap, confidence),
        p=sign_flip(gap),
        n=len(gap),
        wins=int((gap > 0).sum()),
        ties=int((gap == 0).sum()),
        losses=int((gap < 0).sum()),
    )


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a share; None for n = 0.

    ``successes`` may be a fraction: with several seeds, the sum over ``n`` prompts of each prompt's share. The prompt
    remains the unit, which is on the safe side, because a mean over seeds varies no more than a single one.

    Raises:
        ValueError: when successes are negative or more than n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, extra = successes / n, z * z / n
    centre = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test, from the prompts on which exactly one of two methods succeeds."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def holm(p: Numbers) -> list[float]:
    """Holm's step-down adjustment, in the given order: compare the results with the family's level."""
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    raised = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * factors)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(x) for x in adjusted]
