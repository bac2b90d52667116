"""RunSpec: everything that decides the pictures of one run, frozen, with a stable hash; and the grid of a suite.

Not in it: what may change how fast a run goes, not what comes out (pack width, threads, device); those are in the record.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from esd_bench import plugins
from esd_bench.cameras import TrainingCameras
from esd_bench.prompts import Prompt, Wording
from esd_bench.types import Weight

Item = TypeVar("Item")
BEHIND = ("random", "shared", "white", "grey", "black")
"""What may be behind an object while training: a pale colour for each view, or one for all views of a step, or a plain one."""


@dataclass(frozen=True)
class Choice:
    """A plugin with all its options filled in.

    Attributes:
        name: of the plugin, or the path of a user's own file.
        options: (name, value) pairs in alphabetical order.
        file: SHA-256 of a user's own file; "" for what the package ships. Whoever edits the file gets new runs.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()
    file: str = ""

    @classmethod
    def of(cls, kind: str, name: str, given: Mapping[str, Any] | None = None) -> "Choice":
        """A choice checked against the plugin's signature, defaults put in. Nothing heavy is loaded.

        Raises:
            ValueError: for an unknown plugin or option.
        """
        function = plugins.load(kind, name)
        bound = plugins.bind(function, given or {})
        plain = name if name.endswith(".py") else name.replace("-", "_")
        return cls(plain, tuple(sorted(bound.items())), _file(name))

    def make(self, kind: str, *args: Any) -> Any:
        """Call the plugin's function with these options.

        Raises:
            ValueError: when the user's own file is another one by now.
        """
        if self.file and self.file != _file(self.name):
            raise ValueError(f"{self.name} has changed meanwhile; run the same command again")
        return plugins.load(kind, self.name)(*args, **dict(self.options))

    @property
    def title(self) -> str:
        """The plugin's name without folder or ending."""
        return self.name.rsplit("/", 1)[-1].removesuffix(".py").replace("-", "_")

    def get(self, option: str, default: Any = None) -> Any:
        """The value of one option."""
        return dict(self.options).get(option, default)


@dataclass(frozen=True)
class Stage:
    """One stretch of distillation.

    Attributes:
        method, schedule, student: the plugins.
        steps: how many.
        views: views per step.
        size: side of the training pictures in pixels.
        later: (step, side) pairs: from that step on, that side.
        learning_rate: factor on the scene's own learning rates.
        floor: Adam's denominator floor, as a share of the mean second moment (0 is Adam).
        warmup: steps of linear warm-up.
        decay: learning rate at the end as a share of the start, reached linearly.
        regularisers: (name, weight) pairs.
        background: of :data:`BEHIND`.
        scene: what is optimised from this stage on, begun from the scene of the stage before; None goes on with that.
        wording: of this stage; None is the run's.
        weight_decay: of the scene's optimiser, decoupled as AdamW's.
    """

    method: Choice
    schedule: Choice
    student: Choice
    steps: int
    views: int = 1
    size: int = 64
    later: tuple[tuple[int, int], ...] = ()
    learning_rate: float = 1.0
    floor: float = 0.03
    warmup: int = 50
    decay: float = 0.1
    regularisers: tuple[tuple[str, Weight], ...] = ()
    background: str = "random"
    scene: Choice | None = None
    wording: Wording | None = None
    weight_decay: float = 0.0


