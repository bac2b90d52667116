"""Two methods on the same prompts."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from esd_bench.stats.intervals import bootstrap_interval
from esd_bench.stats.resampling import EXACT, RESAMPLES, SEED, Numbers, sizes
from esd_bench.stats.shares import mcnemar

TIE = 1e-6
"""Share of the mean size of differences below which one is none, and two sums tie: scores are stored with nine digits."""


def sign_flip(differences: Numbers, resamples: int = RESAMPLES, seed: int = SEED) -> float:
    """Two-sided p of the mean paired difference under random signs: exact where up to :data:`EXACT` pairs differ, else by Monte Carlo.

    The Monte-Carlo p counts the observed signs as one of the draws, so it is never 0.
    """
    known = np.asarray(differences, dtype=np.float64)
    if not len(known):
        raise ValueError("no pairs to compare")
    # Their sign changes no sum, and without them more cases are exact.
    known = known[np.abs(known) > TIE * np.abs(known).mean()]
    if not len(known):
        return 1.0
    # Sums that tie but for rounding must count as ties, also sums of 0: rates of few views tie often.
    observed = abs(known.sum()) - TIE * np.abs(known).sum()
    if len(known) <= EXACT:
        return _as_far(known, observed)
    rng = np.random.default_rng(seed)
    hits = 0
    for size in sizes(len(known), resamples):
        signs = rng.integers(0, 2, (size, len(known))) * 2 - 1
        hits += int((np.abs(signs @ known) >= observed).sum())
    return (hits + 1) / (resamples + 1)


def _as_far(known: np.ndarray, observed: float) -> float:
    """Share of all signed sums that lie as far from 0: those of two halves, which meet in the middle."""
    if observed <= 0:
        return 1.0
    half = len(known) // 2
    first, second = (_signed(x) for x in (known[:half], known[half:]))
    # As many lie below as above; each sum of the first half needs so much of the second.
    above = len(second) - second.searchsorted(observed - first)
    return float(2 * above.sum() / (len(first) * len(second)))


def _signed(numbers: np.ndarray) -> np.ndarray:
    """All 2^n signed sums, in order."""
    sums = np.zeros(1)
    for x in numbers:
        sums = np.concatenate([sums - x, sums + x])
    return np.sort(sums)


def detectable(sd: float, n: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Minimum detectable effect: the least mean difference that a two-sided paired t test of ``n`` pairs shows.

    Args:
        sd: standard deviation of the paired differences.
        n: pairs; None is returned for fewer than two.
        alpha: level of the test.
        power: chance to see it.
    """
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    if n < 2:
        return None
    limit = stdtrit(n - 1, 1 - alpha / 2)

    def shortfall(shift: float) -> float:
        return float(1 - nctdtr(n - 1, shift, limit) + nctdtr(n - 1, shift, -limit) - power)

    # Of normal data the shift is below the sum of the two quantiles; small samples need more.
    top = 4.0
    while shortfall(top) < 0:
        top *= 2
    return sd * float(brentq(shortfall, 0.0, top)) / math.sqrt(n)


@dataclass(frozen=True)
class Paired:
    """Two methods on the same prompts.

    Attributes:
        difference: mean over prompts of first minus second.
        interval: its bootstrap interval; None for fewer than two prompts, or where none is asked for.
        p: two-sided, by the test.
        n: prompts that both have; others are left out.
        wins, ties, losses: prompts on which the first is larger, equal, smaller.
        first, second: the two means over these prompts.
        sd: of the differences (n - 1); None for fewer than two prompts.
        test: "McNemar" where every prompt has 0 or 1 by both, else "sign flips".
    """

    difference: float
    interval: tuple[float, float] | None
    p: float
    n: int
    wins: int
    ties: int
    losses: int
    first: float
    second: float
    sd: float | None
    test: str

    @property
    def detectable(self) -> float | None:
        """Minimum detectable effect at 80 % power, from the spread of the differences; None where they have none."""
        return detectable(self.sd, self.n) if self.sd else None


def paired(
    first: pd.Series,
    second: pd.Series,
    confidence: float = 0.95,
    binary: bool = False,
    scale: float = 1,
    resamples: int = RESAMPLES,
) -> Paired:
    """Compare two methods by their per-prompt numbers (series indexed by prompt).

    Args:
        first: one number a prompt, as :func:`~esd_bench.stats.over_seeds` gives them.
        second: the same of the method that is subtracted.
        confidence: of the interval.
        binary: take McNemar's test where all numbers are 0 or 1, as for success with one seed.
        scale: of differences and means, such as 100 for per cent.
        resamples: of the interval; 0 leaves it out.

    Raises:
        ValueError: when they share no prompt.
    """
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    gap = (both.iloc[:, 0] - both.iloc[:, 1]) * scale
    if gap.empty:
        raise ValueError("the two methods share no prompt")
    none = TIE * gap.abs().mean()
    wins, losses = int((gap > none).sum()), int((gap < -none).sum())
    whole = binary and bool(both.isin([0.0, 1.0]).all(axis=None))
    return Paired(
        difference=float(gap.mean()),
        interval=bootstrap_interval(gap, confidence, resamples) if resamples else None,
        p=mcnemar(wins, losses) if whole else sign_flip(gap),
        n=len(gap),
        wins=wins,
        ties=len(gap) - wins - losses,
        losses=losses,
        first=float(both.iloc[:, 0].mean()) * scale,
        second=float(both.iloc[:, 1].mean()) * scale,
        sd=float(gap.std(ddof=1)) if len(gap) > 1 else None,
        test="McNemar" if whole else "sign flips",
    )
