"""The Frechet distance of two feature sets (Heusel et al., arXiv 1706.08500), exact also for singular covariances.

Letters: x (n, d) and y (m, d) features; A, B the centred rows over sqrt(n - 1) and sqrt(m - 1), so that the unbiased
covariances are A^T A and B^T B. Then tr((A^T A B^T B)^(1/2)) is the nuclear norm of A B^T, an n by m matrix.
"""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, pair, rows


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


def rank(x: Rows) -> int:
    """Rank of the covariance: at most n - 1 and at most d. Directions below float32's resolution count as none.

    >>> import numpy as np
    >>> rank(np.eye(5)), rank(np.ones((5, 9)))
    (4, 0)
    """
    a = rows(x, 2)
    values = np.linalg.svd(_root(a), compute_uv=False)
    return int((values > RESOLUTION * max(values[0], np.abs(a).max())).sum())


RESOLUTION = 1e-6
"""Of the largest singular value or feature: what float32 resolves."""


def above_floor(x: Rows, y: Rows, splits: int = 10) -> tuple[int, float, float]:
    """FID of views and FID of reference pictures, both against the same k other reference pictures.

    The floor is what bias alone amounts to at k against k, k = min(n, m // 2), so the first minus the second is what the
    views add. Means over random splits, the same for all assets of equal n and m. Smallest sensible k: 20.

    Returns:
        k, the views' distance, the floor.

    Raises:
        ValueError: for fewer than two views or four reference pictures.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> k, views, floor = above_floor(x[:20] + 5, x)
    >>> k, views > 50 > floor
    (20, True)
    """
    a, b = pair(x, y)
    k, draw = min(len(a), len(b) // 2), np.random.default_rng(0)
    found = []
    for _ in range(splits):
        seen, order = draw.permutation(len(a))[:k], draw.permutation(len(b))
        against = b[order[:k]]
        found.append(
            (frechet_distance(a[seen], against), frechet_distance(b[order[k : 2 * k]], against))
        )
    views, floor = np.mean(found, axis=0)
    return k, float(views), float(floor)


def fid() -> Metric:
    """Frechet distance between an asset's views and pictures that the same prior makes of the same prompt (lower: nearer).

    ``fid_floor`` is the distance between two halves of the reference: what the bias at that n alone amounts to.
    ``fid_excess`` is FID above the floor at equal n (:func:`above_floor`), with both beside it; from twice as many reference
    pictures as views on, that n is the number of views. The ranks of both covariances stand beside ``fid``.
    """
    return Metric(_compute, roles=("features",), reference=True)


def _compute(inputs: Inputs) -> list[Score]:
    x, y = (rows(found["features"]["features"], 2) for found in (inputs.outputs, inputs.reference))
    ranks = {"rank": rank(x), "reference_rank": rank(y), "width": x.shape[1]}
    scores = [Score("fid", frechet_distance(x, y), "", "lower", len(x), beside=ranks)]
    if len(y) >= 4:
        floor = frechet_distance(y[0::2], y[1::2])
        # In the order of the cameras, so that the splits don't depend on how views are numbered.
        k, own, same = above_floor(x[np.lexsort((inputs.azimuth, inputs.elevation))], y)
        both = {"fid": own, "floor": same}
        scores.append(Score("fid_floor", floor, "", None, len(y) // 2))
        scores.append(Score("fid_excess", own - same, "", "lower", k, beside=both))
    return scores
