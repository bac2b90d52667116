"""CSV: tidy, one line a cell, every digit, so that pandas reads back exactly what was written.

pandas 3.1 does so by default; 2.2 needs ``read_csv(..., float_precision="round_trip")``, or the last bit may differ.
"""

import math
import re

import pandas as pd

from esd_bench.cells import plain
from esd_bench.formats.printed import missing
from esd_bench.tables import Body, Cell, Column


def to_frame(body: Body) -> pd.DataFrame:
    """The body as a tidy frame, one row a cell."""
    names = [re.sub(r"\W+", "_", heading.lower()).strip("_") for heading in body.index]
    tested = any(cell.p for _, cells in body.rows for cell in cells)
    return pd.DataFrame(
        {
            "table": body.title,
            **(named := dict(zip(names, labels, strict=True))),
            # A column that shows no score leaves the name to rows that do.
            **{k: x for k, x in _entry(cell, column).items() if x is not None or k not in named},
            **(_tested(cell) if tested else {}),
        }
        for labels, cells in body.rows
        for cell, column in zip(cells, body.columns, strict=True)
    )


def _tested(cell: Cell) -> dict[str, float]:
    raw, adjusted = cell.p or (None, None)
    return {"p": _number(raw), "p_adjusted": _number(adjusted)}


def _entry(cell: Cell, column: Column) -> dict[str, object]:
    low, high = cell.interval or (None, None)
    return {
        "column": column.name,
        "score": column.score or None,
        "value": _number(None if missing(cell) else cell.value),
        "sd": _number(cell.spread),
        "low": _number(low),
        "high": _number(high),
        "n": cell.n,
        "unit": column.unit or None,
        "better": column.better,
        "flag": cell.flag or None,
        "note": column.note or None,
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def to_csv(*bodies: Body) -> str:
    """Tidy CSV; ``pandas.read_csv`` restores :func:`to_frame`, with a ' before texts that a spreadsheet would run."""
    frame = pd.concat([to_frame(body) for body in bodies], ignore_index=True)
    safe = frame.map(lambda x: plain(x) if isinstance(x, str) else x)
    return str(safe.to_csv(index=False, lineterminator="\n"))
