"""What the figures that are made of runs share: the user's wishes, the runs, their numbers, and views side by side."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from esd_bench.engines import Watch
from esd_bench.generate import generate
from esd_bench.pictures import sheet
from esd_bench.prompts import Prompt
from esd_bench.score import Settings as Scoring
from esd_bench.score import score
from esd_bench.sheets import nearest
from esd_bench.spec import RunSpec
from esd_bench.store import Run, RunStore, read_run
from esd_bench.views import ViewSet

Bars: TypeAlias = Callable[
    [Sequence[RunSpec]], AbstractContextManager[tuple[Watch, Callable[[Run], None]]]
]
"""Shows how the missing runs come along: gives what is told of progress and what is told of a run that is done."""
SHOWN = (
    "janus_rate",
    "consistency",
    "front_share",
    "faces",
    "success",
    "kind",
    "colour",
    "iq",
    "iv",
    "ig",
)
"""The scores that go into a figure's CSV."""


@dataclass(frozen=True)
class Study:
    """What the user wants of a figure.

    Attributes:
        runs: the folder of its runs; what is finished there is not made again.
        out: the folder of the figure and its CSV.
        prompts, seeds: what is made.
        preset: of the runs.
        prior: instead of the figure's own.
        steps: of the stages, as presets take them; none are the preset's.
        azimuths: degrees of the views that are shown.
        device, pack, workers: how to run.
        command: what the CSV says it was made by.
        bars: shows progress.
    """

    runs: Path
    out: Path
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...] = (0,)
    preset: str = "embedded"
    prior: str | None = None
    steps: tuple[int, ...] = ()
    azimuths: tuple[float, ...] = (0, 90, 180, 270)
    device: str = "cpu"
    pack: int = 1
    workers: int = 1
    command: str = ""
    bars: Bars = lambda missing: nullcontext((lambda news: None, lambda run: None))

    def shown(self, runs: Sequence["Made"]) -> list["Made"]:
        """Those of the first seed: a picture shows one of each kind, the CSV all."""
        return [made for made in runs if made.run.spec.seed == self.seeds[0]]


@dataclass(frozen=True)
class Arm:
    """One setting that a figure compares: what it is called, and its runs' template."""

    label: str
    spec: RunSpec


@dataclass(frozen=True)
class Made:
    """A run of a figure, and what its setting is called there."""

    label: str
    run: Run


def make(study: Study, arms: Sequence[Arm], suite: str) -> list[Made]:
    """All runs of a figure: prompts outermost, then seeds, then arms. Failed ones are among them."""
    wanted = [
        (arm.label, replace(arm.spec, suite=suite, prompt=prompt, seed=seed))
        for prompt in study.prompts
        for seed in study.seeds
        for arm in arms
    ]
    specs = [spec for _, spec in wanted]
    store = RunStore(study.runs)
    with study.bars(store.missing(specs)) as (watch, done):
        making = generate(
            specs,
            store,
            device=study.device,
            pack=study.pack,
            workers=study.workers,
            watch=watch,
        )
        for run in making:
            done(run)
    return [Made(label, read_run(store.folder(spec))) for label, spec in wanted]


def facts(made: Made) -> dict[str, Any]:
    """What every line of a CSV begins with."""
    spec, record = made.run.spec, made.run.record
    return {
        "prompt": spec.prompt.text,
        "setting": made.label,
        "seed": spec.seed,
        "status": record.status,
        "reason": record.reason,
    }


def scored(study: Study, runs: Sequence[Made]) -> list[dict[str, Any]]:
    """The oracle's and the classifier's numbers of each run; empty of those that failed."""
    summary = score(study.runs, ["janus", "inception"], Scoring(device=study.device, references=0))
    for problem in (*summary.problems, *summary.skipped):
        warnings.warn(f"not scored: {problem}", stacklevel=2)
    return [{**facts(made), **numbers(RunStore(study.runs), made.run)} for made in runs]


def numbers(store: RunStore, run: Run) -> dict[str, Any]:
    """Stored scores by name; a score that the run has not is missing."""
    files = [x for name, x in store.scores(run).items() if "@" not in name]
    found = {one["name"]: one["value"] for file in files for one in file["scores"]}
    return {name: found[name] for name in SHOWN if name in found}


def table(rows: Sequence[Mapping[str, Any]], path: Path, command: str) -> None:
    """Rows as CSV under a line that says by which command they came."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = pd.DataFrame(list(rows)).to_csv(index=False, lineterminator="\n", float_format="%.6g")
    path.write_text(f"# {command}\n{text}", encoding="utf-8")


def side_by_side(study: Study, runs: Sequence[Made], path: Path) -> None:
    """A line of views for each run of the first seed, those nearest to the azimuths that were asked for."""
    store, rows, shown = RunStore(study.runs), [], list[float]()
    for made in study.shown(runs):
        spec = made.run.spec
        views = ViewSet.load(made.run.views_folder(spec.views[-1]))
        picked = nearest(views.cameras, study.azimuths)
        shown = [float(x) for x in views.cameras.azimuth[picked].rad2deg().remainder(360)]
        lines = [made.label, spec.prompt.text]
        found = numbers(store, made.run)
        if "janus_rate" in found:
            lines.append(f"Janus {found['janus_rate']:.2f}, R {found['consistency']:.2f}")
        rows.append(("\n".join(lines), views.over("white")[picked]))
    sheet(rows, path, scale=2, columns=[f"{x:.0f}°" for x in shown])


def swept(study: Study, name: str, arms: Sequence[Arm]) -> list[Path]:
    """A figure that is a table of views: runs made, scored, drawn and written down.

    Returns:
        the picture and the CSV.
    """
    runs = make(study, arms, name)
    paths = [study.out / f"{name}.png", study.out / f"{name}.csv"]
    table(scored(study, runs), paths[1], study.command)
    side_by_side(study, runs, paths[0])
    return paths
