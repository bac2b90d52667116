"""What the metrics share: arrays and tensors in, float64 rows out."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

Rows: TypeAlias = Float[np.ndarray, "_ _"] | Float[Tensor, "_ _"]
"""A row per picture."""
Angles: TypeAlias = Float[np.ndarray, " _"] | Float[Tensor, " _"]
"""Radians."""


def rows(x: Rows, least: int = 1) -> Float64[np.ndarray, "n d"]:
    """The same numbers in float64.

    Raises:
        ValueError: when there are fewer than ``least`` rows or a number is not finite.
    """
    array = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < least or array.shape[1] < 1:
        raise ValueError(f"need at least {least} rows of numbers, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("a feature is not finite")
    return array


def pair(x: Rows, y: Rows) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, "m d"]]:
    """Two feature sets of equal width, two rows each at least.

    Raises:
        ValueError: when they are not.
    """
    a, b = rows(x, 2), rows(y, 2)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features of different width: {a.shape[1]} and {b.shape[1]}")
    return a, b


def probabilities(x: Rows) -> Float64[np.ndarray, "n k"]:
    """Rows that sum to one exactly in float64.

    Raises:
        ValueError: for logits, or anything else that is no probability.
    """
    p = rows(x)
    total = p.sum(1, keepdims=True)
    if (p < 0).any() or np.abs(total - 1).max() > 1e-3:
        raise ValueError("rows must be probabilities (softmax first): non-negative, summing to one")
    return p / total
