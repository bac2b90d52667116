"""Contract of a table: rows out of records and scores, no formatting.

``tables/NAME.py`` holds a function ``NAME(...) -> Table``. A table never imports torch; it reads the tidy frame that
``report`` gathers: one row per (run, score) with the columns of :data:`COLUMNS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

COLUMNS = (
    "suite",
    "prompt",
    "text",
    "method",
    "label",
    "seed",
    "run",
    "status",
    "score",
    "value",
    "unit",
    "better",
    "n",
    "network",
    "key",
    "note",
)
"""``method`` is the plugin's name, ``label`` how tables print it ("ESD (λ = 0.5)"), ``key`` the comparability key."""


@dataclass(frozen=True)
class Cell:
    """One number of a table with what belongs beside it.

    Attributes:
        value: None prints as a dash.
        spread: standard deviation over prompts, if it is to be printed.
        interval: bootstrap interval over prompts, if any.
        n: how many prompts or views stand behind it.
        flag: a footnote such as "inconsistent", empty if none.
    """

    value: float | None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    flag: str = ""


@dataclass(frozen=True)
class Column:
    """One column: its heading, its digits, and which way is good."""

    name: str
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    digits: int = 3
    note: str = ""


@dataclass(frozen=True)
class Body:
    """A finished table: ``rows`` are (labels, cells), one label per ``index`` heading and one cell per column."""

    title: str
    index: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """How to make the rows of one table.

    Attributes:
        number: which table of the paper it regenerates, or None.
        build: from the tidy frame of scores to the table's body.
        needs: scores that it shows.
    """

    number: int | None
    build: Callable[[pd.DataFrame], Body]
    needs: Sequence[str] = ()
