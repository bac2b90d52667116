"""Views evenly spaced round a ring, and peaks of a curve over them."""

import numpy as np
from jaxtyping import Float64, Int

from esd_bench.metrics import Score
from esd_bench.metrics._arrays import Angles

Curve = Float64[np.ndarray, " _"]
SMOOTH, APART = 10.0, 40.0
"""Degrees: standard deviation of the smoothing, least distance between two fronts."""
FLOOR, SHARE = 0.1, 0.35
"""A front must stand out by so much probability, and by this share of the range of the whole curve."""


def in_order(azimuth: Angles, least: int = 12) -> Int[np.ndarray, " n"]:
    """Indices that put views in order of azimuth.

    Raises:
        ValueError: when they are fewer than ``least`` or not evenly spaced round the whole circle.
    """
    angles = np.asarray(azimuth, dtype=np.float64) % (2 * np.pi)
    # A rounding error below a full turn is the beginning of the turn.
    angles = np.where(angles > 2 * np.pi - 1e-5, 0.0, angles)
    order, n = np.argsort(angles), len(angles)
    gaps = np.diff(angles[order], append=angles[order][:1] + 2 * np.pi)
    if n < least or np.abs(gaps * n / (2 * np.pi) - 1).max() > 0.05:
        raise ValueError(f"need {least} or more views, evenly spaced round one ring")
    return order


def smoothed(curve: Curve, degrees: float) -> Curve:
    """A curve round the circle under a Gaussian of that standard deviation."""
    n = len(curve)
    cycles = np.arange(n // 2 + 1)
    damped = np.fft.rfft(curve) * np.exp(-((cycles * np.deg2rad(degrees)) ** 2) / 2)
    return np.fft.irfft(damped, n)


def peaks(curve: Curve, prominence: float, apart: float) -> Int[np.ndarray, " _"]:
    """Indices of a circular curve's peaks that stand out by ``prominence`` and lie ``apart`` degrees from higher ones.

    The circle is cut at its lowest point and that point put at both ends, so no peak is cut and prominences are those
    round the circle. A flat curve has none.
    """
    from scipy.signal import find_peaks

    n, cut = len(curve), int(np.argmin(curve))
    line = np.roll(curve, -cut)
    closed = np.append(line, line[0])
    found, _ = find_peaks(closed, prominence=prominence, distance=max(1.0, apart * n / 360))
    return np.sort((found + cut) % n)


def count_fronts(likeness: Curve) -> int:
    """Number of fronts that stand out of a curve in [0, 1] over evenly spaced azimuths, in order round the circle.

    Peaks count that stand out by .1 and by .35 of the curve's range, after smoothing by 10 degrees, 40 degrees from higher ones.
    """
    curve = smoothed(likeness, SMOOTH)
    return len(peaks(curve, max(FLOOR, SHARE * float(np.ptp(curve))), APART))


def fronts(name: str, likeness: Curve, azimuth: Angles) -> Score:
    """The score of a number of fronts: 1 is right; 0 is none, or one that goes all round, as the note says."""
    found = count_fronts(likeness[in_order(azimuth)])
    level = "like a front" if float(likeness.mean()) > 0.5 else "like no front"
    note = "" if found else f"no side stands out: all look {level}"
    return Score(name, float(found), "", None, len(likeness), likeness.tolist(), note=note)
