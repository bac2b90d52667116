"""Does an asset look the same again from another side? Features of a ring of views compared with themselves, turned.

Letters: z (n, d) features of n views evenly spaced in azimuth, minus their mean over the ring, so that what all views
share does not count; w (n, d) the same of the mirrored pictures. S(lag) = sum of z(a) z(a + lag) over sum of z(a) z(a) is
the share of the ring's variation that comes again after a turn by lag; M(axis) compares z(a) with w(axis - a), so that
M is 1 where the asset is its own mirror image. A figure that is the same left and right has one such axis, through its face; a
figure with k faces has k, 360 / k degrees apart, as it has S = 1 at the multiples of 360 / k.

What is like itself for a good reason (a table, a cube) scores as a Janus does: the metric sees repetition, not faces.
"""

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, rows
from esd_bench.metrics._ring import in_order

Features = Float64[np.ndarray, "n d"]
NEAR = 60.0
"""Degrees within which views are alike anyway."""
STILL = 0.02
"""A ring whose features vary by less than this share of their own length (root mean square) has nothing to compare."""


def turned(z: Rows) -> Float64[np.ndarray, " n"]:
    """S at every multiple of the spacing of the views: the circular autocorrelation, 1 at 0.

    Args:
        z: (n, d) features in order round the ring; centred here.

    >>> import numpy as np
    >>> angle = np.arange(12) * 2 * np.pi / 12
    >>> turned(np.stack([np.cos(2 * angle), np.sin(2 * angle)], 1)).round(6)[[0, 3, 6]].tolist()
    [1.0, -1.0, 1.0]
    """
    power = np.abs(np.fft.fft(_centred(z), axis=0)) ** 2
    found = np.fft.ifft(power.sum(1)).real
    return found / found[0]


def mirrored(z: Rows, w: Rows) -> Float64[np.ndarray, " n"]:
    """M at every axis: item m compares view i with the mirrored view m - i. Energy-normalised, so at most 1.

    Args:
        z: (n, d) features in order round the ring.
        w: (n, d) features of the same pictures mirrored.
    """
    a, b = _centred(z), _centred(w)
    both = np.fft.fft(a, axis=0) * np.fft.fft(b, axis=0)
    return np.fft.ifft(both.sum(1)).real / np.sqrt((a * a).sum() * (b * b).sum())


def from_best_axis(m: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """M by degrees from the best axis, at which the asset is most nearly its own mirror image."""
    return np.roll(m, -int(m.argmax()))


def repetition(z: Rows, w: Rows | None = None) -> float:
    """The most that an asset looks the same again after a turn by 60 to 300 degrees.

    The largest S(lag) or, with mirrored features, M this far from the best axis. Range about [-.2, 1]; lower is better; 1 is an
    asset that repeats exactly. Does not change when the asset is turned by a multiple of the spacing. Smallest sensible n: 18.

    Args:
        z: (n, d) features in order round the ring.
        w: (n, d) features of the same pictures mirrored.

    >>> import numpy as np
    >>> angle = np.arange(36) * 2 * np.pi / 36
    >>> [round(repetition(np.exp(8 * np.cos(k * angle - 1))[:, None]), 2) for k in (1, 2, 3)]
    [-0.1, 1.0, 1.0]
    """
    curve = turned(z) if w is None else np.maximum(turned(z), from_best_axis(mirrored(z, w)))
    lag = np.arange(len(curve)) * 360 / len(curve)
    return float(curve[(lag > NEAR - 1e-9) & (lag < 360 - NEAR + 1e-9)].max())


def still(z: Rows) -> bool:
    """Whether the features hardly vary round the ring, as of a ball or of blank pictures."""
    found = rows(z)
    return bool(np.linalg.norm(_centred(z)) <= STILL * np.linalg.norm(found))


def _centred(z: Rows) -> Features:
    found = rows(z)
    return found - found.mean(0)


def self_similarity() -> Metric:
    """Self-similarity: the most that an asset looks the same again after a turn by 60 to 300 degrees, in two feature spaces.

    Beside it stand the similarities at 180 and 90 degrees, of turned and of mirrored views, which are not ordered: k faces repeat
    at multiples of 360 / k degrees only.
    """

    def compute(inputs: Inputs) -> list[Score]:
        order = in_order(inputs.azimuth)
        spaces = (("features", "features", ""), ("clip", "image", "_clip"))
        return [
            score
            for role, output, ending in spaces
            for score in _scores(
                rows(inputs.outputs[role][output])[order],
                rows(inputs.mirrored[role][output])[order],
                ending,
            )
        ]

    return Metric(compute, roles=("features", "clip"), views="ring", mirrored=True)


def _scores(z: Features, w: Features, ending: str) -> list[Score]:
    n, single = len(z), ("opposite", "quarter", "opposite_mirrored", "quarter_mirrored")
    first, others = f"self_similarity{ending}", [f"{name}{ending}" for name in single]
    if still(z):
        note = "the views hardly differ: nothing to compare"
        undefined = (Score(name, None, "", None, n, note=note) for name in others)
        return [Score(first, None, "", "lower", n, note=note), *undefined]
    curves = (turned(z), from_best_axis(mirrored(z, w)))
    values = [_at(curve, lag) for curve in curves for lag in (180, 90)]
    found = (Score(x, value, "", None, n) for x, value in zip(others, values, strict=True))
    return [Score(first, repetition(z, w), "", "lower", n), *found]


def _at(curve: Float64[np.ndarray, " n"], degrees: float) -> float:
    """A curve at a lag and its negative, between views if need be."""
    lag = np.arange(len(curve) + 1) * 360 / len(curve)
    closed = np.append(curve, curve[0])
    return float(np.interp([degrees, 360 - degrees], lag, closed).mean())
