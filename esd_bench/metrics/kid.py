"""The kernel distance of two feature sets: unbiased squared MMD with a cubic kernel (Binkowski et al., arXiv 1801.01401)."""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, pair


def kernel_distance(x: Rows, y: Rows) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel k(a, b) = (a . b / d + 1)^3, over all rows at once.

    Range (-inf, inf), 0 in expectation for equal distributions at any n (so it may be slightly negative); lower is nearer.
    Does not change when rows are permuted or both sets are rotated alike. Smallest sensible n: 2. Common libraries average
    over random subsets instead; over one subset of everything they give this number. Papers often print it times 1000.

    Args:
        x: (n, d) features.
        y: (m, d) features of the same network.

    Raises:
        ValueError: for fewer than two rows, different widths or numbers that are not finite.

    >>> import numpy as np
    >>> x, y = np.zeros((3, 1)), np.ones((3, 1))
    >>> kernel_distance(x, y)  # 1 + 8 - 2
    7.0
    """
    a, b = pair(x, y)
    return _others(_kernel(a, a)) + _others(_kernel(b, b)) - 2 * float(_kernel(a, b).mean())


def _kernel(
    a: Float64[np.ndarray, "n d"], b: Float64[np.ndarray, "m d"]
) -> Float64[np.ndarray, "n m"]:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _others(gram: Float64[np.ndarray, "n n"]) -> float:
    """Mean over pairs of different rows, which makes the estimate unbiased."""
    n = len(gram)
    return float((gram.sum() - np.trace(gram)) / (n * (n - 1)))


def kid() -> Metric:
    """Kernel distance between an asset's views and the prior's own pictures; unbiased where FID is not (lower: nearer)."""

    def compute(inputs: Inputs) -> list[Score]:
        x, y = inputs.outputs["features"]["features"], inputs.reference["features"]["features"]
        return [Score("kid", kernel_distance(x, y), "", "lower", len(x))]

    return Metric(compute, roles=("features",), reference=True)
