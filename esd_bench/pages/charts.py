"""Which plots the runs allow: intervals of the main scores, scores against lambda, seconds and memory."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from esd_bench import stats
from esd_bench.pages.assets import assets_of
from esd_bench.pages.colours import Style, bare
from esd_bench.pages.plots import Point, against, rows, spreads
from esd_bench.tables import Body, labels

LAMBDA = "entropy"
"""The option that papers call lambda."""


@dataclass(frozen=True)
class Plot:
    """A plot with its heading and a line below."""

    title: str
    drawn: Markup
    note: str = ""


def intervals(body: Body, styles: Mapping[str, Style]) -> list[Plot]:
    """A plot for each column of a table that has intervals."""
    found = []
    for k, column in enumerate(body.columns):
        cells = [(names[0], row[k]) for names, row in body.rows]
        points = [
            Point(name, 0, x.value, x.interval, f"{name}: {x.value:.4g}")
            for name, x in cells
            if x.value is not None and math.isfinite(x.value)
        ]
        if len(points) > 1 and any(p.interval for p in points):
            better = {"higher": "higher is better", "lower": "lower is better", None: ""}[
                column.better
            ]
            unit = f" ({column.unit})" if column.unit else ""
            found.append(Plot(column.name + unit, rows(column.name, points, styles), better))
    return found


def with_lambda(frame: pd.DataFrame, specs: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """The rows of runs that have a lambda, with it as a column."""
    values = {run: _lambda(spec) for run, spec in specs.items()}
    known = frame.assign(**{LAMBDA: frame["run"].map(values)})
    return known[known[LAMBDA].notna() & (known["status"] == "finished") & (known["score"] != "")]


def _lambda(spec: Mapping[str, Any]) -> float | None:
    options = dict(spec["stages"][-1]["method"].get("options", ())) if spec.get("stages") else {}
    value = options.get(LAMBDA)
    return float(value) if isinstance(value, int | float) else None


def over_lambda(
    rows: pd.DataFrame, scores: Mapping[str, str], styles: Mapping[str, Style]
) -> list[Plot]:
    """A plot for each score, where runs differ in lambda; a line a method and wording."""
    if rows.empty or rows[LAMBDA].nunique() < 2:
        return []
    found = []
    for score, title in scores.items():
        points = list(_points(rows[rows["score"] == score], styles))
        if len({p.x for p in points}) > 1:
            drawn = against(title, points, styles, "λ")
            found.append(
                Plot(title, drawn, "means over prompts; 95 % intervals by bootstrap over prompts")
            )
    return found


def _points(rows: pd.DataFrame, styles: Mapping[str, Style]) -> Iterator[Point]:
    for keys, own in rows.groupby(["method", "wording", LAMBDA], sort=True):
        method, wording, value = (str(x) for x in keys)
        numbers = stats.over_seeds(own)
        if numbers.empty:
            continue
        # The colour of a line is that of its first arm: one method, one line.
        first = bare(labels(rows[rows["method"] == method])[0])
        mean, interval = float(numbers.mean()), stats.bootstrap_interval(numbers)
        ends = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
        said = f"{method}, {wording}, λ = {value}: {mean:.4g}{ends}, {len(numbers)} prompts"
        yield Point(f"{first}, {wording}", float(value), mean, interval, said)


def costs(frame: pd.DataFrame, styles: Mapping[str, Style]) -> list[Plot]:
    """Seconds an asset and peak memory by method, from the records."""
    runs = frame.drop_duplicates("run")
    records = [asset.record for asset in assets_of(runs)]
    known = runs.assign(
        seconds=[r.get("seconds", 0) / max(1, r.get("width", 1)) for r in records],
        memory=[r.get("peak_memory", 0) / 1e9 for r in records],
    )
    return [
        *_cost(
            known, "seconds", "Time an asset", "s", styles, "wall time of a pack over its width"
        ),
        *_cost(
            known,
            "memory",
            "Peak memory",
            "GB",
            styles,
            "of the GPU where there is one, else of the process",
        ),
    ]


def _cost(
    runs: pd.DataFrame, name: str, title: str, unit: str, styles: Mapping[str, Style], note: str
) -> list[Plot]:
    found = {
        label: np.asarray(own[name], dtype=np.float64)
        for label in labels(runs)
        if len(own := runs[(runs["label"] == label) & (runs[name] > 0)])
    }
    return [Plot(f"{title} ({unit})", spreads(title, found, styles, unit), note)] if found else []
