"""Plots as static SVG: intervals by method, numbers against lambda, what assets cost."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from esd_bench.pages.colours import Style, bare, hollow
from esd_bench.pages.svg import mark, picture, points, tag, ticks

LEFT, RIGHT, TOP, ROW = 196.0, 16.0, 10.0, 24.0
WIDE, LETTERS = 500.0, 24


@dataclass(frozen=True)
class Point:
    """A number of an arm with its interval; ``said`` is what a pointer reads."""

    label: str
    x: float
    value: float
    interval: tuple[float, float] | None = None
    said: str = ""


@dataclass(frozen=True)
class Scale:
    """A linear axis from numbers to pixels, with its ticks."""

    marks: tuple[float, ...]
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "Scale":
        """An axis that holds all finite values."""
        known = [x for x in values if math.isfinite(x)] or [0.0, 1.0]
        return cls(tuple(ticks(min(known), max(known))), start, end)

    def __call__(self, value: float) -> float:
        """The pixel of a number."""
        low, high = self.marks[0], self.marks[-1]
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def _ends(found: Sequence[Point]) -> list[float]:
    return [x for p in found for x in (p.value, *(p.interval or ()))]


def _name(label: str, y: float) -> Markup:
    """A label left of its row; of a long one the ends, and the whole of it under the pointer."""
    half = LETTERS // 2
    cut = label if len(label) <= LETTERS else f"{label[:half]}…{label[-half:]}"
    return tag("text", tag("title", label), cut, x=LEFT - 10, y=y + 4, text_anchor="end")


def _grid(axis: Scale, top: float, bottom: float) -> list[Markup]:
    """Vertical lines with their numbers below."""
    lines = [
        tag("line", x1=axis(x), x2=axis(x), y1=top, y2=bottom, class_="grid") for x in axis.marks
    ]
    texts = [
        tag("text", f"{x:g}", x=axis(x), y=bottom + 15, text_anchor="middle", class_="tick")
        for x in axis.marks
    ]
    return [*lines, *texts]


def rows(title: str, found: Sequence[Point], styles: Mapping[str, Style]) -> Markup:
    """A row an arm: its mark, and its interval as a line."""
    bottom = TOP + ROW * len(found)
    axis = Scale.over(_ends(found), LEFT, WIDE - RIGHT)
    drawn = _grid(axis, TOP, bottom)
    for i, p in enumerate(found):
        y = TOP + ROW * (i + 0.5)
        style = styles[bare(p.label)]
        drawn.append(_name(p.label, y))
        if p.interval:
            low, high = p.interval
            drawn.append(
                tag(
                    "line",
                    x1=axis(low),
                    x2=axis(high),
                    y1=y,
                    y2=y,
                    stroke=style.colour,
                    stroke_width=2,
                )
            )
        if math.isfinite(p.value):
            drawn.append(mark(style, axis(p.value), y, 5, hollow(p.label), p.said))
    return picture(WIDE, bottom + 22, f"{title}, a row for each method", *drawn, class_="plot")


def against(title: str, found: Sequence[Point], styles: Mapping[str, Style], x_name: str) -> Markup:
    """A line an arm: its numbers against another, with intervals."""
    high = 210.0
    across = Scale.over([p.x for p in found], 46, WIDE - 60)
    up = Scale.over(_ends(found), high - 36, TOP)
    drawn = [
        tag("line", x1=across.start, x2=across.end, y1=up(v), y2=up(v), class_="grid")
        for v in up.marks
    ]
    drawn += [
        tag("text", f"{v:g}", x=across.start - 8, y=up(v) + 4, text_anchor="end", class_="tick")
        for v in up.marks
    ]
    drawn += [
        tag("text", f"{v:g}", x=across(v), y=high - 18, text_anchor="middle", class_="tick")
        for v in sorted({p.x for p in found})
    ]
    drawn.append(
        tag("text", x_name, x=(across.start + across.end) / 2, y=high - 2, text_anchor="middle")
    )
    for label in dict.fromkeys(p.label for p in found):
        drawn += _line(label, [p for p in found if p.label == label], styles, across, up)
    return picture(WIDE, high, f"{title} against {x_name}", *drawn, class_="plot")


def _line(
    label: str, found: Sequence[Point], styles: Mapping[str, Style],
    across: Callable[[float], float], up: Callable[[float], float],
) -> list[Markup]:  # fmt: skip
    style = styles[bare(label)]
    ordered = sorted(found, key=lambda p: p.x)
    dashes = "5 4" if hollow(label) else None
    path = points(*((across(p.x), up(p.value)) for p in ordered))
    drawn = [
        tag(
            "polyline",
            points=path,
            fill="none",
            stroke=style.colour,
            stroke_width=1.5,
            stroke_dasharray=dashes,
        )
    ]
    for p in ordered:
        if p.interval:
            x, (low, high) = across(p.x), p.interval
            drawn.append(
                tag(
                    "line",
                    x1=x,
                    x2=x,
                    y1=up(low),
                    y2=up(high),
                    stroke=style.colour,
                    stroke_width=1.5,
                )
            )
        drawn.append(mark(style, across(p.x), up(p.value), 5, hollow(label), p.said))
    return drawn


MOST = 60
"""Runs of an arm up to which each has a mark of its own; of more, only their spread is drawn."""


def spreads(
    title: str, runs: Mapping[str, np.ndarray], styles: Mapping[str, Style], unit: str
) -> Markup:
    """A row an arm: its runs, and a box from the first to the third quartile with the median."""
    bottom = TOP + ROW * len(runs)
    axis = Scale.over([0.0, *(float(x.max()) for x in runs.values())], LEFT, WIDE - RIGHT)
    drawn = _grid(axis, TOP, bottom)
    for i, (label, values) in enumerate(runs.items()):
        y, style = TOP + ROW * (i + 0.5), styles[bare(label)]
        drawn += [_name(label, y), *_box(label, values, axis, y, style, unit)]
        few = values if len(values) <= MOST else values[[values.argmin(), values.argmax()]]
        drawn += [
            mark(style, axis(float(v)), y, 2.5, hollow(label), f"{label}: {v:.3g} {unit}")
            for v in few
        ]
    return picture(WIDE, bottom + 22, f"{title}, a row for each method", *drawn, class_="plot")


def _box(
    label: str, values: np.ndarray, axis: Scale, y: float, style: Style, unit: str
) -> list[Markup]:
    low, middle, high = (float(x) for x in np.quantile(values, [0.25, 0.5, 0.75]))
    said = tag(
        "title",
        f"{label}: median {middle:.3g} {unit}, quartiles {low:.3g} and {high:.3g}, {len(values)} runs",
    )
    box = tag(
        "rect", said, x=axis(low), y=y - 8, width=max(axis(high) - axis(low), 1.0), height=16,
        fill=style.colour, fill_opacity=0.15, stroke=style.colour,
    )  # fmt: skip
    return [
        box,
        tag(
            "line",
            x1=axis(middle),
            x2=axis(middle),
            y1=y - 8,
            y2=y + 8,
            stroke=style.colour,
            stroke_width=3,
        ),
    ]
