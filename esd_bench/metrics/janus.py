"""The Janus problem as a pose oracle sees it: does a ring of views show one front, or several, or none?

Letters: p (n, b) the oracle's azimuth probabilities of n views, bin 0 the front, bins counting towards +x; azimuth (n,)
the true ones of the cameras, in radians. The views should lie on a ring of one elevation: near the poles azimuth means
nothing. A Janus rate alone misleads (an object without any face scores 0), so all of these are read together.
"""

import numpy as np
from jaxtyping import Bool, Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Angles, Rows, probabilities

FRONT, NARROW, AWAY, KERNEL = 52.5, 37.5, 67.5, 60.0
"""Degrees: seen as front; seen clearly as front; away from the best front; half-width of the best front's kernel."""


def front_probability(p: Rows, within: float = FRONT) -> Float64[np.ndarray, " n"]:
    """Probability that each view shows the front: the mass of the bins within so many degrees of it."""
    probs = probabilities(p)
    centres = np.arange(probs.shape[1]) * 360 / probs.shape[1]
    return probs[:, np.minimum(centres, 360 - centres) <= within].sum(1)


def _angles(azimuth: Angles) -> Float64[np.ndarray, " n"]:
    return np.asarray(azimuth, dtype=np.float64)


def _apart(
    a: Float64[np.ndarray, "..."], b: Float64[np.ndarray, "..."] | float
) -> Float64[np.ndarray, "..."]:
    """Degrees between two azimuths, in [0, 180]."""
    return np.abs((np.rad2deg(a - b) + 180) % 360 - 180)


def best_front(p: Rows, azimuth: Angles) -> int:
    """Index of the view that the asset's own clearest front faces, wherever it is.

    The view with the most clearly-front neighbours, weighed by a triangular kernel of 60 degrees, which finds the middle
    of a face and not the middle between two faces. Ties go to the view nearest to azimuth 0.
    """
    angles = _angles(azimuth)
    apart = _apart(angles[:, None], angles[None])
    mass = np.clip(1 - apart / KERNEL, 0, None) @ front_probability(p, NARROW)
    # Rounded, so that mirror images tie instead of being told apart by the last bit.
    return int(np.lexsort((angles, _apart(angles, 0.0), -mass.round(9)))[0])


def away(p: Rows, azimuth: Angles) -> Bool[np.ndarray, " n"]:
    """Which views look from more than 67.5 degrees off the asset's own best front."""
    angles = _angles(azimuth)
    return _apart(angles, angles[best_front(p, azimuth)]) > AWAY


def janus_rate(p: Rows, azimuth: Angles) -> float:
    """Share of side and back views that the oracle calls front: P(|azimuth| <= 52.5 degrees) > .5.

    Side and back are counted from the asset's own best front, so an asset that is merely turned scores 0. Range [0, 1];
    lower is better; 0 is correct, but a faceless asset scores 0 as well. Does not change when views are permuted or the
    asset is turned (by a multiple of the view spacing). Smallest sensible n: 12.

    Args:
        p: (n, b) azimuth probabilities.
        azimuth: (n,) true azimuths of the views in radians.

    Raises:
        ValueError: when no view is of a side or of the back, for then nothing was looked at.

    >>> import numpy as np
    >>> ring = np.arange(24) * 2 * np.pi / 24
    >>> janus_rate(np.eye(24), ring)                            # correct
    0.0
    >>> janus_rate(np.tile(np.eye(24)[0], (24, 1)), ring)       # a front from every side
    1.0
    """
    off = away(p, azimuth)
    if not off.any():
        raise ValueError("no view is off the front: the views must go round the object")
    return float((front_probability(p) > 0.5)[off].mean())


def consistency(p: Rows, azimuth: Angles) -> float:
    """R = |mean exp(i (seen - true))|, with the oracle's most probable azimuth: does what one sees turn with the camera?

    Range [0, 1]; higher is better: 1 is a correct object, however it is turned; 0 any collapse (all front, all back, a
    mirrored object). Does not change when views are permuted or the asset is turned. Noise alone gives about
    .9 / sqrt(n), so the smallest sensible n is 24.

    >>> import numpy as np
    >>> ring = np.arange(24) * 2 * np.pi / 24
    >>> round(consistency(np.eye(24), ring), 9), round(consistency(np.roll(np.eye(24), 5, 1), ring), 9)
    (1.0, 1.0)
    """
    probs = probabilities(p)
    seen = probs.argmax(1) * 2 * np.pi / probs.shape[1]
    return float(np.abs(np.exp(1j * (seen - _angles(azimuth))).mean()))


def front_share(p: Rows) -> float:
    """Share of views that the oracle calls front. Range [0, 1]; about .31 is right on a ring of 36 (105 of 360 degrees).

    >>> import numpy as np
    >>> round(front_share(np.eye(24)), 3)
    0.292
    """
    return float((front_probability(p) > 0.5).mean())


def faces(p: Rows, azimuth: Angles) -> int:
    """Number of separate arcs of the ring that are clearly front (P(|azimuth| <= 37.5 degrees) > .5); 1 is right.

    A front from every side is one arc, no front at all is none. Smallest sensible n: 12, evenly spaced.

    >>> import numpy as np
    >>> ring = np.arange(24) * 2 * np.pi / 24
    >>> faces(np.eye(24), ring), faces(np.tile(np.eye(24)[::2], (2, 1)), ring)
    (1, 2)
    """
    clear = (front_probability(p, NARROW) > 0.5)[np.argsort(_angles(azimuth) % (2 * np.pi))]
    starts = int((clear & ~np.roll(clear, 1)).sum())
    return starts or int(clear.all())


def success(p: Rows, azimuth: Angles, kind: float | None = None) -> bool:
    """Whether the asset is right by the oracle's rule: R > .8, exactly one face, Janus rate < .2, and of the right kind.

    Args:
        p: (n, b) azimuth probabilities.
        azimuth: (n,) true azimuths in radians.
        kind: probability of the kind that the prompt names, in the view of the best front: it must exceed .5. None where
            the prompt names none; then pose alone decides.
    """
    turned = consistency(p, azimuth) > 0.8 and janus_rate(p, azimuth) < 0.2
    return turned and faces(p, azimuth) == 1 and (kind is None or kind > 0.5)


def janus() -> Metric:
    """Janus rate, consistency of the pose (R), front share, faces and success of an asset, by the pose oracle."""

    def compute(inputs: Inputs) -> list[Score]:
        oracle, azimuth = inputs.outputs["oracle"], inputs.azimuth
        p = oracle["azimuth"]
        n, named = len(p), _named(inputs)
        kind = named["kind"][best_front(p, azimuth)] if "kind" in named else None
        note = "" if kind is not None else "pose only: the prompt names no known kind"
        return [
            Score("janus_rate", janus_rate(p, azimuth), "", "lower", n),
            Score("consistency", consistency(p, azimuth), "", "higher", n),
            Score("front_share", front_share(p), "", None, n, front_probability(p).tolist()),
            Score("faces", float(faces(p, azimuth)), "", None, n),
            Score("success", float(success(p, azimuth, kind)), "", "higher", n, note=note),
            *(Score(k, sum(v) / n, "", "higher", n, v) for k, v in named.items()),
        ]

    return Metric(compute, roles=("oracle",), views="ring")


def _named(inputs: Inputs) -> dict[str, list[float]]:
    """Per view, the probability of the kind and the colour that the prompt names."""
    heads = inputs.outputs["oracle"]
    return {
        name: probabilities(heads[name])[:, inputs.truth[name]].tolist()
        for name in ("kind", "colour")
        if name in heads and name in inputs.truth
    }
