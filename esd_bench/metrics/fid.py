"""The Frechet distance of two feature sets (Heusel et al., arXiv 1706.08500), exact also for singular covariances.

Letters: x (n, d) and y (m, d) features; A, B the centred rows over sqrt(n - 1) and sqrt(m - 1), so that the unbiased
covariances are A^T A and B^T B. Then tr((A^T A B^T B)^(1/2)) is the nuclear norm of A B^T, an n by m matrix.
"""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, pair


def frechet_distance(x: Rows, y: Rows) -> float:
    """Squared Frechet (2-Wasserstein) distance of the Gaussians with the means and covariances of two feature sets.

    Range [0, inf); lower is nearer. Does not change when rows are permuted or when both sets are rotated or shifted
    alike; grows with the square of a common scale. Biased upwards at small n: with d = 2048 a large part of the value at
    n = 120 is bias, so only values at equal n and m can be compared. Smallest sensible n: 2; for ranking assets about 100.

    No matrix square root and no epsilon on the diagonal: singular values of the cross-Gram matrix are real, exact and
    cheap where scipy's sqrtm needs seconds and fails on singular covariances.

    Args:
        x: (n, d) features.
        y: (m, d) features of the same network.

    Raises:
        ValueError: for fewer than two rows, different widths or numbers that are not finite.

    >>> import numpy as np
    >>> x = np.array([[0.0], [2.0]])          # mean 1, variance 2
    >>> round(frechet_distance(x, x + 3), 9)  # shifted by 3
    9.0
    >>> round(frechet_distance(x, 2 * x), 9)  # (2 - 1)^2 + (sqrt 8 - sqrt 2)^2
    3.0
    """
    a, b = pair(x, y)
    gap = a.mean(0) - b.mean(0)
    root_a, root_b = _root(a), _root(b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    value = gap @ gap + (root_a**2).sum() + (root_b**2).sum() - 2 * cross
    # Rounding may leave -1e-13 where the two sets are the same.
    return max(float(value), 0.0)


def _root(x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "r d"]:
    """A matrix with at most d rows whose Gram matrix is the covariance: centred rows, or the R factor of their QR."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return centred if len(x) <= x.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def fid() -> Metric:
    """Frechet distance between an asset's views and pictures that the same prior makes of the same prompt (lower: nearer).

    ``fid_floor`` is the distance between two halves of the reference: what the bias at that n alone amounts to.
    """

    def compute(inputs: Inputs) -> list[Score]:
        x, y = inputs.outputs["features"]["features"], inputs.reference["features"]["features"]
        scores = [Score("fid", frechet_distance(x, y), "", "lower", len(x))]
        if len(y) >= 4:
            floor = frechet_distance(y[0::2], y[1::2])
            scores.append(Score("fid_floor", floor, "", None, len(y) // 2))
        return scores

    return Metric(compute, roles=("features",), reference=True)
