"""Procedural objects: small unions of ellipsoids, boxes and rods, each with an unmistakable front.

Coordinates are those of :mod:`esd_bench.types`: +y up, the front looks along +z, x is the object's width. A kind is a
list of :class:`Part`; a face, a door or headlights are at +z, a tail, a back panel or tail lights at -z. Everything that
varies between two objects of a kind (proportions, small shifts, shade of the coat) is drawn in :func:`assemble`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

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


# ---- animals -------------------------------------------------------------------------------------------------------


def eyes(x: float = 0.15, y: float = 0.37, z: float = 0.34, size: float = 0.09) -> list[Part]:
    """White eyeballs with black pupils that look to the front."""
    return both(
        ball((x, y, z), (size, size, 0.8 * size), "white"),
        ball((0.97 * x, y, z + 0.6 * size), (0.55 * size, 0.58 * size, 0.4 * size), "black"),
    )


def torso(belly: str = "light", feet: str = "coat", arms: str = "coat") -> list[Part]:
    """A sitting plush body: trunk, belly patch in front, feet that point forward, arms."""
    return [
        ball((0, -0.36, -0.06), (0.34, 0.42, 0.36)),
        ball((0, -0.38, 0.13), (0.22, 0.30, 0.22), belly),
        *both(
            ball((0.17, -0.74, 0.24), (0.11, 0.09, 0.17), feet),
            ball((0.33, -0.30, 0.16), (0.08, 0.21, 0.10), arms, (0, 0, 20)),
        ),
    ]


def head(size: Triple = (0.40, 0.34, 0.35), y: float = 0.28) -> Part:
    """The round head that most animals share."""
    return ball((0, y, 0.04), size)


def cat() -> Kind:
    """Pointed ears, pink nose, upright tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(
            ball((0.25, 0.64, 0.0), (0.12, 0.22, 0.07), turn=(0, 0, -22)),
            ball((0.25, 0.63, 0.05), (0.07, 0.15, 0.05), "pink", (0, 0, -22)),
            ball((0.07, 0.18, 0.36), (0.09, 0.07, 0.08), "white"),
        ),
        ball((0, 0.24, 0.43), (0.05, 0.035, 0.04), "pink"),
        ball((0.05, -0.30, -0.46), (0.07, 0.36, 0.07), turn=(-20, 0, 0)),
    ])  # fmt: skip


def dog() -> Kind:
    """Hanging ears, long muzzle with a black nose, tongue, raised tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(ball((0.41, 0.26, 0.02), (0.07, 0.27, 0.14), "dark", (0, 0, 12))),
        ball((0, 0.18, 0.40), (0.15, 0.12, 0.20), "light"),
        ball((0, 0.23, 0.58), (0.07, 0.05, 0.06), "black"),
        ball((0, 0.04, 0.50), (0.05, 0.08, 0.08), "tongue"),
        ball((0, -0.36, -0.48), (0.06, 0.07, 0.19), "dark", (35, 0, 0)),
    ])  # fmt: skip


def bear() -> Kind:
    """Round ears, broad light muzzle, stub tail."""
    return Kind([
        *torso(), head(), *eyes(size=0.075),
        *both(
            ball((0.30, 0.58, -0.02), (0.14, 0.14, 0.08)),
            ball((0.30, 0.58, 0.03), (0.09, 0.09, 0.05), "light"),
        ),
        ball((0, 0.17, 0.37), (0.17, 0.13, 0.14), "light"),
        ball((0, 0.23, 0.50), (0.08, 0.05, 0.05), "black"),
        ball((0, -0.55, -0.42), 0.10),
    ])  # fmt: skip


def rabbit() -> Kind:
    """Long upright ears, teeth, white bob of a tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(
            ball((0.15, 0.76, -0.02), (0.09, 0.32, 0.06), turn=(0, 0, -8)),
            ball((0.15, 0.76, 0.03), (0.055, 0.24, 0.04), "pink", (0, 0, -8)),
        ),
        ball((0, 0.24, 0.39), (0.055, 0.04, 0.04), "pink"),
        box((0, 0.09, 0.36), (0.07, 0.07, 0.04), "white"),
        ball((0, -0.55, -0.46), 0.15, "white"),
    ])  # fmt: skip


