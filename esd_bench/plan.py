"""plan: what a grid of runs will cost in hours, memory and disk, before anything runs.

Rates come from ``costs.json``, which ships with the package and is written by ``benchmarks/costs.py`` out of stored results.
A figure is *measured* where that method was timed on that kind of prior and scene at that number of pixels and views;
all others say from what they were extrapolated, and where nothing is known they are left out and named.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import resources

from esd_bench.spec import RunSpec, Stage
from esd_bench.store import RunStore

PAPER_STEPS = 65_000
"""25,000 coarse, 10,000 of geometry and 30,000 of texture (arXiv 2401.00909, appendix C)."""


@dataclass(frozen=True)
class Rate:
    """One measurement.

    Attributes:
        machine: what it was taken on.
        prior: a pattern of the folders that it stands for.
        scene, method: plugin names.
        student: whether the method needs one.
        rows: predictions that its equation names.
        size, views: side of the training pictures in pixels, and how many a step.
        width: scenes side by side.
        milliseconds: of a step of one scene: the pack's divided by its width.
        gib: peak of the GPU's memory for the whole pack; 0 where it was not measured.
        source: the result file.
    """

    machine: str
    prior: str
    scene: str
    method: str
    student: bool
    rows: int
    size: int
    views: int
    width: int
    milliseconds: float
    gib: float
    source: str

    @property
    def pixels(self) -> int:
        """That a step renders."""
        return self.size**2 * self.views


@dataclass(frozen=True)
class Guess:
    """What a step will take, and how we know."""

    milliseconds: float
    gib: float
    machine: str
    how: str


@dataclass(frozen=True)
class Line:
    """One stretch of equal steps of all runs of one method.

    Attributes:
        steps: of each run.
        runs: how many take these steps; what runs share is counted once.
        guess: None where nothing was measured.
    """

    label: str
    stage: int
    size: int
    views: int
    steps: int
    runs: int
    guess: Guess | None

    @property
    def hours(self) -> float:
        """Of all runs together."""
        return self.runs * self.steps * (self.guess.milliseconds if self.guess else 0.0) / 3.6e6


@dataclass(frozen=True)
class Bill:
    """A grid's cost.

    Attributes:
        runs, finished: in the grid, and how many of them are done.
        lines: of what is missing.
        disk: bytes of one run at most.
    """

    runs: int
    finished: int
    lines: tuple[Line, ...]
    disk: int

    @property
    def hours(self) -> float:
        """Of all lines that are known."""
        return sum(line.hours for line in self.lines)


def rates() -> list[Rate]:
    """All measurements that ship."""
    text = (resources.files("esd_bench") / "costs.json").read_text()
    return [Rate(**entry) for entry in json.loads(text)["rates"]]


def bill(
    specs: Sequence[RunSpec],
    store: RunStore,
    width: int = 1,
    machine: str = "",
    known: Sequence[Rate] | None = None,
) -> Bill:
    """The cost of what is missing of a grid.

    Args:
        specs: the grid.
        store: where runs lie that may be finished.
        width: scenes side by side; the widest measured pack up to it counts.
        machine: part of the name of the machine to plan for; empty takes the one that was measured closest.
        known: measurements; those that ship by default.

    Raises:
        ValueError: when nothing was measured on such a machine.
    """
    usable = [
        x for x in (rates() if known is None else known) if machine.lower() in x.machine.lower()
    ]
    if not usable:
        raise ValueError(
            f"nothing was measured on {machine!r}; machines: {', '.join(sorted({x.machine for x in rates()}))}"
        )
    missing = store.missing(specs)
    fitting = [x for x in usable if x.width <= width]
    lines = tuple(_lines(missing, fitting))
    return Bill(len(specs), len(specs) - len(missing), lines, disk(specs[0]) if specs else 0)


def _lines(specs: Iterable[RunSpec], known: Sequence[Rate]) -> Iterator[Line]:
    """A line per method, stage and size; a stage that runs share is counted where it comes first."""
    counted: set[str] = set()
    groups: dict[tuple[str, int], list[RunSpec]] = {}
    for spec in specs:
        for number in range(1, len(spec.stages) + 1):
            key = spec.prefix(number)
            if key not in counted:
                counted.add(key)
                groups.setdefault((spec.label, number), []).append(spec)
    for (label, number), members in groups.items():
        spec, stage = members[0], members[0].stages[number - 1]
        for size, steps in spans(stage):
            guess = guessed(spec, number, size, known)
            yield Line(label, number, size, stage.views, steps, len(members), guess)


def spans(stage: Stage) -> list[tuple[int, int]]:
    """(side, steps) of a stage, in order.

    >>> from esd_bench.presets import Settings, preset
    >>> spans(preset("paper", Settings("sds", {})).stages[0])
    [(64, 5000), (256, 20000)]
    """
    starts = [(0, stage.size), *stage.later]
    ends = [*(step for step, _ in stage.later), stage.steps]
    found = [
        (side, min(end, stage.steps) - start)
        for (start, side), end in zip(starts, ends, strict=True)
    ]
    return [(side, steps) for side, steps in found if steps > 0]


def guessed(spec: RunSpec, number: int, size: int, known: Sequence[Rate]) -> Guess | None:
    """What a step of a stage takes, by the nearest measurements; None where there are none."""
    stage, scene = spec.stages[number - 1], spec.scene_at(number).title
    folder, method = str(spec.prior.get("folder", spec.prior.name)), stage.method.title
    near = [x for x in known if fnmatch(folder, x.prior) and x.scene == scene]
    own = [x for x in near if x.method == method]
    if not near:
        return None
    kin = own or _kin(stage, near)
    exact = [x for x in own if (x.size, x.views) == (size, stage.views)]
    if exact:
        best = max(exact, key=lambda x: (x.machine.startswith("NVIDIA"), x.width))
        beside = f", packs of {best.width}" if best.width > 1 else ""
        return Guess(best.milliseconds, best.gib, best.machine, f"measured{beside}")
    return _beside(kin, near, size, stage.views) or _extrapolated(kin, size**2 * stage.views)


def _beside(own: Sequence[Rate], near: Sequence[Rate], size: int, views: int) -> Guess | None:
    """What another method's step takes more at this size than at one where both were measured: they share the render."""
    for first in (x for x in own if (x.size, x.views) != (size, views)):
        like = [x for x in near if (x.machine, x.width) == (first.machine, first.width)]
        there = {x.method: x for x in like if (x.size, x.views) == (size, views)}
        here = {x.method: x for x in like if (x.size, x.views) == (first.size, first.views)}
        for method in there.keys() & here.keys():
            more, less = there[method], here[method]
            time = first.milliseconds + more.milliseconds - less.milliseconds
            how = f"extrapolated from {_of(first)} and what {method} takes more"
            return Guess(time, first.gib + more.gib - less.gib, first.machine, how)
    return None


