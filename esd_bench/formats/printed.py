"""A table's body in words: numbers formatted, the best cells found, footnotes collected; nothing escaped yet."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, product
from string import ascii_lowercase

from esd_bench.tables import Body, Cell, Column, heading

DASH = "–"


@dataclass(frozen=True)
class Shown:
    """A cell in words; ``mark`` is that of its footnote, ``interval`` what stands below the number."""

    number: str
    spread: str = ""
    interval: str = ""
    mark: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """Labels, a repeated one of the group left blank, and cells; ``opens`` a group (the first one too)."""

    labels: tuple[str, ...]
    cells: tuple[Shown, ...]
    opens: bool


@dataclass(frozen=True)
class Printed:
    """A body in words; ``notes`` are (mark, text), and ``groups`` so many leading labels make a group."""

    title: str
    index: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, str], ...]
    groups: int


def printed(body: Body) -> Printed:
    """What every format shows."""
    marks, best = _marks(body), _best(body)
    rows = [
        Row(
            labels,
            tuple(
                _shown(cell, column, marks.get(cell.flag, ""), (r, k) in best)
                for k, (cell, column) in enumerate(zip(cells, body.columns, strict=True))
            ),
            opens,
        )
        for r, ((labels, opens), (_, cells)) in enumerate(
            zip(_labels(body), body.rows, strict=True)
        )
    ]
    notes = [(mark, text) for text, mark in marks.items()]
    notes += [("", f"{names}: {note}") for note, names in _notes(body).items()]
    notes += [("", text) for text in body.footnotes]
    headings = tuple(heading(column) for column in body.columns)
    return Printed(body.title, body.index, headings, tuple(rows), tuple(notes), body.groups)


def _notes(body: Body) -> dict[str, str]:
    """Note -> the columns that share it."""
    texts = dict.fromkeys(column.note for column in body.columns if column.note)
    return {x: ", ".join(c.name for c in body.columns if c.note == x) for x in texts}


def missing(cell: Cell) -> bool:
    """Whether a cell has no number to show."""
    return cell.value is None or not math.isfinite(cell.value)


def number(value: float, digits: int) -> str:
    """A number with so many decimals; never "-0.000"."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _shown(cell: Cell, column: Column, mark: str, best: bool) -> Shown:
    if cell.value is None or missing(cell):
        return Shown(DASH, mark=mark)
    digits = column.digits if cell.digits is None else cell.digits
    spread = "" if cell.spread is None else f"± {number(cell.spread, digits)}"
    ends = ", ".join(number(x, digits) for x in cell.interval or ())
    below = [f"[{ends}]"] if ends else []
    below += [chance(cell.p[1])] if cell.p else []
    small = 0 < cell.value < column.least
    value = f"< {number(column.least, digits)}" if small else number(cell.value, digits)
    return Shown(value, spread, " ".join(below), mark, best)


def chance(p: float) -> str:
    """A p-value in words."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _marks(body: Body) -> dict[str, str]:
    """Flag -> a, b, ..., z, aa, ab, ... in order of appearance."""
    flags = dict.fromkeys(cell.flag for _, cells in body.rows for cell in cells if cell.flag)
    letters = [*ascii_lowercase, *(a + b for a, b in product(ascii_lowercase, repeat=2))]
    return {flag: letters[i % len(letters)] for i, flag in enumerate(flags)}


def _best(body: Body) -> set[tuple[int, int]]:
    """(row, column) of the best cells of each group."""
    found = set()
    numbered = enumerate(body.rows)
    for _, group in groupby(numbered, key=lambda item: item[1][0][: body.groups]):
        rows = [(r, cells) for r, (_, cells) in group]
        for k, column in enumerate(body.columns):
            winners = _winners({r: cells[k] for r, cells in rows}, column)
            found |= {(r, k) for r in winners}
    return found


def _winners(cells: dict[int, Cell], column: Column) -> list[int]:
    """Keys of the best cells: cells that print alike tie; where all do, as with a lone method, none wins."""
    values = {
        r: float(number(cell.value, column.digits))
        for r, cell in cells.items()
        if cell.value is not None and not missing(cell)
    }
    if column.better is None or not column.mark or len(set(values.values())) < 2:
        return []
    goal = (max if column.better == "higher" else min)(values.values())
    return [r for r, value in values.items() if value == goal]


def _labels(body: Body) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each row's labels with a group's repeated ones left blank, and whether it opens a new group."""
    before: tuple[str, ...] = ()
    for labels, _ in body.rows:
        same = 0
        while before and same < body.groups and labels[same] == before[same]:
            same += 1
        yield ("",) * same + labels[same:], same < body.groups
        before = labels