@dataclass(frozen=True)
class RunSpec:
    """One asset to be made.

    Attributes:
        suite: name of the prompt suite.
        prompt: what to make.
        prior, scene: the plugins; the scene is the first stage's.
        stages: run in order; each starts from the scene of the one before.
        seed: of everything random.
        cameras: the training distribution.
        wording: how the teacher's text depends on the view.
        views: protocols of the evaluation views; the first is the sphere, the second the ring.
        view_size: side of the evaluation views in pixels.
        preset: where the settings come from.
        particles: scenes of the run that share a student; the first is the asset.
        engine: the plugin that makes it, where it is not our own loop.
    """

    suite: str
    prompt: Prompt
    prior: Choice
    scene: Choice
    stages: tuple[Stage, ...]
    seed: int = 0
    cameras: TrainingCameras = TrainingCameras()
    wording: Wording = Wording()
    views: tuple[str, ...] = ("sphere:120", "ring:15:36")
    view_size: int = 64
    preset: str = "embedded"
    particles: int = 1
    engine: str = ""

    @property
    def method(self) -> Choice:
        """The method of the last stage, which the run is known by."""
        return self.stages[-1].method

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def canonical(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return canonical(asdict(self, dict_factory=_written))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON without what only describes the prompt: its subject, tags and source."""
        prompt = Prompt(self.prompt.text, self.prompt.id, leave_out=self.prompt.leave_out)
        bare = replace(self, prompt=prompt)
        return hashlib.sha256(bare.canonical.encode()).hexdigest()

    @property
    def id(self) -> str:
        """A readable prefix and 8 hex digits of the digest."""
        scene = self.scene.title
        return f"{self.method.title}-{scene}-s{self.seed}-{self.digest[:8]}".replace("_", "-")

    @property
    def label(self) -> str:
        """The method as tables print it, its Greek-lettered options and the wording with it; of an ingested run its name."""
        if self.engine == "ingest":
            return self.method.name
        return label(self.method) + ("" if self.wording.view_words else ", no view words")

    def scene_at(self, stage: int) -> Choice:
        """The scene of a stage, counted from 1; that of the last one is what is stored and looked at."""
        chosen = [x.scene for x in self.stages[:stage] if x.scene is not None]
        return chosen[-1] if chosen else self.scene

    def prefix(self, stages: int) -> str:
        """Digest of the run as it stands after its first ``stages`` stages; what other runs may start from."""
        return replace(self, stages=self.stages[:stages], suite="", views=(), preset="").digest

    def to_json(self) -> dict[str, Any]:
        """A JSON value."""
        return dict(json.loads(self.canonical))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RunSpec":
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: when it is not a spec.
        """
        try:
            data = dict(value)
            return cls(
                **{
                    **data,
                    "prompt": Prompt(**{k: _tuples(v) for k, v in data["prompt"].items()}),
                    "prior": _choice(data["prior"]),
                    "scene": _choice(data["scene"]),
                    "stages": tuple(_stage(stage) for stage in data["stages"]),
                    "cameras": TrainingCameras(
                        **{k: _tuples(v) for k, v in data["cameras"].items()}
                    ),
                    "wording": Wording(**data["wording"]),
                    "views": tuple(data["views"]),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a run spec: {error}") from None


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN is refused."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


SILENT = (
    ("file", ""),
    ("scene", None),
    ("wording", None),
    ("weight_decay", 0.0),
    ("suffix", ""),
    ("engine", ""),
    ("particles", 1),
    ("leave_out", ()),
    ("shake", (0.0, 0.0, 0.0)),
    ("leave_out_from", ""),
)
"""Fields, with the value at which they are left out."""


def _tuples(value: Any) -> Any:
    return tuple(_tuples(x) for x in value) if isinstance(value, list) else value


def _written(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is written of a dataclass: all but fields that came later and say nothing, so that older runs keep their ids."""
    return {key: value for key, value in pairs if (key, value) not in SILENT}


def _file(name: str) -> str:
    """SHA-256 of a user's own file."""
    return hashlib.sha256(Path(name).read_bytes()).hexdigest() if name.endswith(".py") else ""


def _choice(value: Mapping[str, Any]) -> Choice:
    return Choice(value["name"], _tuples(value["options"]), value.get("file", ""))


def _stage(value: Mapping[str, Any]) -> Stage:
    chosen = {key: _choice(value[key]) for key in ("method", "schedule", "student")}
    # A field that was added later is missing in older runs, and takes its default.
    pairs = {key: _tuples(value[key]) for key in ("regularisers", "later") if key in value}
    own: dict[str, Any] = {}
    if "scene" in value:
        own["scene"] = _choice(value["scene"])
    if "wording" in value:
        own["wording"] = Wording(**value["wording"])
    return Stage(**{**value, **chosen, **pairs, **own})


def label(method: Choice) -> str:
    """A method as tables print it: ``ESD (λ = 0.5)``, options with a letter shown."""
    try:
        letters = plugins.symbols(plugins.load("methods", method.name))
    except ValueError:
        letters = {}
    shown = [f"{s.letter} = {method.get(option):g}" for option, s in letters.items()]
    name = {"debiased_sds": "Debiased-SDS", "perp_neg": "Perp-Neg"}.get(
        method.title, method.title.upper()
    )
    return f"{name} ({', '.join(shown)})" if shown else name


def expand(
    variants: Sequence[RunSpec], prompts: Sequence[Prompt], seeds: Sequence[int]
) -> list[RunSpec]:
    """The grid of variants (methods) x prompts x seeds, variants outermost so that equal runs lie side by side.

    What is asked for twice is there once. Only methods that leave words out keep a prompt's list of them.
    """
    grid = product(variants, prompts, seeds)
    made = (replace(v, prompt=_said(v, prompt), seed=seed) for v, prompt, seed in grid)
    return list(dict.fromkeys(made))


def _said(variant: RunSpec, prompt: Prompt) -> Prompt:
    if variant.method.make("methods").leaves_out:
        return prompt
    return replace(prompt, leave_out=(), leave_out_from="")


def packs(specs: Sequence[RunSpec], width: int) -> Iterator[list[RunSpec]]:
    """Groups of at most ``width`` specs that differ in prompt and seed only, in order."""
    groups: dict[str, list[RunSpec]] = {}
    neutral = Prompt("any")
    for spec in specs:
        key = replace(spec, prompt=neutral, seed=0, suite="any").canonical
        groups.setdefault(key, []).append(spec)
    for group in groups.values():
        for start in range(0, len(group), width):
            yield group[start : start + width]


def shard(specs: Sequence[Item], part: str) -> list[Item]:
    """Every N-th spec, or whatever else is done, for ``I/N`` with I from 0.

    Raises:
        ValueError: when the text is not of that form.
    """
    try:
        index, count = (int(x) for x in part.split("/"))
        if 0 <= index < count:
            return list(specs[index::count])
    except ValueError:
        pass
    raise ValueError(f"a shard is I/N with 0 <= I < N, for example 0/2, not {part!r}")
