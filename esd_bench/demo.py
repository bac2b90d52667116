"""demo: generate, score and report on the embedded prior, in under ten minutes on two cores, with pictures."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from esd_bench.generate import generate
from esd_bench.pictures import sheet
from esd_bench.presets import Settings, preset
from esd_bench.prompts import load_suite
from esd_bench.spec import expand
from esd_bench.store import Run, RunStore
from esd_bench.views import ViewSet

METHODS = ("sds", "vsd", "esd")


@dataclass(frozen=True)
class Demo:
    """What the demo left behind: its runs and the picture that shows them side by side."""

    runs: list[Run]
    picture: Path


def demo(
    root: Path, say: Callable[[str], None], workers: int | None = None, steps: tuple[int, ...] = ()
) -> Demo:
    """SDS from noise, then VSD and ESD from the SDS scene, for the prompts of the ``demo`` suite.

    Args:
        root: folder of the runs; running again resumes.
        say: is told what happens.
        workers: processes side by side; by default one per core, at most two.
        steps: of the SDS stage and of the stage after it, for tests.
    """
    suite = load_suite("demo")
    variants = [replace(preset("embedded", Settings(m, {}, steps=steps)), suite=suite.name) for m in METHODS]
    specs = expand(variants, suite.prompts, [0])
    store, started = RunStore(root), time.perf_counter()
    count = workers or min(2, os.cpu_count() or 1)
    say(f"{len(specs)} assets: {', '.join(p.text for p in suite.prompts)} by {', '.join(METHODS)}")
    for run in generate(specs, store, workers=count):
        minutes = (time.perf_counter() - started) / 60
        say(f"{minutes:4.1f} min  {run.record.label}: {run.spec.prompt.text}  ->  {run.folder / 'sheet.png'}")
    runs = [run for run in store.find(suite=suite.name) if run.spec in specs]
    runs.sort(key=lambda run: specs.index(run.spec))
    return Demo(runs, side_by_side(runs, root / "demo.png"))


def side_by_side(runs: list[Run], path: Path) -> Path:
    """Twelve views around each asset, a row each, captioned with what it started from."""
    rows = []
    for run in sorted(runs, key=lambda run: run.spec.prompt.id):
        views = ViewSet.load(run.views_folder(run.spec.views[-1])).over("white")
        origin = "\nfrom the SDS scene" if len(run.spec.stages) > 1 else "\nfrom noise"
        rows.append((f"{run.spec.prompt.text}\n{run.record.label}{origin}", views[:: max(1, len(views) // 12)][:12]))
    sheet(rows, path)
    return path