def _kin(stage: Stage, known: Sequence[Rate]) -> list[Rate]:
    """Measurements of the method that is most alike: with a student or without, as many predictions."""
    made = stage.method.make("methods")
    apart = {x.method: (x.student != made.studies, abs(x.rows - len(made.rows))) for x in known}
    closest = min(apart, key=lambda name: apart[name])
    return [x for x in known if x.method == closest]


def _extrapolated(known: Sequence[Rate], pixels: int) -> Guess:
    """A line through the two measurements that are nearest in pixels, on one machine and at one width."""
    first = min(known, key=lambda x: (abs(x.pixels - pixels), -x.width))
    like = [
        x
        for x in known
        if (x.machine, x.width, x.method) == (first.machine, first.width, first.method)
        and x.pixels != first.pixels
    ]
    if not like:
        share = pixels / first.pixels
        return Guess(
            first.milliseconds * share,
            first.gib * share,
            first.machine,
            f"extrapolated from {_of(first)}",
        )
    second = min(like, key=lambda x: abs(x.pixels - pixels))
    along = (pixels - first.pixels) / (second.pixels - first.pixels)
    time, memory = (
        max(a + along * (b - a), min(a, b))
        for a, b in (
            (first.milliseconds, second.milliseconds),
            (first.gib, second.gib),
        )
    )
    how = f"extrapolated from {_of(first)} and {_of(second)}"
    return Guess(time, memory, first.machine, how)


def _of(rate: Rate) -> str:
    return f"{rate.method} at {rate.views} x {rate.size}²"


def disk(spec: RunSpec) -> int:
    """Bytes of one run at most: its scene, and its views as if their pictures could not be compressed."""
    import torch

    from esd_bench.cameras import protocol

    # On no device at all: only its shapes are asked for.
    scene = spec.scene.make("scenes", torch.zeros(1, dtype=torch.long, device="meta"))
    tensors = scene.state_dict().values()
    views = sum(len(protocol(name, spec.view_size)) for name in spec.views)
    return sum(x.numel() * x.element_size() for x in tensors) + 4 * views * spec.view_size**2


