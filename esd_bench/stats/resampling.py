"""Draws with replacement, of a stored seed and in blocks of bounded memory."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

Numbers: TypeAlias = Sequence[float] | np.ndarray | pd.Series

RESAMPLES = 10_000
SEED = 240100909
"""Of every random draw: the same numbers give the same interval everywhere."""
EXACT = 32
"""Up to so many differences the permutation test takes all 2^n signs instead of drawing them."""
BLOCK = 2**21
"""Numbers drawn at a time, so that memory does not grow with the number of prompts."""


def draws(n: int, resamples: int, seed: int, width: int = 1) -> Iterator[np.ndarray]:
    """Blocks (rows, n) of indices below ``n``; a row is one resample, ``width`` the numbers that each index stands for."""
    rng = np.random.default_rng(seed)
    for size in sizes(n * width, resamples):
        yield rng.integers(0, n, (size, n))


def sizes(row: int, resamples: int) -> list[int]:
    """How many rows of so many numbers each block has."""
    rows = max(1, BLOCK // row)
    return [min(rows, resamples - done) for done in range(0, resamples, rows)]


def percentiles(drawn: np.ndarray, confidence: float) -> np.ndarray:
    """(2, ...), Efron's percentile interval along the first axis; undefined draws (NaN) are left out."""
    tail = (1 - confidence) / 2
    return np.asarray(np.nanquantile(drawn, [tail, 1 - tail], axis=0))
