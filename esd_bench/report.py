"""Finished runs and their scores as a table of text: reads JSON, imports no torch, needs no GPU.

    report("runs", table="1", format="latex")
    report("scores.csv", table="collapse", only={"suite": "benchmark"})
    report_published(3)
    compare("runs", "esd", "vsd")

A column whose numbers can't be compared is refused; numbers that can, but come from different machines or versions, get a
footnote.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench import formats, lint, plugins, published
from esd_bench.gather import by_seed, flat, gather, write_scores
from esd_bench.tables import Body, Table, arms

__all__ = [
    "build",
    "compare",
    "find_table",
    "gather",
    "lint_file",
    "lint_published",
    "report",
    "report_published",
    "write_scores",
]


def report(
    root: Path | str,
    table: str = "overview",
    format: str = "markdown",
    only: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    per_seed: bool = False,
) -> str:
    """One table of the runs below ``root``, as text.

    Args:
        root: a folder of runs, or a CSV that ``write_scores`` made.
        table: a plugin's name, a number of the paper's (1, 2, 3), or the path of a user's own file.
        format: one of :data:`esd_bench.formats.FORMATS`.
        only: values that columns of :data:`esd_bench.gather.FILTERS` must have.
        options: of the table, such as ``{"interval": "hierarchical"}``.
        per_seed: a row for each seed instead of the mean over them.

    Raises:
        ValueError: in one line, for an unknown table, option or format, a broken file, nothing to show, or numbers that
            can't be compared.
    """
    formats.check(format)
    made = find_table(table, options)
    frame = gather(root, only)
    return formats.render(format, build(by_seed(frame) if per_seed else frame, made))


def compare(
    root: Path | str,
    first: str,
    second: str,
    format: str = "markdown",
    only: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Two methods prompt by prompt in every score that both have, as text.

    Args:
        root: a folder of runs, or a CSV that ``write_scores`` made.
        first: a method's name, or a label with or without its wording.
        second: the one that is subtracted.
        format: one of :data:`esd_bench.formats.FORMATS`.
        only: values that columns of :data:`esd_bench.gather.FILTERS` must have.
        options: of the table ``versus``: primary, interval, failed.

    Raises:
        ValueError: in one line, for an unknown or ambiguous method, two that share no prompt, or numbers that can't be
            compared.
    """
    formats.check(format)
    made = find_table("versus", {"first": first, "second": second, **(options or {})})
    frame = gather(root, only)
    found = [label for name in (first, second) for label in arms(frame, name).values()]
    return formats.render(format, build(frame[frame["label"].isin(found)], made))


def report_published(table: int | None = None, format: str = "markdown") -> str:
    """The paper's own Table 1, 2 or 3, or all, as text, with every cell flagged that its own row contradicts."""
    numbers = published.TABLES if table is None else (table,)
    return formats.render(format, *map(published.body, numbers))


def lint_file(path: Path, n: int | None = None, format: str = "markdown") -> tuple[str, bool]:
    """Findings in anybody's CSV as text, and whether one of them can't be, whatever the rounding.

    Args:
        path: see :mod:`esd_bench.lint.rows` for its columns.
        n: prompts behind every mean that does not say so itself.
        format: "markdown", which is a line a finding, or "csv".

    Raises:
        ValueError: in one line, for a file that can't be read, or another format.
    """
    rows = lint.read_rows(path, n)
    return _findings(lint.lint(rows), len(rows), format)


def lint_published(table: int | None = None, format: str = "markdown") -> tuple[str, bool]:
    """The same for the paper's Table 1, 2 or 3, or all."""
    return _findings(*published.findings(table), format)


def _findings(found: Sequence[lint.Finding], rows: int, format: str) -> tuple[str, bool]:
    if format not in ("markdown", "csv"):
        raise ValueError(f"findings are printed as markdown (lines of text) or csv, not {format!r}")
    names = ["severity", "check", "where", "verdict", "text"]
    frame = pd.DataFrame([asdict(x) for x in found], columns=names)
    lines = lint.as_text(found, rows)
    text = lines if format == "markdown" else str(frame.to_csv(index=False, lineterminator="\n"))
    return text, any(x.severity == "error" for x in found)


def find_table(name: str, options: Mapping[str, Any] | None = None) -> Table:
    """A table by its plugin's name, its number in the paper, or a user's own file.

    Raises:
        ValueError: that lists the tables or options there are.
    """
    function = plugins.load("tables", _numbered(int(name)) if name.isdigit() else name)
    table: Table = function(**plugins.bind(function, options or {}))
    return table


def _numbered(number: int) -> str:
    numbers = {plugins.load("tables", name)().number: name for name in plugins.names("tables")}
    if number not in numbers:
        known = sorted((n, name) for n, name in numbers.items() if n)
        listed = ", ".join(f"{n} ({name})" for n, name in known)
        raise ValueError(f"no table {number}; the paper's are {listed}")
    return numbers[number]


def build(frame: pd.DataFrame, table: Table) -> Body:
    """The table's body after the checks that every table needs.

    Raises:
        ValueError: when nothing is scored, or a column would mix numbers that can't be compared.
    """
    body = table.build(frame)
    empty = all(cell.value is None for _, cells in body.rows for cell in cells)
    if empty and (frame["status"] == "finished").any():
        wanted = f" ({', '.join(table.needs)})" if table.needs else ""
        raise ValueError(f"no run has a score for this table{wanted}; run esd-bench score first")
    shown = {*body.scores, *(column.score for column in body.columns)} - {""}
    rows = frame[frame["score"].isin(shown)]
    for score, group in rows.groupby("score", sort=False):
        _comparable(str(score), group)
    return replace(body, footnotes=(*body.footnotes, *_mixed(rows)))


def _comparable(score: str, rows: pd.DataFrame) -> None:
    """Refuse a column of numbers that were not measured alike.

    Raises:
        ValueError: naming two runs and what differs.
    """
    distinct = rows.drop_duplicates("key")
    if len(distinct) < 2:
        return
    runs = [str(run) for run in distinct["run"][:2]]
    keys = [dict(flat(json.loads(key or "{}"))) for key in distinct["key"][:2]]
    differ = [k for k in {**keys[0], **keys[1]} if keys[0].get(k) != keys[1].get(k)]
    said = [
        f"{run} has " + ", ".join(f"{k} {key.get(k, 'unknown')}" for k in differ)
        for run, key in zip(runs, keys, strict=True)
    ]
    raise ValueError(
        f"{score} can't be compared: {said[0]}, but {said[1]}; score them alike or report them apart"
    )


def _mixed(rows: pd.DataFrame) -> list[str]:
    """A footnote where comparable numbers of one score come from different machines or versions."""
    told: dict[str, set[str]] = {}
    for _, own in rows.groupby("score", sort=False):
        kinds = [dict(flat(json.loads(x or "{}"))) for x in own["provenance"].unique()]
        for name in dict.fromkeys(name for kind in kinds for name in kind):
            values = {kind[name] for kind in kinds if name in kind}
            if len(values) > 1:
                told[name] = told.get(name, set()) | values
    said = [f"{x.removeprefix('versions.')} ({' and '.join(sorted(y))})" for x, y in told.items()]
    return [f"Scores of one column differ in provenance: {', '.join(said)}."] if said else []
