"""Figure 7 of ESD (arXiv 2401.00909): why the camera-free score comes from a student that also learns with cameras.

``unconditioned`` is ESD with camera dropout 1 and lambda 1: the one student never sees a camera, and what it says is used
directly. The paper reports exploding gradients and colours that overflow; here both are written down at every tenth step.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from esd_bench.illustrate.study import Arm, Made, Study, facts, make, table
from esd_bench.pictures import row
from esd_bench.presets import Settings, preset
from esd_bench.sheets import nearest
from esd_bench.store import RunStore
from esd_bench.views import ViewSet

ARMS = {
    "ESD (λ = 0.5)": {"entropy": 0.5},
    "ESD (λ = 1)": {"entropy": 1.0},
    "unconditioned": {"entropy": 1.0, "camera_dropout": 1.0},
}
"""Options of ESD; the second differs from the third in what the student is fitted to alone."""
CURVES = {"residual": "weighted residual, rms", "saturated": "share of saturated pixels"}
INKS = ("#3182bd", "#9ecae1", "#d94801")


def unconditioned(study: Study, /) -> list[Path]:
    """Runs of the three arms, their residual and saturated pixels over the steps, and what they end as.

    Returns:
        the picture and the CSV, a line for each logged step.
    """
    arms = [Arm(name, preset(study.preset, _settings(study, o))) for name, o in ARMS.items()]
    runs = make(study, arms, "unconditioned")
    paths = [study.out / "unconditioned.png", study.out / "unconditioned.csv"]
    table(list(_lines(study, runs)), paths[1], study.command)
    _draw(study, runs, paths[0])
    return paths


def _settings(study: Study, options: dict[str, float]) -> Settings:
    prior = study.prior or "embedded"
    return Settings("esd", options, prior=prior, steps=study.steps, view_words=False)


def _lines(study: Study, runs: Sequence[Made]) -> Iterator[dict[str, Any]]:
    kept = ("step", "residual", "student", "saturated", "opacity")
    for made in runs:
        for entry in RunStore(study.runs).logged(made.run):
            yield {**facts(made), **{name: entry.get(name) for name in kept}}


def _draw(study: Study, runs: Sequence[Made], path: Path) -> None:
    """Two panels of curves, and under them the views of each run of the first seed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = study.shown(runs)
    figure = Figure(figsize=(9, 3 + 1.1 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[3, 1.1 * len(shown)])
    for panel, (name, title) in zip(parts[0].subplots(1, 2), CURVES.items(), strict=True):
        _curves(panel, study, runs, name)
        panel.set_title(title, fontsize=9)
    for panel, made in zip(
        parts[1].subplots(len(shown), 1, squeeze=False).flat, shown, strict=True
    ):
        panel.imshow(_strip(study, made))
        panel.set_title(_caption(made), fontsize=8, loc="left")
        panel.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _curves(panel: Any, study: Study, runs: Sequence[Made], name: str) -> None:
    """One line for each run; those of one arm in one colour, named once."""
    inks = dict(zip(ARMS, INKS, strict=True))
    for i, made in enumerate(runs):
        log = RunStore(study.runs).logged(made.run)
        points = [entry["step"] for entry in log], [entry.get(name, np.nan) for entry in log]
        named = made.label if i < len(ARMS) else None
        panel.plot(*points, color=inks[made.label], lw=1, label=named)
    panel.set_xlabel("step", fontsize=8)
    panel.tick_params(labelsize=7)
    if name == "residual":
        panel.set_yscale("log")
        panel.legend(fontsize=7, frameon=False)


def _strip(study: Study, made: Made) -> np.ndarray:
    views = ViewSet.load(made.run.views_folder(made.run.spec.views[-1]))
    return np.asarray(row(views.over("white")[nearest(views.cameras, study.azimuths)]))


def _caption(made: Made) -> str:
    spec, record = made.run.spec, made.run.record
    why = f", failed: {record.reason}" if record.reason else ""
    return f"{made.label}, {spec.prompt.text}, seed {spec.seed}{why}"
