"""Many tests at once: Holm where a family was declared before, Benjamini and Hochberg's false discovery rate elsewhere."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np

from esd_bench.stats.resampling import Numbers

Key = TypeVar("Key", bound=Hashable)


def holm(p: Numbers) -> list[float]:
    """Holm's step-down adjustment, in the given order: compare the results with the family's level."""
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    raised = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * factors)
    return _restored(raised, order)


def benjamini_hochberg(p: Numbers) -> list[float]:
    """Benjamini and Hochberg's step-up adjustment, in the given order: the results control the false discovery rate."""
    order = np.argsort(p, kind="stable")
    factors = len(p) / np.arange(1, len(p) + 1)
    raised = np.asarray(p, dtype=np.float64)[order] * factors
    return _restored(np.minimum.accumulate(raised[::-1])[::-1], order)


def _restored(raised: np.ndarray, order: np.ndarray) -> list[float]:
    adjusted = np.empty(len(raised))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(x) for x in adjusted]


def corrected(p: Mapping[Key, float], primary: Iterable[Key]) -> dict[Key, float]:
    """Adjusted p by key: Holm among the ``primary`` keys, :func:`benjamini_hochberg` among the others."""
    first = [key for key in primary if key in p]
    rest = [key for key in p if key not in set(first)]
    primaries = dict(zip(first, holm([p[x] for x in first]), strict=True))
    others = dict(zip(rest, benjamini_hochberg([p[x] for x in rest]), strict=True))
    return primaries | others
