"""Strengths out of choices between two: Bradley and Terry's model (Biometrika 1952), fitted by Hunter's MM steps (2004)."""

import numpy as np

from esd_bench.stats.resampling import RESAMPLES, SEED, percentiles

PRIOR = 0.1
"""Wins that every pair is given on both sides, so that an item which always wins has a finite strength."""


def _fit(wins: np.ndarray, prior: float, steps: int, tolerance: float) -> np.ndarray:
    """(..., m) log strengths with mean 0, of (..., m, m) wins of row over column."""
    m = wins.shape[-1]
    kept = wins * (1 - np.eye(m)) + prior * (1 - np.eye(m))
    games, won = kept + np.swapaxes(kept, -1, -2), kept.sum(-1)
    strength = np.ones(won.shape)
    for _ in range(steps):
        sums = strength[..., :, None] + strength[..., None, :]
        new = won / (games / sums).sum(-1)
        new = new / np.exp(np.log(new).mean(-1, keepdims=True))
        moved = np.abs(np.log(new / strength)).max()
        strength = new
        if moved < tolerance:
            break
    return np.log(strength)


def bradley_terry(wins: np.ndarray, prior: float = PRIOR) -> np.ndarray:
    """(m,) log strengths, mean 0: the chance that i is preferred to j is 1 / (1 + exp(s_j - s_i)).

    Args:
        wins: (m, m), how often the row was preferred to the column; a tie is half a win to both.
        prior: wins that every pair is given besides; 0 is the plain maximum of likelihood.

    Raises:
        ValueError: without a prior, when no maximum exists because some items never lost to the others.
    """
    numbers = np.asarray(wins, dtype=np.float64)
    if prior == 0 and not _connected(numbers):
        raise ValueError("some items never lost to the others; their strength has no maximum")
    return _fit(numbers, prior, 10_000, 1e-10)


def _connected(wins: np.ndarray) -> bool:
    """Whether everything was, over some chain, preferred to everything (Ford's condition)."""
    from scipy.sparse.csgraph import connected_components

    return bool(connected_components(wins > 0, directed=True, connection="strong")[0] == 1)


def bradley_terry_intervals(
    wins: np.ndarray,
    confidence: float = 0.95,
    resamples: int = RESAMPLES // 10,
    seed: int = SEED,
    prior: float = PRIOR,
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends, (m,) each, of the intervals of the log strengths, by resampling prompts with all choices made on them.

    Args:
        wins: (prompts, m, m), how often on each prompt the row was preferred to the column.
        confidence: coverage aimed at.
        resamples: how many draws of the prompts.
        seed: of their random stream.
        prior: as in :func:`bradley_terry`.
    """
    numbers = np.asarray(wins, dtype=np.float64)
    n, m, _ = numbers.shape
    # How often a resample holds each prompt is all that its sum needs.
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    sums = (times @ numbers.reshape(n, -1)).reshape(resamples, m, m)
    low, high = percentiles(_fit(sums, prior, 2000, 1e-6), confidence)
    return low, high
