"""One colour and shape for each method on all pages, and one scale for numbers; safe for colour-blind readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

COLOURS = ("#0072b2", "#d55e00", "#00664c", "#cc6699", "#56318f", "#c1272d", "#4d4d4d", "#8a6d00")
"""After Okabe and Ito, darkened to a contrast of 3 on white; where a colour-blind reader takes two for one, shapes differ."""
SHAPES = ("circle", "square", "diamond", "triangle", "cross")
WORDINGS = (", no view words", ", view words")


@dataclass(frozen=True)
class Style:
    """How an arm is drawn; the shape tells arms apart where colour does not."""

    colour: str
    shape: str


def bare(label: str) -> str:
    """A label without its wording: with and without view words a method has one colour."""
    for wording in WORDINGS:
        label = label.removesuffix(wording)
    return label


def hollow(label: str) -> bool:
    """Arms without view words are drawn as outlines."""
    return label.endswith(WORDINGS[0])


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label without its wording, by their order in the tables."""
    names = dict.fromkeys(map(bare, labels))
    return {
        name: Style(COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)])
        for i, name in enumerate(names)
    }


@cache
def scale() -> tuple[str, ...]:
    """Sixteen colours from low to high: cividis, which rises evenly in lightness."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return tuple(to_hex(colormaps["cividis"](i / 15)) for i in range(16))


def shade(value: float, low: float, high: float) -> str:
    """The scale's colour for a number between two ends."""
    share = (value - low) / (high - low) if high > low else 0.5
    return scale()[round(15 * min(max(share, 0.0), 1.0))]
