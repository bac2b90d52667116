"""CSV: tidy, one line a cell, twelve significant digits, so that pandas reads back exactly what was written."""

import math
import re

import pandas as pd

from esd_bench.formats.printed import missing
from esd_bench.tables import Body, Cell, Column


def to_frame(body: Body) -> pd.DataFrame:
    """The body as a tidy frame, one row a cell."""
    names = [re.sub(r"\W+", "_", heading.lower()).strip("_") for heading in body.index]
    return pd.DataFrame(
        {"table": body.title, **dict(zip(names, labels, strict=True)), **_entry(cell, column)}
        for labels, cells in body.rows
        for cell, column in zip(cells, body.columns, strict=True)
    )


def _entry(cell: Cell, column: Column) -> dict[str, object]:
    low, high = cell.interval or (None, None)
    return {
        "column": column.name,
        "score": column.score or None,
        "value": _twelve(None if missing(cell) else cell.value),
        "sd": _twelve(cell.spread),
        "low": _twelve(low),
        "high": _twelve(high),
        "n": cell.n,
        "unit": column.unit or None,
        "better": column.better,
        "flag": cell.flag or None,
        "note": column.note or None,
    }


def _twelve(value: float | None) -> float:
    # More digits than pandas' fast parser restores exactly would make a round trip differ in the last bit.
    return math.nan if value is None else float(f"{value:.12g}")


def to_csv(*bodies: Body) -> str:
    """Tidy CSV; ``pandas.read_csv`` restores :func:`to_frame`."""
    frame = pd.concat([to_frame(body) for body in bodies], ignore_index=True)
    return str(frame.to_csv(index=False, lineterminator="\n"))
