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


def self_similarity(z: Rows | None = None, w: Rows | None = None, /) -> Metric | float:
    """Self-similarity: the most that an asset looks the same again after a turn by 60 to 300 degrees.

    With features it is the number; without, the plugin that computes it from the roles ``features`` and ``clip``. It is
    the largest S(lag) or, with mirrored features, M this far from the best axis. Range about [-.2, 1]; lower is better; 1
    is an asset that repeats exactly. Single lags are reported beside it and not ordered: k faces repeat at multiples of
    360 / k only. Does not change when the asset is turned by a multiple of the spacing. Smallest sensible n: 18.

    Args:
        z: (n, d) features in order round the ring.
        w: (n, d) features of the same pictures mirrored.

    >>> import numpy as np
    >>> angle = np.arange(36) * 2 * np.pi / 36
    >>> [round(self_similarity(np.exp(8 * np.cos(k * angle - 1))[:, None]), 2) for k in (1, 2, 3)]
    [0.02, 1.0, 1.0]
    """
    if z is None:
        roles = ("features", "clip")
        return Metric(_compute, roles=roles, views="ring", mirrored=True)
    curve = turned(z) if w is None else np.maximum(turned(z), from_best_axis(mirrored(z, w)))
    return float(curve[_far(len(curve))].max())


def still(z: Rows) -> bool:
    """Whether the features hardly vary round the ring, as of a ball or of blank pictures."""
    found = rows(z)
    return bool(np.linalg.norm(_centred(z)) <= STILL * np.linalg.norm(found))


def _centred(z: Rows) -> Features:
    found = rows(z)
    return found - found.mean(0)


def _far(n: int) -> Float64[np.ndarray, " _"]:
    lag = np.arange(n) * 360 / n
    return np.flatnonzero((lag >= NEAR - 1e-9) & (lag <= 360 - NEAR + 1e-9))


def _compute(inputs: Inputs) -> list[Score]:
    order = in_order(inputs.azimuth)
    found = []
    for role, output, name in (("features", "features", ""), ("clip", "image", "_clip")):
        z, w = (rows(x[role][output])[order] for x in (inputs.outputs, inputs.mirrored))
        found += _scores(z, w, name)
    return found


def _scores(z: Features, w: Features, ending: str) -> list[Score]:
    n = len(z)
    names = ["self_similarity", "opposite", "quarter", "opposite_mirrored", "quarter_mirrored"]
    if still(z):
        note = "the views hardly differ: nothing to compare"
        return [Score(f"{x}{ending}", None, "", _better(x), n, note=note) for x in names]
    plain, flipped = turned(z), from_best_axis(mirrored(z, w))
    single = [x for curve in (plain, flipped) for x in (_at(curve, 180), _at(curve, 90))]
    values = [float(self_similarity(z, w)), *single]  # type: ignore[arg-type]
    return [
        Score(f"{x}{ending}", value, "", _better(x), n)
        for x, value in zip(names, values, strict=True)
    ]


def _at(curve: Float64[np.ndarray, " n"], degrees: float) -> float:
    """A curve at a lag and its negative, between views if need be."""
    lag = np.arange(len(curve) + 1) * 360 / len(curve)
    closed = np.append(curve, curve[0])
    return float(np.interp([degrees, 360 - degrees], lag, closed).mean())


def _better(name: str) -> str | None:
    return "lower" if name == "self_similarity" else None
