"""What objects are built of: ellipsoids, boxes and rods, in the object's own colour or a fixed one.

Coordinates are those of :mod:`esd_bench.types`: +y up, the front looks along +z, x is the object's width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Triple = tuple[float, float, float]

BALL, BOX, ROD, NOTHING = 0, 1, 2, 3
"""Shapes: ellipsoid, box, elliptic cylinder along local y, and the filler of unused slots."""

COLOURS: dict[str, Triple] = {
    "red": (0.82, 0.16, 0.14),
    "orange": (0.95, 0.55, 0.12),
    "yellow": (0.93, 0.83, 0.18),
    "green": (0.22, 0.65, 0.25),
    "blue": (0.18, 0.35, 0.85),
    "purple": (0.55, 0.25, 0.72),
    "brown": (0.48, 0.30, 0.16),
    "gray": (0.55, 0.55, 0.57),
}
FIXED: dict[str, Triple] = {
    "white": (0.97, 0.97, 0.97),
    "black": (0.06, 0.06, 0.07),
    "pink": (0.95, 0.60, 0.65),
    "beak": (0.97, 0.62, 0.10),
    "gold": (0.95, 0.80, 0.20),
    "tongue": (0.90, 0.30, 0.35),
    "metal": (0.75, 0.77, 0.80),
    "glass": (0.55, 0.75, 0.90),
    "lamp": (1.00, 0.97, 0.60),
    "stop": (0.85, 0.05, 0.05),
    "cyan": (0.20, 0.95, 0.95),
    "wood": (0.40, 0.22, 0.10),
    "teal": (0.05, 0.50, 0.50),
    "magenta": (0.90, 0.15, 0.50),
}
SHADES = ("coat", "light", "dark", "mane")
"""Paints that follow the object's colour; only ``coat`` carries stripes and spots."""
PAINTS = SHADES + tuple(FIXED)


class Part(NamedTuple):
    """One primitive: centre and half-sizes in object units, rotation in degrees about x, then y, then z."""

    shape: int
    at: Triple
    size: Triple
    paint: str = "coat"
    turn: Triple = (0.0, 0.0, 0.0)

    def mirrored(self) -> "Part":
        """The same part on the other side of the plane x = 0."""
        (x, y, z), (a, b, c) = self.at, self.turn
        return self._replace(at=(-x, y, z), turn=(a, -b, -c))


def ball(at: Triple, size: Triple | float, paint: str = "coat", turn: Triple = (0, 0, 0)) -> Part:
    """An ellipsoid; one number makes a sphere."""
    return Part(BALL, at, size if isinstance(size, tuple) else (size, size, size), paint, turn)


def box(at: Triple, size: Triple, paint: str = "coat", turn: Triple = (0, 0, 0)) -> Part:
    """A box of half-sizes ``size``."""
    return Part(BOX, at, size, paint, turn)


def rod(at: Triple, size: Triple, paint: str = "coat", turn: Triple = (0, 0, 0)) -> Part:
    """An upright cylinder; ``turn=(90, 0, 0)`` lays it along z."""
    return Part(ROD, at, size, paint, turn)


def both(*parts: Part) -> list[Part]:
    """Each part and its mirror image."""
    return [p for part in parts for p in (part, part.mirrored())]


FACING = (90.0, 0.0, 0.0)
"""Turns a rod into a disc that faces the front."""
ACROSS = (0.0, 0.0, 90.0)
"""Turns a rod into an axle along x."""


@dataclass(frozen=True)
class Kind:
    """A kind of object and where an accessory sits on it: head top (y, z), neck (y, z, radius), back (y, z)."""

    parts: Sequence[Part]
    top: tuple[float, float] = (0.60, 0.02)
    neck: tuple[float, float, float] = (0.0, 0.0, 0.33)
    back: tuple[float, float] = (-0.30, -0.44)
    soft: bool = True