def pig() -> Kind:
    """A flat snout with nostrils, folded ears, curl of a tail."""
    return Kind([
        *torso(), head(), *eyes(size=0.075),
        rod((0, 0.20, 0.41), (0.16, 0.10, 0.13), "pink", FACING),
        *both(
            ball((0.06, 0.20, 0.51), (0.03, 0.045, 0.02), "dark"),
            ball((0.28, 0.56, 0.10), (0.13, 0.13, 0.06), "pink", (20, 0, -40)),
        ),
        ball((0, -0.35, -0.45), (0.10, 0.10, 0.07), "pink"),
    ])  # fmt: skip


def owl() -> Kind:
    """Ringed eyes, beak, ear tufts, dark wings, tail feathers."""
    return Kind([
        *torso(feet="beak", arms="dark"), head(),
        *both(
            ball((0.17, 0.37, 0.31), (0.19, 0.19, 0.05), "gold"),
            ball((0.27, 0.62, 0.02), (0.07, 0.16, 0.06), "dark", (0, 0, -30)),
        ),
        *eyes(0.17, 0.37, 0.35, 0.13),
        ball((0, 0.24, 0.42), (0.06, 0.11, 0.09), "beak"),
        ball((0, -0.62, -0.42), (0.20, 0.06, 0.14), "dark", (-30, 0, 0)),
    ])  # fmt: skip


