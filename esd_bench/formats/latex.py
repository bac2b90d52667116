r"""LaTeX that needs no package: with ``\usepackage{booktabs}`` the rules are those of booktabs, without it plain lines."""

import math
from collections.abc import Iterator, Sequence

from esd_bench.formats.printed import Printed, Row, Shown, printed
from esd_bench.formats.tex import tex
from esd_bench.tables import Body

LINES = 40
"""A float can't be broken over pages, so a longer table becomes several."""

TOP = r"""% Made by esd-bench. It compiles as it is; with \usepackage{booktabs} in the preamble the rules are finer.
\providecommand{\toprule}{\hline}\providecommand{\midrule}{\hline}\providecommand{\bottomrule}{\hline}
"""
FLOAT = r"""\begin{table}[htbp]
\centering\%(size)s\setlength{\tabcolsep}{%(gap)spt}\renewcommand{\arraystretch}{1.15}
\caption{%(title)s}\medskip
\makebox[\linewidth]{\begin{tabular}{@{}%(columns)s@{}}
\toprule
%(head)s
\midrule
%(rows)s
\bottomrule
\end{tabular}}
\par\smallskip\begin{minipage}{\linewidth}\raggedright\scriptsize %(notes)s\end{minipage}
\end{table}
"""


def to_latex(*bodies: Body) -> str:
    """Floats of about 40 lines, the best cells bold; any text compiles under pdflatex."""
    return TOP + "\n".join(map(_table, bodies))


def _table(body: Body) -> str:
    shown = printed(body)
    parts = list(_parts(shown)) or [[]]
    floats = [
        _float(shown, part, f" ({i} of {len(parts)})" if len(parts) > 1 else "")
        for i, part in enumerate(parts, 1)
    ]
    return "\\clearpage\n".join(floats)


def _parts(shown: Printed) -> Iterator[list[Row]]:
    """Rows by the float, a group never broken."""
    part: list[Row] = []
    lines = 0
    for row in shown.rows:
        if lines >= LINES and (row.opens or not shown.groups):
            yield part
            part, lines = [], 0
        part.append(row)
        lines += max((1 + bool(x.interval) * (1 + bool(x.spread)) for x in row.cells), default=1)
    if part:
        yield part


def _float(shown: Printed, rows: Sequence[Row], suffix: str) -> str:
    size, gap = _size(shown)
    headings = [rf"\multicolumn{{1}}{{c}}{{{_stacked(x)}}}" for x in shown.headings]
    return FLOAT % {
        "size": size,
        "gap": gap,
        "title": tex(shown.title) + suffix,
        "columns": "l" * (len(shown.index) - shown.groups) + "r" * len(shown.headings),
        "head": _line([*map(tex, shown.index[shown.groups :]), *headings]),
        "rows": "\n".join(_row(row, shown.groups, first=row is rows[0]) for row in rows),
        "notes": " \\\\\n".join(_note(mark, text) for mark, text in shown.notes),
    }


def _row(row: Row, groups: int, first: bool) -> str:
    """A row; the labels of a new group stand in a line of their own above it, which leaves width to the numbers."""
    line = _line([*map(tex, row.labels[groups:]), *map(_cell, row.cells)])
    if not row.opens:
        return line
    width = len(row.labels) - groups + len(row.cells)
    name = ", ".join(tex(label) for label in row.labels[:groups] if label)
    head = rf"\multicolumn{{{width}}}{{@{{}}l}}{{\textit{{{name}}}}} \\"
    return "\n".join([*([] if first else ["\\midrule"]), head, line])


def _line(parts: Sequence[str]) -> str:
    return " & ".join(parts) + r" \\"


def _note(mark: str, text: str) -> str:
    return rf"\textsuperscript{{{mark}}} {tex(text)}" if mark else tex(text)


def _stacked(heading: str) -> str:
    """A heading over two lines where it has several words."""
    first, _, rest = heading.partition(" ")
    if len(heading) < 9 or not rest:
        return tex(heading)
    return rf"\begin{{tabular}}[b]{{@{{}}c@{{}}}}{tex(first)} \\ {tex(rest)}\end{{tabular}}"


def _cell(cell: Shown) -> str:
    """The number; its spread beside it, or below it where an interval follows."""
    value = tex(cell.number.replace("-", "−"))
    value = rf"\textbf{{{value}}}" if cell.best else value
    mark = rf"\rlap{{\textsuperscript{{{cell.mark}}}}}" if cell.mark else ""
    if not cell.interval:
        return value + (f" {tex(cell.spread)}" if cell.spread else "") + mark
    below = "".join(rf" \\ \scriptsize {tex(x)}" for x in (cell.spread, cell.interval) if x)
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{value}{mark}{below}\end{{tabular}}"


SIZES = (
    (60, "normalsize", 6),
    (70, "small", 5),
    (82, "footnotesize", 4),
    (math.inf, "scriptsize", 3),
)
"""Characters up to which a row fits the line of an article, at what size and with which gap between columns."""


def _size(shown: Printed) -> tuple[str, int]:
    labels = [shown.index, *(row.labels for row in shown.rows)]
    widths = [max(map(len, column)) for column in zip(*labels, strict=True)][shown.groups :]
    for k, heading in enumerate(shown.headings):
        cells = [_width(row.cells[k]) for row in shown.rows]
        widths.append(max([*cells, *map(len, heading.split())]))
    total = sum(widths) + 2 * len(widths)
    return next((size, gap) for limit, size, gap in SIZES if total <= limit)


def _width(cell: Shown) -> int:
    if cell.interval:
        return max(len(cell.number), round(0.8 * len(cell.interval)))
    return len(cell.number) + len(cell.spread)
