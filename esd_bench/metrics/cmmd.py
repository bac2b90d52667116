"""CMMD: the maximum mean discrepancy of CLIP embeddings with a Gaussian kernel (Jayasumana et al., arXiv 2401.09603)."""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, pair
from esd_bench.metrics._two_samples import biased, interval, standard_error, unbiased

SIGMA, SCALE = 10.0, 1000.0
"""Width of the kernel and factor of the number, as published."""


def clip_discrepancy(x: Rows, y: Rows, *, v_statistic: bool = False) -> float:
    """1000 times the squared maximum mean discrepancy with the kernel exp(-|a - b|^2 / (2 sigma^2)), sigma = 10.

    Range below 40; 0 in expectation for equal distributions at any n, so it may be slightly negative; lower is nearer.
    Does not change when rows are permuted or both sets are rotated alike. Smallest sensible n: 2. No law is assumed for
    the features, unlike FID's. Rows are scaled to length 1 here. Published numbers are of CLIP ViT-L/14 at 336 pixels,
    and those of different CLIP networks can't be compared.

    Args:
        x: (n, d) image embeddings.
        y: (m, d) embeddings by the same network.
        v_statistic: the authors' code, which counts each row paired with itself: never negative, too large at small n.

    Raises:
        ValueError: for fewer than two rows, a zero row, different widths or numbers that are not finite.

    >>> import numpy as np
    >>> x, y = np.array([[1.0, 0.0]] * 3), np.array([[0.0, 5.0]] * 3)
    >>> round(clip_discrepancy(x, y), 6)  # 2000 (1 - exp(-2 / 200))
    19.900333
    """
    grams = _grams(x, y)
    return SCALE * (biased(*grams) if v_statistic else unbiased(*grams))


Gram = Float64[np.ndarray, "_ _"]


def _grams(x: Rows, y: Rows) -> tuple[Gram, Gram, Gram]:
    a, b = map(_unit, pair(x, y))
    return _kernel(a, a), _kernel(b, b), _kernel(a, b)


def _unit(x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise ValueError("an embedding is zero and has no direction")
    return x / lengths


def _kernel(
    a: Float64[np.ndarray, "n d"], b: Float64[np.ndarray, "m d"]
) -> Float64[np.ndarray, "n m"]:
    return np.exp((a @ b.T - 1) / SIGMA**2)


def cmmd() -> Metric:
    """Discrepancy between CLIP's embeddings of an asset's views and of the prior's own pictures (lower: nearer)."""

    def compute(inputs: Inputs) -> list[Score]:
        grams = _grams(inputs.outputs["clip"]["image"], inputs.reference["clip"]["image"])
        n, value, error = len(grams[0]), SCALE * unbiased(*grams), standard_error(*grams)
        range_ = interval(value, None if error is None else SCALE * error)
        return [
            Score("cmmd", value, "", "lower", n, interval=range_),
            Score("cmmd_biased", SCALE * biased(*grams), "", "lower", n),
        ]

    return Metric(compute, roles=("clip",), reference=True)