def mouse() -> Kind:
    """Huge round ears, pointed muzzle, thin long tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(
            ball((0.40, 0.56, -0.05), (0.24, 0.24, 0.06)),
            ball((0.40, 0.56, -0.01), (0.17, 0.17, 0.05), "pink"),
        ),
        ball((0, 0.18, 0.37), (0.12, 0.10, 0.18)),
        ball((0, 0.21, 0.54), 0.055, "pink"),
        ball((0, -0.66, -0.56), (0.04, 0.04, 0.30), "pink"),
    ])  # fmt: skip


def frog() -> Kind:
    """Eyes on top of a flat head, wide red mouth, spread feet."""
    return Kind([
        *torso(belly="lamp"), head((0.44, 0.28, 0.36)),
        *both(
            ball((0.23, 0.56, 0.06), 0.16),
            ball((0.30, -0.72, -0.10), (0.18, 0.09, 0.20)),
        ),
        *eyes(0.23, 0.58, 0.15, 0.12),
        ball((0, 0.19, 0.33), (0.31, 0.045, 0.10), "tongue"),
        ball((0, -0.60, -0.40), (0.07, 0.05, 0.07), "dark"),
    ], top=(0.54, 0.0))  # fmt: skip


def lion() -> Kind:
    """A mane round the face, tail with a tuft."""
    return Kind([
        *torso(), head(),
        ball((0, 0.28, -0.07), (0.58, 0.54, 0.22), "mane"),
        *both(ball((0.37, 0.62, 0.11), (0.10, 0.10, 0.07))),
        *eyes(size=0.08),
        ball((0, 0.17, 0.37), (0.17, 0.12, 0.13), "light"),
        ball((0, 0.23, 0.49), (0.08, 0.045, 0.05), "black"),
        ball((0, -0.42, -0.46), (0.05, 0.32, 0.05), turn=(-30, 0, 0)),
        ball((0, -0.18, -0.62), 0.11, "mane"),
    ], top=(0.78, -0.06), neck=(-0.08, 0.0, 0.36))  # fmt: skip


def penguin() -> Kind:
    """White front, orange beak and feet, flippers."""
    return Kind([
        ball((0, -0.22, -0.04), (0.40, 0.58, 0.38)),
        ball((0, -0.26, 0.12), (0.32, 0.48, 0.28), "white"),
        ball((0, 0.42, 0.02), (0.31, 0.30, 0.29)),
        *both(
            ball((0.11, 0.40, 0.17), (0.14, 0.19, 0.15), "white"),
            ball((0.44, -0.18, 0.0), (0.07, 0.36, 0.14), "dark", (0, 0, 18)),
            ball((0.17, -0.78, 0.20), (0.13, 0.06, 0.20), "beak"),
        ),
        *eyes(0.11, 0.48, 0.29, 0.07),
        ball((0, 0.36, 0.36), (0.08, 0.06, 0.16), "beak"),
        ball((0, -0.70, -0.38), (0.14, 0.05, 0.16), "dark", (-30, 0, 0)),
    ], top=(0.69, 0.0), neck=(0.17, 0.0, 0.33), back=(-0.22, -0.44))  # fmt: skip


def elephant() -> Kind:
    """Fan ears, a trunk that hangs in front, tusks, thin tail."""
    return Kind([
        *torso(), head(), *eyes(0.20, 0.42, 0.31, 0.085),
        *both(
            ball((0.52, 0.30, -0.05), (0.27, 0.33, 0.06), turn=(0, 20, 0)),
            ball((0.54, 0.30, 0.0), (0.19, 0.24, 0.05), "pink", (0, 20, 0)),
            ball((0.17, 0.05, 0.40), (0.04, 0.05, 0.14), "white", (20, 0, 0)),
        ),
        ball((0, 0.22, 0.40), (0.11, 0.14, 0.13)),
        ball((0, 0.04, 0.50), (0.09, 0.15, 0.09)),
        ball((0, -0.14, 0.56), (0.075, 0.14, 0.075)),
        ball((0, -0.26, 0.62), (0.07, 0.06, 0.10), "dark"),
        ball((0, -0.42, -0.44), (0.03, 0.22, 0.03), "dark", (-15, 0, 0)),
    ])  # fmt: skip


def monkey() -> Kind:
    """A light face with a grin, ears at the sides, a tail that curls up."""
    return Kind([
        *torso(), head((0.36, 0.34, 0.34)),
        *both(
            ball((0.11, 0.36, 0.25), (0.16, 0.16, 0.13), "light"),
            ball((0.40, 0.30, 0.0), (0.13, 0.14, 0.06)),
            ball((0.41, 0.30, 0.04), (0.08, 0.09, 0.05), "light"),
        ),
        ball((0, 0.16, 0.31), (0.24, 0.14, 0.13), "light"),
        *eyes(0.12, 0.38, 0.36, 0.07),
        ball((0, 0.11, 0.42), (0.14, 0.025, 0.04), "stop"),
        ball((0, 0.24, 0.42), (0.05, 0.03, 0.04), "dark"),
        ball((0, -0.58, -0.52), (0.06, 0.06, 0.24), "dark", (-20, 0, 0)),
        ball((0, -0.36, -0.74), (0.06, 0.24, 0.06), "dark"),
        ball((0, -0.14, -0.66), (0.06, 0.06, 0.12), "dark", (-20, 0, 0)),
    ])  # fmt: skip


def duck() -> Kind:
    """A broad bill, folded wings, a tail that points up."""
    return Kind([
        ball((0, -0.36, -0.12), (0.42, 0.36, 0.56)),
        ball((0, -0.34, 0.22), (0.26, 0.26, 0.26), "light"),
        ball((0, 0.28, 0.20), (0.31, 0.31, 0.30)),
        *both(
            ball((0.40, -0.28, -0.18), (0.08, 0.20, 0.36), "dark", (-12, 0, 0)),
            ball((0.18, -0.74, 0.16), (0.13, 0.05, 0.19), "beak"),
        ),
        *eyes(0.14, 0.37, 0.43, 0.08),
        ball((0, 0.22, 0.56), (0.17, 0.04, 0.18), "beak"),
        ball((0, 0.16, 0.52), (0.14, 0.035, 0.14), "tongue"),
        ball((0, -0.12, -0.68), (0.17, 0.10, 0.20), turn=(35, 0, 0)),
    ], top=(0.57, 0.18), neck=(0.02, 0.15, 0.31), back=(-0.02, -0.42))  # fmt: skip


# ---- made things ---------------------------------------------------------------------------------------------------


def robot() -> Kind:
    """A screen with glowing eyes, a panel with lamps on the chest, an aerial, a dark pack behind."""
    return Kind([
        box((0, -0.25, 0), (0.34, 0.32, 0.26)),
        box((0, 0.34, 0), (0.30, 0.24, 0.25)),
        box((0, 0.37, 0.25), (0.24, 0.13, 0.04), "black"),
        box((0, -0.20, 0.26), (0.22, 0.16, 0.03), "gold"),
        box((0, -0.29, 0.29), (0.14, 0.03, 0.02), "black"),
        rod((0, 0.66, 0), (0.03, 0.12, 0.03), "metal"),
        ball((0, 0.80, 0), 0.07, "stop"),
        box((0, -0.22, -0.28), (0.20, 0.22, 0.06), "dark"),
        *both(
            ball((0.12, 0.38, 0.29), (0.07, 0.07, 0.04), "cyan"),
            ball((0.10, -0.16, 0.29), (0.05, 0.05, 0.03), "stop"),
            box((0.43, -0.22, 0), (0.07, 0.28, 0.09), "metal"),
            box((0.16, -0.72, 0.04), (0.11, 0.16, 0.17), "metal"),
        ),
    ], top=(0.57, 0.0), neck=(0.08, 0.0, 0.33), back=(-0.22, -0.40))  # fmt: skip


def wheels(*z: float, x: float = 0.34, y: float = -0.42, radius: float = 0.17) -> list[Part]:
    """Black tyres with metal hubs on both sides at each ``z``."""
    return [
        part
        for place in z
        for part in both(
            rod((x, y, place), (radius, 0.07, radius), "black", ACROSS),
            rod((x + 0.04, y, place), (0.09, 0.05, 0.09), "metal", ACROSS),
        )
    ]


def car() -> Kind:
    """Headlights and a grille in front, red lights behind."""
    return Kind([
        box((0, -0.25, 0), (0.34, 0.17, 0.70)),
        box((0, 0.02, -0.10), (0.30, 0.16, 0.36)),
        box((0, 0.02, 0.25), (0.26, 0.12, 0.03), "glass"),
        box((0, 0.02, -0.46), (0.24, 0.10, 0.02), "dark"),
        box((0, -0.28, 0.70), (0.12, 0.07, 0.03), "black"),
        box((0, -0.30, -0.70), (0.11, 0.05, 0.02), "white"),
        *wheels(0.42, -0.42),
        *both(
            box((0.30, 0.03, -0.10), (0.02, 0.09, 0.28), "glass"),
            ball((0.22, -0.20, 0.70), (0.09, 0.08, 0.05), "lamp"),
            box((0.24, -0.20, -0.70), (0.07, 0.06, 0.02), "stop"),
        ),
    ], top=(0.18, -0.1), soft=False)  # fmt: skip


def truck() -> Kind:
    """A cab with windscreen and grille in front of a pale cargo box with two doors behind."""
    return Kind([
        box((0, -0.06, 0.46), (0.32, 0.34, 0.24)),
        box((0, 0.10, 0.70), (0.27, 0.14, 0.02), "glass"),
        box((0, -0.20, 0.70), (0.18, 0.08, 0.03), "black"),
        box((0, -0.38, 0.70), (0.32, 0.04, 0.05), "metal"),
        box((0, -0.38, -0.15), (0.30, 0.06, 0.60), "black"),
        box((0, 0.12, -0.30), (0.36, 0.44, 0.50), "light"),
        box((0, -0.02, -0.30), (0.37, 0.10, 0.49)),
        *wheels(0.46, -0.20, -0.56, x=0.31, y=-0.46, radius=0.16),
        *both(
            box((0.32, 0.10, 0.48), (0.02, 0.12, 0.14), "glass"),
            ball((0.24, -0.22, 0.71), (0.06, 0.07, 0.04), "lamp"),
            box((0.17, 0.12, -0.80), (0.14, 0.38, 0.02), "dark"),
            box((0.30, -0.38, -0.75), (0.06, 0.04, 0.03), "stop"),
        ),
    ], top=(0.56, -0.3), soft=False)  # fmt: skip


def house() -> Kind:
    """A door, windows and a round gable light in front; one dark shed door and the chimney behind."""
    return Kind([
        box((0, -0.32, 0), (0.48, 0.36, 0.40)),
        *both(box((0.27, 0.22, 0), (0.40, 0.05, 0.47), "dark", (0, 0, -40))),
        box((0, 0.12, 0), (0.22, 0.20, 0.38)),
        box((0, -0.45, 0.41), (0.12, 0.23, 0.03), "wood"),
        ball((0.07, -0.45, 0.45), 0.025, "gold"),
        *both(box((0.31, -0.27, 0.41), (0.10, 0.11, 0.03), "glass")),
        rod((0, 0.14, 0.39), (0.10, 0.03, 0.10), "lamp", FACING),
        box((-0.28, 0.42, -0.15), (0.08, 0.20, 0.08), "stop"),
        box((0, -0.50, -0.41), (0.28, 0.18, 0.03), "dark"),
    ], top=(0.46, 0.2), soft=False)  # fmt: skip


def clock() -> Kind:
    """An alarm clock: white dial with hands in front, bells on top, a dark back with a key."""
    return Kind([
        rod((0, -0.05, 0), (0.58, 0.22, 0.58), turn=FACING),
        rod((0, -0.05, 0.19), (0.48, 0.05, 0.48), "white", FACING),
        box((0, 0.12, 0.26), (0.035, 0.19, 0.02), "black"),
        box((0.11, -0.05, 0.26), (0.14, 0.035, 0.02), "black"),
        ball((0, -0.05, 0.27), 0.05, "stop"),
        box((0, 0.36, 0.25), (0.03, 0.05, 0.02), "dark"),
        box((0, -0.46, 0.25), (0.03, 0.05, 0.02), "dark"),
        *both(
            box((0.41, -0.05, 0.25), (0.05, 0.03, 0.02), "dark"),
            ball((0.34, 0.54, 0), (0.22, 0.15, 0.18), "gold", (0, 0, -35)),
            box((0.36, -0.62, 0), (0.07, 0.16, 0.10), "metal", (0, 0, 25)),
        ),
        rod((0, 0.60, 0), (0.04, 0.12, 0.04), "metal"),
        rod((0, -0.05, -0.22), (0.46, 0.03, 0.46), "dark", FACING),
        box((0, -0.05, -0.30), (0.17, 0.05, 0.05), "gold"),
    ], top=(0.66, 0.0), soft=False)  # fmt: skip


KINDS: dict[str, Kind] = {
    make.__name__: make()
    for make in (
        cat, dog, bear, rabbit, pig, owl, mouse, frog, lion, penguin, elephant, monkey, duck,
        robot, car, truck, house, clock,
    )
}  # fmt: skip
NAMES = tuple(KINDS)


# ---- extras --------------------------------------------------------------------------------------------------------


def hat(kind: Kind) -> list[Part]:
    """A black top hat with a magenta band."""
    y, z = kind.top
    return [
        rod((0, y, z), (0.27, 0.025, 0.27), "black"),
        rod((0, y + 0.05, z), (0.18, 0.05, 0.18), "magenta"),
        rod((0, y + 0.18, z), (0.175, 0.11, 0.175), "black"),
    ]


def scarf(kind: Kind) -> list[Part]:
    """A teal ring round the neck with one end down the chest."""
    y, z, radius = kind.neck
    return [
        ball((0, y, z), (radius, 0.09, radius), "teal"),
        box((0.12, y - 0.17, z + radius - 0.02), (0.07, 0.16, 0.04), "teal", (-8, 0, 8)),
        box((0.14, y - 0.31, z + radius), (0.07, 0.03, 0.045), "white", (-8, 0, 8)),
    ]


def backpack(kind: Kind) -> list[Part]:
    """A magenta pack with a golden pocket behind, its straps over the chest."""
    y, z = kind.back
    return [
        box((0, y, z), (0.25, 0.27, 0.13), "magenta"),
        box((0, y - 0.09, z - 0.13), (0.16, 0.11, 0.05), "gold"),
        *both(ball((0.21, y + 0.05, 0.10), (0.05, 0.24, 0.24), "magenta")),
    ]


def flag(kind: Kind) -> list[Part]:
    """A pole with a magenta and white flag on the roof."""
    y, z = kind.top
    return [
        rod((0, y + 0.16, z), (0.025, 0.20, 0.025), "black"),
        box((0.15, y + 0.29, z), (0.14, 0.05, 0.02), "magenta"),
        box((0.15, y + 0.20, z), (0.14, 0.05, 0.02), "white"),
    ]


ACCESSORIES = {"hat": hat, "scarf": scarf, "backpack": backpack, "flag": flag}
PATTERNS = ("striped", "spotted")
EXTRAS = ("", *ACCESSORIES, *PATTERNS)
"""What an object may have besides its kind and colour; the first is nothing."""


def extras(kind: str) -> tuple[str, ...]:
    """The extras that a kind can have: clothes for figures, a flag for things, patterns for all."""
    worn = ("hat", "scarf", "backpack") if KINDS[kind].soft else ("flag",)
    return ("", *worn, *PATTERNS)


# ---- batches -------------------------------------------------------------------------------------------------------

SLOTS = 32
RADIUS = 0.93
"""Objects fill this part of the unit ball, so that they fit the evaluation views."""


@dataclass(frozen=True)
class Objects:
    """A batch of ``n`` objects of up to ``p`` primitives; all but ``shape`` on one device.

    Attributes:
        shape: BALL, BOX, ROD or NOTHING; stays on the CPU, because loops look at it.
        turn: rotations from a primitive's own axes to the world's.
        patterned: which primitives carry the object's pattern.
        pattern: 0 none, 1 stripes, 2 spots.
        ink: colour of the stripes or spots.
    """

    shape: Int[Tensor, "n p"]
    centre: Float[Tensor, "n p 3"]
    size: Float[Tensor, "n p 3"]
    turn: Float[Tensor, "n p 3 3"]
    paint: Float[Tensor, "n p 3"]
    patterned: Bool[Tensor, "n p"]
    pattern: Int[Tensor, " n"]
    ink: Float[Tensor, "n 3"]

    def __len__(self) -> int:
        return self.shape.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Objects":
        return Objects(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device | str) -> "Objects":
        """The same objects elsewhere; ``shape`` stays."""
        moved = {
            f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "shape"
        }
        return replace(self, **moved)


def parts_of(kind: str, extra: str) -> list[Part]:
    """All primitives of a kind with an extra, before any jitter."""
    chosen = KINDS[kind]
    worn = ACCESSORIES[extra](chosen) if extra in ACCESSORIES else []
    parts = [*chosen.parts, *worn]
    if len(parts) > SLOTS:
        raise ValueError(f"{kind} {extra} has {len(parts)} parts, more than {SLOTS}")
    return parts


def rotation(degrees: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices that turn about x, then y, then z."""
    angle = torch.deg2rad(degrees)
    (cx, cy, cz), (sx, sy, sz) = angle.cos().unbind(-1), angle.sin().unbind(-1)
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], -1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], -1),
        torch.stack([-sy, cy * sx, cy * cx], -1),
    ]
    return torch.stack(rows, -2)


