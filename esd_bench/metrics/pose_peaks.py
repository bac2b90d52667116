"""How many fronts stand out round an asset by the pose oracle, counted as :mod:`esd_bench.metrics.front_peaks` counts."""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, probabilities
from esd_bench.metrics._ring import fronts

WITHIN = 37.5
"""Degrees of azimuth that are clearly the front, as for :func:`esd_bench.metrics.janus.faces`."""


def clearly_front(p: Rows) -> Float64[np.ndarray, " n"]:
    """The oracle's probability, for each view, of an azimuth within 37.5 degrees of the front.

    >>> clearly_front(np.eye(24))[[0, 2, 3, 23]].tolist()
    [1.0, 1.0, 0.0, 1.0]
    """
    probs = probabilities(p)
    centres = np.arange(probs.shape[1]) * 360 / probs.shape[1]
    return probs[:, np.minimum(centres, 360 - centres) <= WITHIN].sum(1)


def pose_peaks() -> Metric:
    """Number of peaks of the oracle's P(front) round the ring: 1 is right, 0 no front or a front everywhere."""

    def compute(inputs: Inputs) -> list[Score]:
        likeness = clearly_front(inputs.outputs["oracle"]["azimuth"])
        return [fronts("pose_peaks", likeness, inputs.azimuth)]

    return Metric(compute, roles=("oracle",), views="ring")
