"""From a coarse run to all three stages: geometry out of its density, then texture on that surface.

ProlificDreamer's and this suite's paper's (arXiv 2401.00909, appendix C): geometry by SDS at guidance 100 on pictures of
normals, whatever the method; texture by the method again, with a fresh student.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from esd_bench.prompts import Wording
from esd_bench.spec import Choice, RunSpec, Stage

STAGES = ("coarse", "full")
"""What a run can be made of: a density field alone, or a textured mesh out of it."""


@dataclass(frozen=True)
class Finer:
    """What a preset says of the two finer stages.

    Attributes:
        steps: of geometry and texture.
        sizes: sides of their training pictures.
        resolution: of the grid of tetrahedra.
        penalties: weights of normal consistency and of the Laplacian.
        schedules: timestep schedule of each; None for the texture is that of the coarse stage.
        thresholds: front, back and overhead, in degrees, while there are only normals; None is the run's.
        suffix: what ends the wording while there are only normals.
        texture: options of the textured scene.
        geometry_numbers, texture_numbers: other fields of the two stages.
    """

    steps: tuple[int, int]
    sizes: tuple[int, int]
    resolution: int
    penalties: tuple[float, float]
    schedules: tuple[Choice, Choice | None]
    thresholds: tuple[float, float, float] | None = None
    suffix: str = ""
    texture: Mapping[str, Any] = field(default_factory=dict)
    geometry_numbers: Mapping[str, Any] = field(default_factory=dict)
    texture_numbers: Mapping[str, Any] = field(default_factory=dict)


def full(
    spec: RunSpec,
    finer: Finer,
    steps: tuple[int, ...] = (),
    geometry: Mapping[str, Any] | None = None,
    texture: Mapping[str, Any] | None = None,
) -> RunSpec:
    """A coarse run with the two finer stages.

    Args:
        spec: its stages are the coarse ones.
        finer: the preset's word.
        steps: the user's: of the texture alone, or of both.
        geometry: options of the ``tetmesh``.
        texture: options of the ``textured`` scene.

    Raises:
        ValueError: for an unknown option.
    """
    both = (*finer.steps[: len(finer.steps) - len(steps)], *steps)
    shape = Choice.of("scenes", "tetmesh", {"resolution": finer.resolution, **(geometry or {})})
    usual = {**finer.texture, "resolution": shape.get("resolution")}
    surface = Choice.of("scenes", "textured", {**usual, **(texture or {})})
    stages = (
        _geometry(spec, finer, both[0], shape),
        _texture(spec.stages[-1], finer, both[1], surface),
    )
    return replace(spec, stages=(*spec.stages, *stages))


def _geometry(spec: RunSpec, finer: Finer, steps: int, scene: Choice) -> Stage:
    """SDS at 100 on normals, whatever the method."""
    wording = replace(spec.wording, suffix=finer.suffix)
    if finer.thresholds is not None:
        wording = Wording(spec.wording.view_words, *finer.thresholds, suffix=finer.suffix)
    return Stage(
        method=Choice.of("methods", "sds", {"scale": 100.0}),
        schedule=finer.schedules[0],
        student=Choice.of("students", "frozen"),
        steps=steps,
        views=spec.stages[-1].views,
        size=finer.sizes[0],
        regularisers=tuple(zip(("normal_consistency", "laplacian"), finer.penalties, strict=True)),
        background="black",
        scene=scene,
        wording=None if wording == spec.wording else wording,
        **finer.geometry_numbers,
    )


def _texture(coarse: Stage, finer: Finer, steps: int, scene: Choice) -> Stage:
    """The last coarse stage again, without its penalties."""
    usual = finer.schedules[1]
    # A method or a user who asked for a schedule of another kind keeps it.
    schedule = usual if usual and usual.name == coarse.schedule.name else coarse.schedule
    return replace(
        coarse,
        schedule=schedule,
        steps=steps,
        size=finer.sizes[1],
        later=(),
        regularisers=(),
        scene=scene,
        **finer.texture_numbers,
    )