@cache
def _templates() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Shape, centre, size, turn (degrees) and paint index of every (kind, extra), flattened kind-major."""
    filler = Part(NOTHING, (0, 0, 0), (0.01, 0.01, 0.01), "black")
    rows = []
    for kind in NAMES:
        for extra in EXTRAS:
            parts = parts_of(kind, extra)
            rows.append(parts + [filler] * (SLOTS - len(parts)))
    centre, size, turn = (
        torch.tensor([[p[i] for p in row] for row in rows]).float() for i in (1, 2, 4)
    )
    shape = torch.tensor([[p.shape for p in row] for row in rows])
    paint = torch.tensor([[PAINTS.index(p.paint) for p in row] for row in rows])
    return shape, centre, size, turn, paint


def _mix(a: Tensor, b: Sequence[float], share: float) -> Tensor:
    return a + (a.new_tensor(b) - a) * share


def _palette(coat: Float[Tensor, "n 3"]) -> Float[Tensor, "n k 3"]:
    """The colour of every paint for each object's coat."""
    shades = [
        coat,
        _mix(coat, FIXED["white"], 0.62),
        _mix(coat, FIXED["black"], 0.50),
        _mix(coat, (0.35, 0.16, 0.04), 0.65),
    ]
    fixed = coat.new_tensor(list(FIXED.values())).expand(len(coat), -1, 3)
    return torch.cat([torch.stack(shades, 1), fixed], 1)