def written(specs: Sequence[RunSpec], found: Bill, gpus: int = 1) -> list[str]:
    """A bill as lines of text."""
    missing = found.runs - found.finished
    steps = sum(line.runs * line.steps for line in found.lines)
    said = [
        f"grid: {found.runs:,} runs, {found.finished:,} already finished, {missing:,} to make: {steps:,} steps",
        "",
    ]
    said += _table(found.lines) if found.lines else []
    said += [*_totals(found, gpus), *_unknown(specs, found), *_whole(specs, found, gpus)]
    return said


def _table(lines: Sequence[Line]) -> list[str]:
    head = (
        "method",
        "stage",
        "views",
        "runs",
        "steps",
        "ms a step",
        "h a run",
        "h",
        "GiB",
        "figure",
    )
    rows = [head, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if i in (0, len(head) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cells(line: Line) -> tuple[str, ...]:
    views, guess = f"{line.views} x {line.size}²", line.guess
    begun = (line.label, str(line.stage), views, f"{line.runs:,}", f"{line.steps:,}")
    if guess is None:
        return (*begun, "–", "–", "–", "–", "not measured")
    each = line.hours / line.runs
    memory = f"{guess.gib:.2g}" if guess.gib else "–"
    figure = f"{guess.how}, {guess.machine}"
    return (*begun, f"{guess.milliseconds:.3g}", f"{each:.2g}", f"{line.hours:.3g}", memory, figure)


def _totals(found: Bill, gpus: int) -> list[str]:
    missing = found.runs - found.finished
    space = f"disk: at most {found.disk / 1e6:,.0f} MB a run, {missing * found.disk / 1e9:,.1f} GB in all"
    if not any(line.guess for line in found.lines):
        return (
            ["", "time and memory: not measured", space] if missing else ["", "nothing is missing"]
        )
    atleast = "at least " if any(line.guess is None for line in found.lines) else ""
    memory = max((line.guess.gib for line in found.lines if line.guess), default=0.0)
    machines = sorted({line.guess.machine for line in found.lines if line.guess})
    guessed_too = any(line.guess and line.guess.how[0] == "e" for line in found.lines)
    kind = "partly extrapolated" if guessed_too else "measured"
    return [
        "",
        f"time: {atleast}{found.hours:,.1f} hours of {' and '.join(machines)} ({kind})"
        + (f", {found.hours / gpus:,.1f} hours on {gpus}" if gpus > 1 else "")
        + "; without loading, capture and evaluation views",
        f"memory: {memory:.2g} GiB of the GPU" if memory else "memory: not measured",
        space,
    ]


def _unknown(specs: Sequence[RunSpec], found: Bill) -> list[str]:
    """What the total leaves out."""
    unknown = [line for line in found.lines if line.guess is None]
    if not unknown:
        return []
    spec, labels = specs[0], ", ".join(dict.fromkeys(line.label for line in unknown))
    place = spec.prior.get("folder", spec.prior.name)
    scenes = " and ".join(dict.fromkeys(spec.scene_at(line.stage).title for line in unknown))
    return [f"not measured: {labels} on scene {scenes} with prior {place}"]


def _whole(specs: Sequence[RunSpec], found: Bill, gpus: int) -> list[str]:
    """The paper's own number of steps at the rates of the last stretches."""
    if not specs or specs[0].preset != "paper" or any(x.guess is None for x in found.lines):
        return []
    known = {spec.label: spec.steps for spec in specs if spec.steps < PAPER_STEPS}
    last = {line.label: line for line in found.lines if line.guess and line.label in known}
    if not last:
        return []
    more = sum(
        line.runs * (PAPER_STEPS - known[label]) * line.guess.milliseconds / 3.6e6
        for label, line in last.items()
        if line.guess
    )
    hours = found.hours + more
    beside = f", {hours / gpus:,.0f} hours on {gpus}" if gpus > 1 else ""
    return [
        f"the paper takes {PAPER_STEPS:,} steps an asset, this preset {max(known.values()):,}; "
        f"at the last rates that would be {hours:,.0f} hours (extrapolated){beside}"
    ]
