"""What kernel distances share: the squared maximum mean discrepancy of two samples from their Gram matrices.

Letters: xx (n, n), yy (m, m), xy (n, m) kernel values within and between the samples.
"""

import numpy as np
from jaxtyping import Float64


def unbiased(
    xx: Float64[np.ndarray, "n n"], yy: Float64[np.ndarray, "m m"], xy: Float64[np.ndarray, "n m"]
) -> float:
    """The U-statistic: pairs of a row with itself left out, so 0 in expectation for one law on both sides."""
    return _others(xx) + _others(yy) - 2 * float(xy.mean())


def biased(
    xx: Float64[np.ndarray, "n n"], yy: Float64[np.ndarray, "m m"], xy: Float64[np.ndarray, "n m"]
) -> float:
    """The V-statistic: a row paired with itself counts, so never negative and too large by O(1/n + 1/m)."""
    return float(xx.mean() + yy.mean() - 2 * xy.mean())


def standard_error(
    xx: Float64[np.ndarray, "n n"], yy: Float64[np.ndarray, "m m"], xy: Float64[np.ndarray, "n m"]
) -> float | None:
    """Jackknife standard error of :func:`unbiased`: each row of either sample left out once; None below three rows."""
    if min(len(xx), len(yy)) < 3:
        return None
    return float(np.sqrt(_variance(xx, xy.mean(1)) + _variance(yy, xy.mean(0))))


def interval(value: float, error: float | None) -> tuple[float, float] | None:
    """95 % of a normal law round a value."""
    return None if error is None else (value - 1.96 * error, value + 1.96 * error)


def _variance(gram: Float64[np.ndarray, "n n"], across: Float64[np.ndarray, " n"]) -> float:
    """What the rows of one sample add: ``across`` is their mean kernel value with the other sample."""
    n, own = len(gram), np.trace(gram)
    pairs = gram.sum() - own - 2 * (gram.sum(1) - np.diag(gram))
    left = pairs / ((n - 1) * (n - 2)) - 2 * (across.sum() - across) / (n - 1)
    return float((n - 1) / n * ((left - left.mean()) ** 2).sum())


def _others(gram: Float64[np.ndarray, "n n"]) -> float:
    """Mean over pairs of different rows, which makes the estimate unbiased."""
    n = len(gram)
    return float((gram.sum() - np.trace(gram)) / (n * (n - 1)))
