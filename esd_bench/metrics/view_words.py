"""What CLIP answers when it is asked which side of the object each view shows: front, side or back.

Letters: p (n, 3) the probabilities of front, side and back view; azimuth (n,) of the cameras, in radians. The front is the
asset's own: where CLIP sees it most clearly. It needs no oracle, and is as good as CLIP's sense of direction.
"""

import numpy as np
from jaxtyping import Bool, Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Angles, Rows, probabilities
from esd_bench.metrics._words import TEXTS, alike, word_probabilities

AWAY, KERNEL = 67.5, 60.0
"""Degrees off the own front from which a view is not of the front; half-width of the kernel that finds it."""
LOWER = ("fronts_elsewhere", "front_elsewhere")


def off_front(p: Rows, azimuth: Angles) -> Float64[np.ndarray, " n"]:
    """Degrees of each view from the asset's own clearest front, in [0, 180].

    That is the view round which P(front), weighed by a triangular kernel of 60 degrees, is largest; ties go to the view
    nearest to azimuth 0.
    """
    angles = np.rad2deg(np.asarray(azimuth, dtype=np.float64))
    apart = np.abs((angles[:, None] - angles + 180) % 360 - 180)
    mass = np.clip(1 - apart / KERNEL, 0, None) @ probabilities(p)[:, 0]
    from_zero = np.abs((angles + 180) % 360 - 180)
    # Rounded, so that mirror images tie instead of being told apart by the last bit.
    return apart[np.lexsort((angles, from_zero, -mass.round(9)))[0]]


def fronts_elsewhere(p: Rows, azimuth: Angles) -> float:
    """Share of the views more than 67.5 degrees off the own front whose likeliest word is front.

    Range [0, 1]; lower is better; 0 for a correct object and for one without a front. Does not change when views are
    permuted or the asset is turned by a multiple of the spacing. Smallest sensible n: 12.

    >>> import numpy as np
    >>> ring = np.arange(8) * 2 * np.pi / 8
    >>> correct = np.eye(3)[[0, 0, 1, 2, 2, 2, 1, 0]]
    >>> fronts_elsewhere(correct, ring), fronts_elsewhere(np.tile(np.eye(3)[0], (8, 1)), ring)
    (0.0, 1.0)
    """
    return float((probabilities(p).argmax(1) == 0)[_off(p, azimuth)].mean())


def front_elsewhere(p: Rows, azimuth: Angles) -> float:
    """Mean P(front) of the views more than 67.5 degrees off the own front: :func:`fronts_elsewhere` without a threshold."""
    return float(probabilities(p)[:, 0][_off(p, azimuth)].mean())


def right_words(p: Rows, azimuth: Angles) -> Float64[np.ndarray, " n"]:
    """Probability of the right word for each view: front within 45 degrees of the own front, back within 45 of its opposite."""
    off = off_front(p, azimuth)
    words = np.where(off < 45, 0, np.where(off > 135, 2, 1))
    return probabilities(p)[np.arange(len(words)), words]


def view_words() -> Metric:
    """View words by CLIP: how many side and back views look like the front, and whether the words go round as they should."""

    def compute(inputs: Inputs) -> list[Score]:
        p = word_probabilities(inputs.outputs["clip"]["image"], inputs.worded)
        n, azimuth = len(p), inputs.azimuth
        if alike(p):
            note = "all views look alike to CLIP"
            undefined = (Score(x, None, "", "lower", n, note=note) for x in LOWER)
            return [*undefined, Score("right_word", None, "", "higher", n, note=note)]
        shares = fronts_elsewhere(p, azimuth), front_elsewhere(p, azimuth)
        right, front = right_words(p, azimuth), p[:, 0].tolist()
        return [
            *(
                Score(x, value, "", "lower", n, front)
                for x, value in zip(LOWER, shares, strict=True)
            ),
            Score("right_word", float(right.mean()), "", "higher", n, right.tolist()),
        ]

    return Metric(compute, roles=("clip",), views="ring", texts=TEXTS)


def _off(p: Rows, azimuth: Angles) -> Bool[np.ndarray, " n"]:
    off = off_front(p, azimuth) > AWAY
    if not off.any():
        raise ValueError("no view is off the front: the views must go round the object")
    return off
