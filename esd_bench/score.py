"""Turn the pictures of finished runs into numbers: gather what the metrics need, embed once, store scores beside the runs.

``scores/<metric>.json`` of a run holds what :mod:`esd_bench.measure` gives. Scores on views other than the run's own two
protocols, and on the sphere's views in the supervised band, go to ``scores/<metric>@<protocol>.json``.
"""

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from esd_bench import plugins
from esd_bench.features import Features, Progress
from esd_bench.measure import Bench, Settings
from esd_bench.metrics import Metric
from esd_bench.store import Run, RunStore, read_run

__all__ = ["Settings", "Summary", "score"]


@dataclass
class Summary:
    """What came of it.

    Attributes:
        scored: files of scores that were written now: one for each run, metric and set of views.
        kept: files that held the same scores already.
        failed: runs that failed when they were made; they have no scores, and tables count them.
        skipped: pairs that don't apply, by reason.
        problems: what went wrong, by message, with the number of (run, metric) pairs; the rest was scored nonetheless.
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
) -> Summary:
    """Score every finished run under a folder; what is scored already with the same settings is skipped at once.

    Args:
        root: the folder of runs.
        metrics: plugin names or files; None is all of the folder ``metrics/``.
        settings: how; None is all defaults.
        progress: told how many runs are done, of how many, and the present one's name.

    Raises:
        ValueError: when there is nothing to score, or a metric is unknown.
    """
    store, chosen, with_ = RunStore(root), _chosen(metrics), settings or Settings()
    folders = store.folders()
    if not folders:
        raise ValueError(f"no finished runs in {root}")
    # Runs are read one by one, twice: held all at once, they would take the more memory the more there are.
    texts = _texts(map(read_run, folders))
    bench = Bench(Features(Path(root) / ".features", with_.device), with_, texts)
    summary, tell = Summary(), progress or (lambda done, total, what: None)
    for done, run in enumerate(bench.reader.over(map(read_run, folders))):
        tell(done, len(folders), f"{run.spec.prompt.id} {run.id}")
        if run.record.status == "finished":
            _score_run(store, run, chosen, bench, summary)
        else:
            summary.failed += 1
    tell(len(folders), len(folders), "")
    summary.forwards = bench.features.forwards
    return summary


def _texts(runs: Iterable[Run]) -> dict[str, list[str]]:
    """The texts of each suite's runs."""
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(run.spec.suite, set()).add(run.spec.prompt.text)
    return {suite: sorted(texts) for suite, texts in found.items()}


def _chosen(metrics: Sequence[str] | None) -> dict[str, tuple[str, Metric]]:
    """Name -> (SHA-256 of the file that defines it, metric): whoever changes a formula gets new numbers."""
    found = {}
    for name in metrics or plugins.names("metrics"):
        factory = plugins.load("metrics", name)
        source = Path(inspect.getsourcefile(factory) or "").read_bytes()
        found[factory.__name__] = hashlib.sha256(source).hexdigest(), factory()
    return found


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
