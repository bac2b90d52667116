"""Ranks that say when they are not told apart."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from esd_bench.stats.resampling import RESAMPLES, SEED, draws, percentiles


@dataclass(frozen=True)
class Rank:
    """A method among others on the prompts that all of them have.

    Attributes:
        rank: one more than the methods that are better beyond doubt: the interval of the paired difference leaves out 0.
        first: how often it is the best one over resamples of the prompts; those that tie share. NaN for one prompt, after which
            nothing is beyond doubt.
        n: prompts.
    """

    rank: int
    first: float
    n: int


def ranks(
    values: pd.DataFrame,
    higher: bool,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Rank]:
    """Ranks by the paired bootstrap: methods whose difference has an interval around 0 share one.

    Sharing is not transitive: of three methods the first may be told apart from the last and neither from the middle one.

    Args:
        values: a row a prompt, a column a method; prompts that a method lacks are left out.
        higher: whether more is better.
        confidence: of the intervals of differences; they are not corrected for their number.
        resamples: how many draws of the prompts, the same for all methods.
        seed: of their random stream.
    """
    known = values.dropna()
    if known.empty:
        return {}
    if len(known) < 2:
        return {str(name): Rank(1, math.nan, 1) for name in known.columns}
    numbers = known.to_numpy(dtype=np.float64) * (1 if higher else -1)
    blocks = draws(len(numbers), resamples, seed, numbers.shape[1])
    means = np.concatenate([numbers[index].mean(1) for index in blocks])
    # Means of the same numbers in another order must tie.
    best = means >= means.max(1, keepdims=True) - 1e-12 * np.abs(means).max()
    first = (best / best.sum(1, keepdims=True)).mean(0)
    lead = percentiles(means[:, :, None] - means[:, None, :], confidence)[0]
    worse = (lead > 0).sum(0)
    return {
        str(name): Rank(1 + int(worse[k]), float(first[k]), len(known))
        for k, name in enumerate(known.columns)
    }
