"""Where on the sphere an asset is hard to name: each view's entropy H(p(y|view)), whose mean is IQ (arXiv 2401.00909).

A collapsed object is alike from everywhere; an underside that training never saw is dark or bright below -10 degrees only,
which the dashed lines tell from the Janus problem.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esd_bench.gather import gather
from esd_bench.illustrate.grid import chosen
from esd_bench.illustrate.study import table
from esd_bench.measure import SUPERVISED
from esd_bench.store import read_json
from esd_bench.tables import labels

HEADS = ["text", "method", "label", "wording", "seed"]


def entropy(
    root: Path,
    out: Path,
    methods: Sequence[str] = (),
    prompts: Sequence[str] = (),
    command: str = "",
) -> list[Path]:
    """Draw the entropies that ``score`` stored, prompts down and methods across, the first seed of each.

    Args:
        root: a folder of runs, of one suite, or of one prompt.
        out: the folder of the figure and its CSV.
        methods: plugin names or labels; none are all.
        prompts: ids or texts; none are all.
        command: what the CSV says it was made by.

    Returns:
        the picture and the CSV, a line for each view of each run.

    Raises:
        ValueError: for a method or a prompt that no run has, or when nothing is scored.
    """
    runs = gather(root, chosen(gather(root), methods, prompts)).drop_duplicates("run")
    frames = [_views(row) for _, row in runs.iterrows() if row["status"] == "finished"]
    seen = pd.concat(frames) if frames else pd.DataFrame(columns=[*HEADS, "entropy"])
    if seen.empty:
        raise ValueError(
            f"no run in {root} has entropies of its views; run esd-bench score --metric inception"
        )
    paths = [out / "entropy.png", out / "entropy.csv"]
    rows: list[dict[str, Any]] = [
        {str(k): v for k, v in x.items()} for x in seen.to_dict("records")
    ]
    table(rows, paths[1], command)
    _draw(seen, paths[0])
    return paths


def _views(row: pd.Series) -> pd.DataFrame:
    """A line for each view of a run with its place in degrees; none where it isn't scored."""
    path = Path(row["run"]) / "scores" / "inception.json"
    file = read_json(path) if path.is_file() else {}
    scores = [x for x in file.get("scores", ()) if x["name"] == "iq" and "views" in file]
    if not scores:
        return pd.DataFrame()
    angles = {name: np.degrees(file["views"][name]) for name in ("azimuth", "elevation")}
    facts = {name: row[name] for name in HEADS}
    return pd.DataFrame({**facts, **angles, "entropy": scores[0]["per_view"]})


def _draw(seen: pd.DataFrame, path: Path) -> None:
    """Mollweide maps, equal in area as the views are, under one scale of colours."""
    from matplotlib.figure import Figure

    texts, names = list(dict.fromkeys(seen["text"])), labels(seen)
    shape = (len(texts), len(names))
    figure = Figure(figsize=(3 * shape[1] + 1, 1.9 * shape[0] + 0.4), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False, subplot_kw={"projection": "mollweide"})
    limits = {"vmin": seen["entropy"].min(), "vmax": seen["entropy"].max()}
    for pair, rows in seen.groupby(["text", "label"], sort=False):
        text, label = map(str, pair)
        axis: Any = axes[texts.index(text), names.index(label)]
        first = rows[rows["seed"] == rows["seed"].min()]
        marks = _map(axis, first, limits)
        mean = first["entropy"].mean()
        axis.set_title(f"{label}, {text}: IQ {mean:.2f}", fontsize=7)
    for axis in axes.flat:
        axis.set_visible(axis.has_data())
    figure.colorbar(marks, ax=axes, label="entropy of a view, nats", shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _map(axis: Any, views: pd.DataFrame, limits: dict[str, float]) -> Any:
    """The views of one asset: the front in the middle, what training sees between the dashed lines."""
    for degrees in SUPERVISED:
        axis.axhline(math.radians(degrees), color="grey", linewidth=0.6, linestyle="--")
    axis.set_xticks([])
    axis.set_yticks(np.radians([-45, 45]), ["−45°", "45°"], fontsize=6)
    angles = (np.radians(views[name]) for name in ("azimuth", "elevation"))
    return axis.scatter(*angles, c=views["entropy"], s=22, cmap="viridis", **limits)
