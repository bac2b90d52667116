"""The kernel distance of two feature sets: unbiased squared MMD with a cubic kernel (Binkowski et al., arXiv 1801.01401)."""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, pair
from esd_bench.metrics._two_samples import interval, standard_error, unbiased


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
    return unbiased(_kernel(a, a), _kernel(b, b), _kernel(a, b))


def kernel_error(x: Rows, y: Rows) -> float | None:
    """Standard error of :func:`kernel_distance` by the jackknife; None below three rows.

    Common libraries print the spread of random subsets instead, which is that of smaller samples and changes with their
    number, size and seed; the jackknife is a closed form of the Gram matrices. It takes pictures for independent draws.
    Views of one asset are not: the interval says how far pictures decide the number, not how far assets do.
    """
    a, b = pair(x, y)
    return standard_error(_kernel(a, a), _kernel(b, b), _kernel(a, b))


def _kernel(
    a: Float64[np.ndarray, "n d"], b: Float64[np.ndarray, "m d"]
) -> Float64[np.ndarray, "n m"]:
    return (a @ b.T / a.shape[1] + 1) ** 3


def kid() -> Metric:
    """Kernel distance between an asset's views and the prior's own pictures; unbiased where FID is not (lower: nearer)."""

    def compute(inputs: Inputs) -> list[Score]:
        x, y = inputs.outputs["features"]["features"], inputs.reference["features"]["features"]
        value, error = kernel_distance(x, y), kernel_error(x, y)
        return [Score("kid", value, "", "lower", len(x), interval=interval(value, error))]

    return Metric(compute, roles=("features",), reference=True)
