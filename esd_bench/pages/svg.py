"""SVG in few words: elements, marks of methods, axes. Every text and attribute is escaped."""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from esd_bench.pages.colours import Style


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """One element; ``stroke_width=2`` becomes ``stroke-width="2"``, ``class_`` is ``class``, None is left out."""
    known = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items() if v is not None}
    given = "".join([f' {k}="{escape(short(v))}"' for k, v in known.items()])
    inside = "".join([escape(x) for x in children])
    return Markup(f"<{name}{given}>{inside}</{name}>")


def short(value: object) -> object:
    """Numbers with two decimals at most: a page holds thousands of them."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def picture(width: float, height: float, what: str, *children: object, class_: str = "") -> Markup:
    """A drawing with a text for those who don't see it."""
    box = f"0 0 {short(float(width))} {short(float(height))}"
    return tag(
        "svg", *children, viewBox=box, width=width, height=height, role="img", aria_label=what,
        class_=class_ or None,
    )  # fmt: skip


def points(*pairs: tuple[float, float]) -> str:
    """Coordinates as SVG writes them."""
    return " ".join(f"{short(float(x))},{short(float(y))}" for x, y in pairs)


def mark(
    style: Style, x: float, y: float, r: float = 5, hollow: bool = False, said: str = ""
) -> Markup:
    """A method's mark at a point; ``said`` shows when a pointer rests on it."""
    how = {"fill": "#fff" if hollow else style.colour, "stroke": style.colour, "stroke_width": 1.5}
    inside = (tag("title", said),) if said else ()
    if style.shape == "circle":
        return tag("circle", *inside, cx=x, cy=y, r=r, **how)
    return tag("polygon", *inside, points=points(*_corners(style.shape, x, y, r)), **how)


def _corners(shape: str, x: float, y: float, r: float) -> list[tuple[float, float]]:
    if shape == "square":
        ring: Sequence[tuple[float, float]] = [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
    elif shape == "diamond":
        ring = [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)]
    elif shape == "triangle":
        ring = [(0, -1.2), (1.15, 0.9), (-1.15, 0.9)]
    else:
        a, b = 0.42, 1.15
        ring = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a)]
        ring = [*ring, (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
    return [(x + r * dx, y + r * dy) for dx, dy in ring]


def swatch(style: Style, hollow: bool = False) -> Markup:
    """The mark alone, to stand beside a method's name."""
    drawn = mark(style, 7, 7, 4.5, hollow)
    return tag(
        "svg", drawn, viewBox="0 0 14 14", width=14, height=14, aria_hidden="true", class_="swatch"
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that cover a span."""
    from matplotlib.ticker import MaxNLocator

    if not math.isfinite(low + high):
        return [0.0, 1.0]
    wide = (low, high) if high > low else (low - 0.5, high + 0.5)
    return [float(x) for x in MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(*wide)]