def reach(objects: Objects, directions: Float[Tensor, "u 3"]) -> Float[Tensor, "n u"]:
    """Support function: how far each object extends along each unit direction."""
    local = torch.einsum("npij,ui->npuj", objects.turn, directions) * objects.size[:, :, None]
    shape = objects.shape.to(local.device)[:, :, None]
    side = local[..., [0, 2]].norm(dim=-1) + local[..., 1].abs()
    far = torch.where(
        shape == BALL, local.norm(dim=-1), torch.where(shape == BOX, local.abs().sum(-1), side)
    )
    far = far + objects.centre @ directions.T
    return torch.where(shape == NOTHING, -1.0, far).amax(1)


def _directions(n: int = 192) -> Float[Tensor, "n 3"]:
    index = torch.arange(n) + 0.5
    y, turn = 1 - 2 * index / n, index * math.pi * (3 - math.sqrt(5))
    ring = (1 - y * y).sqrt()
    return torch.stack([ring * turn.cos(), y, ring * turn.sin()], -1)


def fitted(objects: Objects, radius: float = RADIUS) -> Objects:
    """The same objects, centred in height and scaled to ``radius``."""
    upright = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], device=objects.centre.device)
    top, bottom = reach(objects, upright).unbind(1)
    shift = torch.zeros_like(objects.centre[:, :1])
    shift[:, 0, 1] = (top - bottom) / 2
    centred = replace(objects, centre=objects.centre - shift)
    far = reach(centred, _directions().to(shift.device)).amax(1)
    scale = (radius / far)[:, None, None]
    return replace(centred, centre=centred.centre * scale, size=centred.size * scale)


