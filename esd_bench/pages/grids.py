"""Tables of the suite as pages show them: the same bodies, to be sorted, coloured and followed to their origins."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from esd_bench.formats.printed import Shown, missing, printed
from esd_bench.pages.colours import WORDINGS, Style
from esd_bench.tables import Body, Cell, Column


@dataclass(frozen=True)
class Box:
    """One cell: as printed, as a number to sort by ("" without one), and what its tooltip says."""

    shown: Shown
    sort: str
    said: str
    score: str


@dataclass(frozen=True)
class Line:
    """One row: its labels, with a style and a link where there is one, and its cells."""

    labels: tuple[tuple[str, Style | None, bool, str], ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Grid:
    """A table; ``parts`` are (heading, rows), sorted each by itself; ``names`` are the label columns that are left."""

    id: str
    title: str
    names: tuple[str, ...]
    headings: tuple[str, ...]
    parts: tuple[tuple[str, tuple[Line, ...]], ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.names) + len(self.headings)


Link = Callable[[str, str], str]


def grid(
    id: str, body: Body, styles: Mapping[str, Style], link: Link = lambda kind, text: ""
) -> Grid:
    """A body for the page.

    Args:
        id: unique on its page; also the name of its downloads.
        body: as ``report.build`` makes it.
        styles: of the methods.
        link: from the heading of a label's column and the label to a page, or "".
    """
    shown = printed(body)
    pairs = list(zip(body.rows, shown.rows, strict=True))
    parts = []
    for head, group in groupby(pairs, key=lambda pair: pair[0][0][: body.groups]):
        lines = tuple(_line(body, raw, row.cells, styles, link) for raw, row in group)
        parts.append((", ".join(head), lines))
    return Grid(
        id, body.title, body.index[body.groups :], shown.headings, tuple(parts), shown.notes
    )


def _line(
    body: Body, raw: tuple[tuple[str, ...], tuple[Cell, ...]], cells: tuple[Shown, ...],
    styles: Mapping[str, Style], link: Link,
) -> Line:  # fmt: skip
    labels, numbers = raw
    boxes = map(_box, numbers, body.columns, cells)
    return Line(tuple(_labels(body, labels, styles, link)), tuple(boxes))


def _labels(
    body: Body, labels: tuple[str, ...], styles: Mapping[str, Style], link: Link
) -> Iterator[tuple[str, Style | None, bool, str]]:
    outline = WORDINGS[0].removeprefix(", ") in ", ".join(labels)
    for name, text in list(zip(body.index, labels, strict=True))[body.groups :]:
        bare = next((text.removesuffix(x) for x in WORDINGS if text.endswith(x)), text)
        yield text, styles.get(bare), outline, link(name, text)


def _box(cell: Cell, column: Column, shown: Shown) -> Box:
    said = [f"{column.name}: {shown.number} {column.unit}".strip()]
    said += [f"n = {cell.n}"] if cell.n else []
    said += [x for x in (shown.spread, shown.interval, cell.flag, column.note) if x]
    sort = "" if missing(cell) else repr(cell.value)
    return Box(shown, sort, "; ".join(said), column.score)
