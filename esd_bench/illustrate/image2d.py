"""Figure 8 of ESD (arXiv 2401.00909): a large picture optimised through random windows, and the objects in it counted.

theta are the pixels, a window is a camera (:mod:`esd_bench.scenes.canvas`), and the loop, methods and students are those
of every other run. The paper leaves open the sizes, the guidance and how a window is told to the student.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from esd_bench import plugins
from esd_bench.cameras import TrainingCameras
from esd_bench.illustrate._objects import THRESHOLD, Found, find_objects
from esd_bench.illustrate.study import Arm, Made, Study, facts, make, table
from esd_bench.presets import ANY
from esd_bench.prompts import Wording
from esd_bench.spec import Choice, RunSpec, Stage, label

STEPS = 300
"""Enough to see objects; on a GPU take more."""
LATITUDE = 45.0
"""Windows come from elevations up to it: the top row of the canvas."""
THRESHOLDS = {
    "objects_lenient": THRESHOLD - 1,
    "objects": THRESHOLD,
    "objects_strict": THRESHOLD + 1,
}
"""Columns of the CSV with the least log-odds that each takes."""


def image2d(
    study: Study,
    /,
    *,
    height: int = 96,
    width: int = 160,
    views: int = 2,
    lambdas: tuple[float, ...] = (0.5, 1.0, 2.0),
) -> list[Path]:
    """SDS, VSD and ESD from the same noise; SDS at guidance 20, since at 100 it gives noise on the embedded prior.

    Args:
        study: what is made, and how.
        height: of the picture in pixels; windows are 64 square.
        width: of the picture in pixels.
        views: windows per step.
        lambdas: of ESD.

    Returns:
        the picture and the CSV.

    Raises:
        ValueError: for a prompt without a kind that the classifier knows.
    """
    judge = plugins.load("embedders", "embedded")(torch.device(study.device))
    kinds = {prompt.text: _kind(judge, prompt.text) for prompt in study.prompts}
    arms = [
        _arm(study, name, options, {"height": height, "width": width}, views)
        for name, options in [
            ("sds", {"scale": 20.0}),
            ("vsd", {}),
            *(("esd", {"entropy": x}) for x in lambdas),
        ]
    ]
    shown = []
    for made in make(study, arms, "image2d"):
        picture = whole(made)
        kind = kinds[made.run.spec.prompt.text]
        found = find_objects(picture, kind, judge, min(THRESHOLDS.values()))
        shown.append((made, picture, found))
    paths = [study.out / "image2d.png", study.out / "image2d.csv"]
    table([_numbers(made, found) for made, _, found in shown], paths[1], study.command)
    _draw(shown, len(arms), paths[0])
    return paths


def _kind(judge: Any, text: str) -> int:
    truth = judge.truth(text)
    if "kind" not in truth:
        raise ValueError(f"the classifier can't count in {text!r}: it names no kind that it knows")
    return int(truth["kind"])


def _arm(
    study: Study, method: str, options: dict[str, Any], size: dict[str, int], views: int
) -> Arm:
    """A run from noise: white behind an opaque picture is never seen, and no text names a view."""
    chosen = Choice.of("methods", method, options)
    student = ("lora", {"rank": 16}) if method != "sds" else ("frozen", {})
    prior = {"folder": study.prior or "embedded"}
    stage = Stage(
        method=chosen,
        schedule=Choice.of("schedules", "annealed", {"end": 0.5, "length": 0.8}),
        student=Choice.of("students", *student),
        steps=study.steps[-1] if study.steps else STEPS,
        views=views,
        background="white",
    )
    spec = RunSpec(
        suite="image2d",
        prompt=ANY,
        prior=Choice.of("priors", "stable_diffusion", prior),
        scene=Choice.of("scenes", "canvas", {**size, "latitude": LATITUDE}),
        stages=(stage,),
        cameras=TrainingCameras(elevation=(-LATITUDE, LATITUDE)),
        wording=Wording(view_words=False),
        views=(f"band:{-LATITUDE:g}:{LATITUDE:g}:24",),
        preset="image2d",
    )
    return Arm(label(chosen), spec)


@torch.no_grad()
def whole(made: Made) -> Float[Tensor, "3 h w"]:
    """The stored picture of a run."""
    spec = made.run.spec
    scene = spec.scene.make("scenes", torch.tensor([spec.seed]))
    scene.load_state_dict(load_file(made.run.scene_file))
    picture: Tensor = scene.picture()[0]
    return picture.nan_to_num(0)


def _numbers(made: Made, found: Sequence[Found]) -> dict[str, Any]:
    counts = {name: sum(x.odds >= low for x in found) for name, low in THRESHOLDS.items()}
    windows = " ".join(f"{x.top}:{x.left}:{x.side}:{x.odds:.2f}" for x in found)
    return {**facts(made), **counts, "top:left:side:log-odds": windows}


def _draw(shown: Sequence[tuple[Made, Tensor, Sequence[Found]]], columns: int, path: Path) -> None:
    """A column for each method, a row for each prompt and seed; frames round what was counted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel, (made, picture, found) in zip(panels.flat, shown, strict=True):
        kept = [x for x in found if x.odds >= THRESHOLD]
        panel.imshow(picture.permute(1, 2, 0).numpy(), interpolation="nearest")
        for x in kept:
            box = (x.left - 0.5, x.top - 0.5), x.side, x.side
            panel.add_patch(Rectangle(*box, fill=False, ec="#d94801", lw=1.5))
        panel.set_title(f"{made.label}: {len(kept)} found", fontsize=9)
        panel.set_ylabel(f"{made.run.spec.prompt.text}, seed {made.run.spec.seed}", fontsize=7)
        panel.set_xticks([])
        panel.set_yticks([])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
