"""When do faces come? The oracle on runs as they came to be, beside the entropy that was to keep the faces apart.

Runs made with ``--set engine.film=50`` hold a ring of views of every 50th step; their logs hold the numbers of the steps
between. Nothing is made here.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench import plugins
from esd_bench.features import Features, Progress, bytes_of, defaults
from esd_bench.illustrate.study import table
from esd_bench.metrics import Inputs
from esd_bench.store import Run, RunStore
from esd_bench.views import ViewSet

PANELS = {
    "front_share": "views seen as front, share",
    "consistency": "R",
    "share": "entropy term / residual",
    "entropy": "entropy of the mixture, nats",
}
"""What is drawn over the steps. The last two come from the log: of methods that ask the student with and without the camera
(the term at lambda 1), and of students whose mixture is known."""

SEEN = ("front_share", "janus_rate", "consistency", "faces")
"""What the oracle tells of a look; a film names no kind to be right or wrong about."""


def faces(
    root: Path, out: Path, device: str = "cpu", command: str = "", progress: Progress | None = None
) -> list[Path]:
    """Draw how the runs of a folder came to be, a curve for each method: the mean over its runs.

    Returns:
        the picture and the CSV, a line for each run and look.

    Raises:
        ValueError: when no run has a film, or nobody knows the poses in its pictures.
    """
    found = along(root, device, progress)
    paths = [out / "faces.png", out / "faces.csv"]
    rows = [{str(k): v for k, v in row.items()} for row in found.to_dict("records")]
    table(rows, paths[1], command)
    draw(found, paths[0])
    return paths


def along(root: Path, device: str = "cpu", progress: Progress | None = None) -> pd.DataFrame:
    """A line for each run and look: what the oracle sees, and the log's means since the look before."""
    runs = [run for run in RunStore(root).find() if (run.folder / "film").is_dir()]
    if not runs:
        raise ValueError(f"no run in {root} has a film; make some with --set engine.film=50")
    networks, lines = Features(Path(root) / ".features", device), list[dict[str, Any]]()
    for done, run in enumerate(runs):
        if progress:
            progress(done, len(runs), run.id)
        lines += _looks(run, networks)
    return pd.DataFrame(lines)


def _looks(run: Run, networks: Features) -> list[dict[str, Any]]:
    judges = defaults(run.spec.prior)
    if "oracle" not in judges:
        raise ValueError(f"nobody knows the poses in pictures of {run.spec.prior.title}")
    judge, log = networks.network(judges["oracle"]), _log(run.folder / "log.jsonl")
    metric = plugins.load("metrics", "janus")()
    facts = {"prompt": run.spec.prompt.text, "label": run.spec.label, "seed": run.spec.seed}
    lines, last = list[dict[str, Any]](), 0
    for folder in sorted((run.folder / "film").iterdir()):
        step, views = int(folder.name), ViewSet.load(folder)
        poses = judge.images(bytes_of(views.over()).float() / 255)
        at = views.cameras
        scores = metric.compute(Inputs({"oracle": poses}, at.azimuth, at.elevation))
        seen = {score.name: score.value for score in scores if score.name in SEEN}
        between = log[(log["step"] > last) & (log["step"] <= step)].mean(numeric_only=True)
        told = {k: between[k] for k in ("residual", "share", "entropy") if k in between}
        lines.append({**facts, "step": step, **seen, **told})
        last = step
    return lines


def _log(path: Path) -> pd.DataFrame:
    """A run's log; ``share`` is the entropy term beside the residual."""
    log = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    return log.assign(share=log["apart"] / log["residual"]) if "apart" in log else log


def draw(found: pd.DataFrame, path: Path) -> None:
    """A panel for each of :data:`PANELS` that is known, a curve for each label."""
    from matplotlib.figure import Figure

    shown = [name for name in PANELS if name in found and found[name].notna().any()]
    figure = Figure(figsize=(3.4 * len(shown), 3), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, name in zip(axes, shown, strict=True):
        for label, rows in found.groupby("label", sort=False):
            means = rows.groupby("step")[name].mean()
            axis.plot(means.index, means, label=str(label), linewidth=1.4)
        axis.set_xlabel("step")
        axis.set_ylabel(PANELS[name])
    axes[0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
