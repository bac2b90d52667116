"""Figures 1, 4 and 9 of ESD (arXiv 2401.00909): any finished runs side by side, prompts down, methods and views across."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench.gather import gather
from esd_bench.illustrate.study import SHOWN, table
from esd_bench.sheets import contact_sheet


def grid(
    root: Path,
    out: Path,
    methods: Sequence[str] = (),
    prompts: Sequence[str] = (),
    azimuths: Sequence[float] = (0, 90, 180, 270),
    command: str = "",
) -> list[Path]:
    """Draw what is stored; nothing is made or scored.

    Args:
        root: a folder of runs, of one suite, or of one prompt.
        out: the folder of the figure and its CSV.
        methods: plugin names or labels; none are all.
        prompts: ids or texts; none are all.
        azimuths: degrees; the ring's nearest views are shown.
        command: what the CSV says it was made by.

    Returns:
        the picture and the CSV, a line for each run with its stored scores.

    Raises:
        ValueError: for a method or a prompt that no run has.
    """
    runs = gather(root)
    only = chosen(runs, methods, prompts)
    paths = [out / "grid.png", out / "grid.csv"]
    contact_sheet(root, paths[0], only, azimuths=azimuths, scale=2)
    table(_numbers(gather(root, only)), paths[1], command)
    return paths


def chosen(
    runs: pd.DataFrame, methods: Sequence[str], prompts: Sequence[str]
) -> dict[str, list[str]]:
    """What to ask of ``gather`` for some methods (names or labels) and prompts (ids or texts); none are all.

    Raises:
        ValueError: for one that no run has.
    """
    return {
        **_only(runs, "label", ("method", "label"), methods),
        **_only(runs, "prompt", ("prompt", "text"), prompts),
    }


def _only(
    runs: pd.DataFrame, column: str, names: tuple[str, str], wanted: Sequence[str]
) -> dict[str, list[str]]:
    """The values of a column among rows that one of two columns names so."""
    kept: list[str] = []
    for text in wanted:
        found = runs[(runs[names[0]] == text) | (runs[names[1]] == text)]
        if found.empty:
            known = ", ".join(sorted(runs[names[0]].unique()))
            raise ValueError(f"no run has the {names[0]} {text!r}; there are: {known}")
        kept += list(found[column].unique())
    return {column: kept} if kept else {}


def _numbers(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A line for each run."""
    heads = ["text", "label", "wording", "seed", "status"]
    lines = []
    for _, rows in frame.groupby("run", sort=False):
        scores = dict(zip(rows["score"], rows["value"], strict=True))
        numbers = {name: scores.get(name) for name in SHOWN}
        lines.append({**{name: rows[name].iloc[0] for name in heads}, **numbers})
    return lines
