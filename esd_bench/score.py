"""Turn the pictures of finished runs into numbers: gather what the metrics need, embed once, store scores beside the runs.

``scores/<metric>.json`` of a run holds what :mod:`esd_bench.measure` gives. Scores on views other than the run's own two
protocols, and on the sphere's views in the supervised band, go to ``scores/<metric>@<protocol>.json``.
"""

import ast
import hashlib
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import product
from operator import itemgetter
from pathlib import Path

from esd_bench import plugins
from esd_bench.executors import Executor, Tell
from esd_bench.features import Features, Progress
from esd_bench.measure import Bench, Settings
from esd_bench.metrics import Metric
from esd_bench.store import Run, RunStore, read_run

__all__ = ["Settings", "Summary", "score"]

FOLDER = Path(__file__).parent / "metrics"
PACK = 16
"""Runs that a worker scores before it loads its networks anew."""


@dataclass
class Summary:
    """What came of it.

    Attributes:
        scored: files of scores that were written now: one for each run, metric and set of views.
        kept: files that held the same scores already.
        failed: runs that failed when they were made; they have no scores, and tables count them.
        skipped: pairs that don't apply, by reason.
        problems: what went wrong, by message, with the number of (run, metric) pairs, or of runs that were lost with their
            worker; the rest was scored nonetheless.
        forwards: sets of pictures that went through a network.
    """

    scored: int = 0
    kept: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    forwards: int = 0


def score(
    root: Path | str,
    metrics: Sequence[str] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Summary:
    """Score every finished run under a folder; what is scored already with the same settings is skipped at once.

    Args:
        root: the folder of runs.
        metrics: plugin names or files; None is all of the folder ``metrics/``.
        settings: how; None is all defaults.
        progress: told how many runs are done, of how many, and the present one's name.
        executor: where :data:`PACK` runs at a time are scored; None scores all in this process.

    Raises:
        ValueError: when there is nothing to score, or a metric is unknown.
    """
    store, with_ = RunStore(Path(root).absolute() if executor else root), settings or Settings()
    _chosen(metrics)
    folders = store.folders()
    if not folders:
        raise ValueError(f"no finished runs in {root}")
    # Runs are read one by one, twice: held all at once, they would take the more memory the more there are.
    texts = _texts(map(read_run, folders))
    numbered, width = list(enumerate(folders)), PACK if executor else len(folders)
    chains = [[numbered[i : i + width]] for i in range(0, len(folders), width)]
    begun, tell = set[int](), progress or (lambda done, total, what: None)

    def watch(news: tuple[int, str]) -> None:
        begun.add(news[0])  # once, whether or not its worker dies and it is scored again
        tell(len(begun) - 1, len(folders), news[1])

    run = executor or plugins.load("executors", "serial")()
    work = partial(_score_pack, store, metrics, with_, texts)
    parts = sorted(run(work, chains, watch, _lost), key=itemgetter(0))
    tell(len(folders), len(folders), "")
    return _sum([part for _, part in parts])


def _score_pack(
    store: RunStore,
    metrics: Sequence[str] | None,
    settings: Settings,
    texts: Mapping[str, Sequence[str]],
    pack: Sequence[tuple[int, Path]],
    watch: Tell,
) -> list[tuple[int, Summary]]:
    """Some runs, in whatever process this is, with networks of its own; and the number of the first."""
    store.check()
    chosen, summary = _chosen(metrics), Summary()
    bench = Bench(Features(store.root / ".features", settings.device), settings, texts)
    runs = bench.reader.over(read_run(folder) for _, folder in pack)
    for (number, _), run in zip(pack, runs, strict=True):
        watch((number, f"{run.spec.prompt.id} {run.id}"))
        if run.record.status == "finished":
            _score_run(store, run, chosen, bench, summary)
        else:
            summary.failed += 1
    summary.forwards = bench.features.forwards
    return [(pack[0][0], summary)]


def _lost(pack: Sequence[tuple[int, Path]], why: str) -> list[tuple[int, Summary]]:
    """What came of runs whose worker died twice; scores that it had stored stay."""
    failed = sum(read_run(folder).record.status != "finished" for _, folder in pack)
    problems = Counter({f"runs lost: their worker died twice ({why})": len(pack) - failed})
    return [(pack[0][0], Summary(failed=failed, problems=problems))]


def _sum(parts: Sequence[Summary]) -> Summary:
    whole = Summary()
    for part, kept in product(parts, fields(Summary)):
        setattr(whole, kept.name, getattr(whole, kept.name) + getattr(part, kept.name))
    return whole


def _texts(runs: Iterable[Run]) -> dict[str, list[str]]:
    """The texts of each suite's runs."""
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(run.spec.suite, set()).add(run.spec.prompt.text)
    return {suite: sorted(texts) for suite, texts in found.items()}


def _chosen(metrics: Sequence[str] | None) -> dict[str, tuple[str, Metric]]:
    """Name -> (SHA-256 of its code, metric): whoever changes a formula, or what formulas share, gets new numbers."""
    found = {}
    for name in metrics or plugins.names("metrics"):
        factory = plugins.load("metrics", name)
        # Unwrapped, or a decorated metric would be known by its decorator.
        files = _sources(Path(inspect.getsourcefile(inspect.unwrap(factory)) or ""))
        each = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        found[factory.__name__] = hashlib.sha256(" ".join(each).encode()).hexdigest(), factory()
    return found


def _sources(path: Path) -> list[Path]:
    """A metric's file and those of the folder ``metrics/`` that it imports, or that these import; nothing is run."""
    found = [path]
    for file in found:  # grows as it goes
        own = (FOLDER / f"{name}.py" for name in sorted(set(_imported(file))))
        found += [x for x in own if x.is_file() and x not in found]
    return found


def _imported(path: Path) -> Iterator[str]:
    """What a file imports of :mod:`esd_bench.metrics`: modules, and names that are none."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            full = [f"{node.module}.{x.name}" for x in node.names]
        else:
            full = [x.name for x in node.names] if isinstance(node, ast.Import) else []
        yield from (x.split(".")[2] for x in full if x.startswith("esd_bench.metrics."))


def _score_run(
    store: RunStore,
    run: Run,
    chosen: Mapping[str, tuple[str, Metric]],
    bench: Bench,
    summary: Summary,
) -> None:
    stored = _stored(store, run)
    for name, (source, metric) in chosen.items():
        lacking = bench.lacking(run, metric)
        if lacking:
            summary.skipped[f"{name}: {lacking}"] += 1
            continue
        try:
            for task in bench.tasks(run, name, source, metric):
                if stored.get(task.stem) == task.request and not bench.settings.again:
                    summary.kept += 1
                    continue
                store.write_scores(run, task.stem, bench.value(task))
                summary.scored += 1
        except (ValueError, ImportError, NotImplementedError) as error:
            summary.problems[f"{name}: {error}"] += 1
    bench.forget()


def _stored(store: RunStore, run: Run) -> dict[str, str]:
    """What was asked for the stored scores; a broken file of scores is made again."""
    try:
        return {name: str(value.get("request")) for name, value in store.scores(run).items()}
    except ValueError:
        return {}
