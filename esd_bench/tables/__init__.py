"""Contract of a table: rows out of records and scores, no formatting.

``tables/NAME.py`` holds a function ``NAME(...) -> Table``. A table never imports torch; it reads the tidy frame that
``report`` gathers: one row per (run, score) with the columns of :data:`COLUMNS`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

COLUMNS = (
    "suite",
    "prompt",
    "text",
    "prior",
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
    "wording",
    "start",
    "provenance",
)
"""``method`` is the plugin's name, ``label`` how tables print it ("ESD (λ = 0.5)"), ``key`` the comparability key.

A run without any score has one row with an empty ``score``; its ``note`` says why it failed. ``wording`` is "view words",
"no view words" or, of ingested assets, "unknown words", ``start`` the methods of the stages before the last, ``provenance`` what may differ between numbers that
are still comparable (device, versions, batch).
"""
METHODS = ("sds", "vsd", "debiased_sds", "perp_neg", "esd")
"""The order of the paper's tables; other methods follow by name."""


def natural(text: str) -> list[tuple[int, float, str]]:
    """A sort key under which 2 comes before 10."""
    parts = re.findall(r"\d+\.?\d*|\D+", text)
    return [(0, float(x), "") if x[0].isdecimal() else (1, 0.0, x) for x in parts]


def labels(frame: pd.DataFrame) -> list[str]:
    """The labels in a frame in the order of the paper's tables, then by name."""
    names = frame.drop_duplicates("label").set_index("label")["method"]
    rank = {str(x): METHODS.index(m) if m in METHODS else 9 for x, m in names.items()}
    return sorted(rank, key=lambda label: (rank[label], natural(label)))


def arms(frame: pd.DataFrame, name: str) -> dict[str, str]:
    """Wording -> label of the one arm that a name stands for: a method's name, or a label with or without its wording.

    Case, spaces and ``-`` for ``_`` do not matter, and "lambda" may be written for λ.

    Raises:
        ValueError: when no run, or several arms of one wording, go by that name.
    """
    known = frame.drop_duplicates("label")[["label", "method", "wording"]]
    bare = [x.removesuffix(f", {y}") for x, y in zip(known["label"], known["wording"], strict=True)]
    several: list[str] = []
    for names in (known["method"], pd.Series(bare, known.index), known["label"]):
        own = known[names.map(_plain) == _plain(name)]
        if len(own) and not own["wording"].duplicated().any():
            return dict(zip(own["wording"], own["label"], strict=True))
        several = several or labels(own)
    if several:
        said = "; ".join(several)
        raise ValueError(f"several arms of {name!r}: {said}; name one, or choose by --only")
    there = ", ".join(dict.fromkeys(known.set_index("label")["method"][labels(known)]))
    raise ValueError(f"no run of {name!r}; there are {there}")


def _plain(name: str) -> str:
    return re.sub(r"\s", "", name.casefold()).replace("lambda", "λ").replace("-", "_")


@dataclass(frozen=True)
class Cell:
    """One number of a table with what belongs beside it.

    Attributes:
        value: None prints as a dash.
        spread: standard deviation over prompts, if it is to be printed.
        interval: of the mean over prompts, if any.
        n: how many prompts or views stand behind it.
        flag: a footnote such as "inconsistent", empty if none.
        p: raw and adjusted p of the difference from a baseline, if it was tested; the adjusted one is printed.
        digits: instead of the column's, where a row has a scale of its own.
    """

    value: float | None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    flag: str = ""
    p: tuple[float, float] | None = None
    digits: int | None = None


@dataclass(frozen=True)
class Column:
    """One column: its heading, its digits, and which way is good.

    Attributes:
        unit: values of the unit "%" are percentages.
        note: network and number of views, printed below the table.
        score: the score that it shows, whose comparability keys must agree; "" where it shows none of the frame's.
        mark: whether the best cell is bold.
        least: a smaller number above 0 is printed as less than this: a p is never 0.
    """

    name: str
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    digits: int = 3
    note: str = ""
    score: str = ""
    mark: bool = True
    least: float = 0.0


ARROWS = {"higher": "↑", "lower": "↓", None: ""}


def heading(column: Column) -> str:
    """Name, unit and the arrow that says which way is good."""
    unit = f"({column.unit})" if column.unit else ""
    return " ".join(x for x in (column.name, unit, ARROWS[column.better]) if x)


@dataclass(frozen=True)
class Body:
    """A finished table: ``rows`` are (labels, cells), one label per ``index`` heading and one cell per column.

    Attributes:
        groups: the best cell is marked among rows whose first ``groups`` labels agree; 0 compares all rows.
        scores: those that stand in rows instead of columns, whose comparability keys must agree as well.
    """

    title: str
    index: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]
    footnotes: tuple[str, ...] = ()
    groups: int = 0
    scores: tuple[str, ...] = ()


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
