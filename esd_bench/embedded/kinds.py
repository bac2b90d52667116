"""The kinds of objects and what each can wear or carry."""

from esd_bench.embedded import animals, things
from esd_bench.embedded.parts import Kind, Part, ball, both, box, rod

KINDS: dict[str, Kind] = {
    make.__name__: make()
    for make in (
        animals.cat, animals.dog, animals.bear, animals.rabbit, animals.pig, animals.owl, animals.mouse, animals.frog,
        animals.lion, animals.penguin, animals.elephant, animals.monkey, animals.duck,
        things.robot, things.car, things.truck, things.house, things.clock,
    )
}  # fmt: skip
"""By name; the order is that of the classifier's labels."""
NAMES = tuple(KINDS)


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
