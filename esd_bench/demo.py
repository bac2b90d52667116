"""demo: generate, score and report on the embedded prior, in under ten minutes on two cores, with pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from esd_bench.presets import Settings, preset
from esd_bench.prompts import load_suite
from esd_bench.report import report
from esd_bench.score import Settings as Scoring
from esd_bench.score import score
from esd_bench.sheets import contact_sheet
from esd_bench.spec import RunSpec, expand
from esd_bench.store import Run, RunStore

METHODS = ("sds", "vsd", "esd")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What the demo left behind.

    Attributes:
        runs: finished and failed, prompt by prompt.
        picture: all of them side by side.
        tables: the files of Table 1 and of the table of collapse.
        successes: runs that pass the oracle's success rule.
    """

    runs: list[Run]
    picture: Path
    tables: list[Path]
    successes: list[Run]


def grid(steps: tuple[int, ...] = ()) -> list[RunSpec]:
    """SDS from noise, then VSD and ESD from the SDS scene, for the prompts of the ``demo`` suite.

    Args:
        steps: of the SDS stage and of the stage after it; by default the preset's.
    """
    suite = load_suite("demo")
    variants = [preset("embedded", Settings(name, {}, steps=steps)) for name in METHODS]
    return expand([replace(v, suite=suite.name) for v in variants], suite.prompts, [0])


def summarise(root: Path, specs: Sequence[RunSpec], say: Say, references: int = 48) -> Demo:
    """Score the finished runs, lay them side by side, and make the tables.

    Args:
        root: folder of the runs.
        specs: of the runs.
        say: is told what happens, the tables included.
        references: pictures of each prompt, sampled from the prior, to score against.
    """
    store = RunStore(root)
    runs = [run for run in store.find() if run.spec in specs]
    runs.sort(key=lambda run: (run.spec.prompt.id, METHODS.index(run.spec.method.title)))
    picture = root / "demo.png"
    contact_sheet(root, picture)
    say(f"side by side: {picture}; scoring against {references} pictures of each prompt")
    summary = score(
        root, settings=Scoring(reference_root=root / "references", references=references)
    )
    for problem in summary.problems:
        say(f"not scored: {problem}")
    successes = [run for run in runs if _succeeds(store, run)]
    return Demo(runs, picture, _tables(root, say), successes)


def _succeeds(store: RunStore, run: Run) -> bool:
    found = store.scores(run).get("janus", {}).get("scores", [])
    return any(one["name"] == "success" and one["value"] == 1 for one in found)


def _tables(root: Path, say: Say) -> list[Path]:
    """Table 1 and the table of collapse, printed and stored."""
    paths = []
    for name in ("overview", "collapse"):
        text = report(root, name, "markdown")
        say(f"\n{text}")
        paths.append(root / f"{name}.md")
        paths[-1].write_text(text)
        (root / f"{name}.tex").write_text(report(root, name, "latex"))
    return paths
