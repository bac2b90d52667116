"""The three stages that threestudio makes an asset in (ProlificDreamer, arXiv 2305.16213): a field, its surface, a texture."""

from dataclasses import replace
from typing import Any

from esd_bench.cameras import TrainingCameras
from esd_bench.spec import Choice, RunSpec, Stage

NAMES = ("coarse", "geometry", "texture")
RING = "ring:15:119"
"""threestudio's own test views: 120 that go round at 15 degrees, of which the last is the first again."""
_NEAR, _FAR = (1.0, 1.5), (1.5, 2.0)
"""Distances from which ProlificDreamer and DreamFusion are trained there, round objects of radius 1 and 2."""


def steps(spec: RunSpec) -> tuple[int, ...]:
    """Usual steps of the three stages: those of a spec, filled up with appendix C of arXiv 2401.00909, or threestudio's."""
    own = tuple(stage.steps for stage in spec.stages[: len(NAMES)])
    usual = (25_000, 15_000 if spec.preset in ("threestudio", "author") else 10_000, 30_000)
    return own + usual[len(own) :]


def staged(spec: RunSpec, steps: tuple[int, ...], base: str | None = None) -> RunSpec:
    """A spec of one stage as threestudio makes it: geometry by SDS on normals unless the method has no student.

    What is not said here (scene, learning rates, regularisers) stands in threestudio's own configurations, whose digests
    go into the record.

    Args:
        spec: its first stage is the coarse one.
        steps: of the three stages.
        base: folder or hub id of the student's network; None takes SD-2.1 beside SD-2.1-base, as threestudio does.
    """
    first = replace(spec.stages[0], **_OWN)
    studies = first.student.name != "frozen"
    if studies:
        first = replace(first, student=_student(spec, base))
    carve = Choice.of("methods", "sds", {"scale": 101.0}) if studies else first.method
    late = [_late(first, n) for n in steps[1:]]
    shape = replace(late[0], method=carve, student=Choice.of("students", "frozen"))
    return replace(
        spec,
        stages=(replace(first, steps=steps[0]), shape, late[1]),
        cameras=TrainingCameras((-10.0, 45.0), _NEAR if studies else _FAR, (40.0, 70.0), 0.5),
        views=(RING,),
        engine="threestudio",
    )


_OWN: dict[str, Any] = {
    "learning_rate": 1.0,
    "floor": 0.0,
    "warmup": 0,
    "decay": 1.0,
    "regularisers": (),
}


def _student(spec: RunSpec, base: str | None) -> Choice:
    own = str(spec.prior.get("folder", ""))
    usual = own.removesuffix("-base") if own.endswith("stable-diffusion-2-1-base") else ""
    given = {"rank": 4, "targets": "attention", "learning_rate": 1e-4, "weight_decay": 0.01}
    return Choice.of("students", "lora", {**given, "base": usual if base is None else base})


def _late(first: Stage, steps: int) -> Stage:
    """A stage on the surface: 512 pixels, t below .98 and from step 5000 on below .5, if t was annealed or uniform before."""
    schedule = first.schedule
    if schedule.name in ("uniform", "annealed"):
        options = {"end": 0.5, "start": min(1.0, 5000 / steps), "length": 0.0}
        schedule = Choice.of("schedules", "annealed", options)
    return replace(first, steps=steps, size=512, later=(), schedule=schedule)
