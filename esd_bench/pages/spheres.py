"""Values of single views where their cameras stood: on the whole sphere (Mollweide), or on a ring seen from above."""

import math

import numpy as np
from markupsafe import Markup

from esd_bench.pages.colours import shade
from esd_bench.pages.svg import picture, points, tag

WIDE, HIGH = 176.0, 88.0


def mollweide(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """(n, 2) of the equal-area projection: x in [-2, 2], y in [-1, 1] upwards; angles in degrees, azimuth in [-180, 180]."""
    latitude = np.deg2rad(elevation)
    theta = latitude.copy()
    for _ in range(40):
        # Newton's method stalls at the poles, where the solution is the latitude itself.
        slope = np.maximum(2 + 2 * np.cos(2 * theta), 1e-9)
        theta -= (2 * theta + np.sin(2 * theta) - math.pi * np.sin(latitude)) / slope
        theta = np.clip(theta, -math.pi / 2, math.pi / 2)
    return np.stack([azimuth / 90 * np.cos(theta), np.sin(theta)], 1)


def sphere_map(
    values: np.ndarray, angles: np.ndarray, what: str, unit: str, ends: tuple[float, float]
) -> Markup:
    """A dot for each view, the front in the middle, coloured from the lower to the higher end."""
    place = mollweide(angles[:, 0], angles[:, 1]) * [WIDE / 4 - 4, HIGH / 2 - 4]
    x, y = WIDE / 2 + place[:, 0], HIGH / 2 - place[:, 1]
    r = min(6.0, 0.46 * math.sqrt(math.pi * WIDE * HIGH / 4 / len(values)))
    outline = tag(
        "ellipse", cx=WIDE / 2, cy=HIGH / 2, rx=WIDE / 2 - 1, ry=HIGH / 2 - 1, class_="edge"
    )
    dots = [
        tag(
            "circle", cx=round(float(a), 1), cy=round(float(b), 1), r=r, fill=shade(float(v), *ends)
        )
        for a, b, v in zip(x, y, values, strict=True)
    ]
    said = f"{what} by direction: mean {values.mean():.3g}{unit}, from {values.min():.3g} to {values.max():.3g}"
    return _with_values(
        picture(WIDE, HIGH, said, outline, *dots, class_="map"), values, angles, unit
    )


def ring_map(values: np.ndarray, angles: np.ndarray, what: str, half: float = 52.5) -> Markup:
    """Bars round the asset as seen from above, the front at the bottom: how likely each view shows the front.

    The shaded sector is where a right asset shows it; the dashed circle is a half.
    """
    c, inner, outer = HIGH / 2, 8.0, HIGH / 2 - 3
    step = math.radians(180 / len(values))
    bars = [
        tag(
            "path",
            d=_sector(c, math.radians(a), step * 0.86, inner, inner + (outer - inner) * float(v)),
        )
        for a, v in zip(angles[:, 0], np.clip(values, 0, 1), strict=True)
    ]
    drawn = (
        tag("circle", cx=c, cy=c, r=outer, class_="edge"),
        tag("path", d=_sector(c, 0, math.radians(half), inner, outer), class_="ideal"),
        tag("g", *bars, class_="bars"),
        tag("circle", cx=c, cy=c, r=inner + (outer - inner) / 2, class_="half"),
        tag("line", x1=c, y1=c, x2=c, y2=HIGH - 1, class_="needle"),
    )
    said = f"{what} by azimuth: {np.mean(values > 0.5):.0%} of the views above one half"
    return _with_values(picture(HIGH, HIGH, said, *drawn, class_="ring"), values, angles, "")


def _sector(c: float, middle: float, half: float, inner: float, outer: float) -> str:
    """A path; azimuth 0 points down and +x lies to the right, as somebody before the asset sees it."""

    def at(angle: float, r: float) -> str:
        return points((c + r * math.sin(angle), c + r * math.cos(angle)))

    a, b = middle - half, middle + half
    large = int(half > math.pi / 2)
    arc = f"A{outer:.1f},{outer:.1f} 0 {large} 0 {at(b, outer)}"
    back = f"A{inner:.1f},{inner:.1f} 0 {large} 1 {at(a, inner)}"
    return f"M{at(a, inner)}L{at(a, outer)}{arc}L{at(b, inner)}{back}Z"


def _with_values(drawn: Markup, values: np.ndarray, angles: np.ndarray, unit: str) -> Markup:
    """The drawing with its numbers, from which the script says what lies under the pointer."""
    listed = " ".join(f"{v:.3g}" for v in values)
    around = " ".join(f"{a:.0f},{e:.0f}" for a, e in angles)
    return tag("div", drawn, class_="probe", data_values=listed, data_angles=around, data_unit=unit)