def assemble(
    kind: Int[Tensor, " n"],
    colour: Int[Tensor, " n"],
    extra: Int[Tensor, " n"],
    generator: torch.Generator | None = None,
    jitter: float = 1.0,
    device: torch.device | str = "cpu",
) -> Objects:
    """One object for each triple of indices into ``NAMES``, ``COLOURS`` and ``EXTRAS``, each a variant of its own.

    Args:
        generator: a CPU generator; the same one gives the same objects.
        jitter: 1 for the training distribution, 0 for the plain templates.
        device: where the objects go; the random numbers are the same everywhere.
    """
    n, row = len(kind), kind * len(EXTRAS) + extra
    shape, centre, size, turn, paint = (x[row] for x in _templates())

    def noise(*dims: int) -> Tensor:
        return jitter * (2 * torch.rand(n, *dims, generator=generator) - 1)

    stretch = 1 + 0.07 * noise(1, 3)
    # Up and down only: a sideways shift would part a pupil from its eye or lamps from their panel.
    shift = 0.012 * noise(SLOTS, 3) * torch.tensor([0.0, 1.0, 0.0])
    shade = 0.06 * noise(1) + 0.02 * noise(3)
    coat = (torch.tensor(list(COLOURS.values()))[colour] + shade).clamp(0, 1)
    pattern = (extra - EXTRAS.index("striped") + 1).clamp_min(0)
    objects = Objects(
        shape=shape,
        centre=centre * stretch + shift,
        size=size * stretch * (1 + 0.04 * noise(SLOTS, 1)),
        turn=rotation(turn),
        paint=_palette(coat).gather(1, paint[..., None].expand(-1, -1, 3)),
        patterned=paint == PAINTS.index("coat"),
        pattern=pattern,
        ink=torch.where((pattern == 1)[:, None], coat * 0.3, _mix(coat, FIXED["white"], 0.8)),
    )
    return fitted(objects.to(device))


def one(kind: str, colour: str, extra: str = "", seed: int = 0, jitter: float = 1.0) -> Objects:
    """A single object by its words."""
    if extra not in extras(kind):
        raise ValueError(f"a {kind} can't be {extra!r}; choose from {extras(kind)}")
    index = (NAMES.index(kind), list(COLOURS).index(colour), EXTRAS.index(extra))
    return assemble(
        *(torch.tensor([i]) for i in index),
        generator=torch.Generator().manual_seed(seed),
        jitter=jitter,
    )
