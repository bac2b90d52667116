"""A GitHub table."""

import html
import re
from collections.abc import Iterable

from esd_bench.formats.printed import Shown, printed
from esd_bench.tables import Body


def to_markdown(*bodies: Body) -> str:
    """GitHub tables, their footnotes as lists below."""
    return "\n".join(map(_table, bodies))


def _table(body: Body) -> str:
    shown = printed(body)
    lines = [
        f"**{_escaped(shown.title)}**",
        "",
        _line(map(_escaped, (*shown.index, *shown.headings))),
        _line([":--"] * len(shown.index) + ["--:"] * len(shown.headings)),
        *(_line([*map(_escaped, row.labels), *map(_cell, row.cells)]) for row in shown.rows),
        "",
        *(f"- {_raised(mark, ' ')}{_escaped(text)}" for mark, text in shown.notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(parts: Iterable[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _raised(mark: str, space: str = "") -> str:
    return f"<sup>{mark}</sup>{space}" if mark else ""


def _escaped(text: str) -> str:
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", plain)


def _cell(cell: Shown) -> str:
    value = f"**{cell.number}**" if cell.best else cell.number
    spread = f" {cell.spread}" if cell.spread else ""
    interval = f"<br>{cell.interval}" if cell.interval else ""
    return value + spread + _raised(cell.mark) + interval
