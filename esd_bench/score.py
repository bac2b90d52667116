"""Turn the pictures of finished runs into numbers: gather what the metrics need, embed once, store scores beside the runs.

``scores/<metric>.json`` of a run holds the numbers with two descriptions: ``comparability``, of which ``key`` is the digest
(numbers with different keys must not share a column), and ``provenance``, which may differ between rows. Scores on views
other than the run's own two protocols go to ``scores/<metric>@<protocol>.json``.
"""

import hashlib
import importlib.metadata
import math
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from esd_bench import __version__, features, plugins, reference
from esd_bench.features import Features, Progress
from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.spec import Choice, canonical
from esd_bench.store import Run, RunStore
from esd_bench.views import BACKGROUNDS, ViewSet


@dataclass(frozen=True)
class Settings:
    """How to score.

    Attributes:
        background: what is put behind the views (a key of :data:`esd_bench.views.BACKGROUNDS`).
        views: protocols that replace the run's own: one that begins with ``ring`` its ring, any other its sphere.
        device: where networks and priors run.
        references: pictures per reference set; 0 leaves out the metrics that need one.
        scale, steps: guidance and DDIM steps of the reference pictures.
        embedders: role -> network, where it isn't the default of the prior's family.
        reference_root: the reference cache; None is its default place.
        again: score also what is scored already.
    """

    background: str = "white"
    views: tuple[str, ...] = ()
    device: str = "cpu"
    references: int = 48
    scale: float = 7.5
    steps: int = 25
    embedders: Mapping[str, Choice] = field(default_factory=dict)
    reference_root: Path | None = None
    again: bool = False

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise ValueError(
                f"unknown background {self.background!r}; use {', '.join(BACKGROUNDS)}"
            )
        if self.references < 0 or self.references == 1:
            raise ValueError("a reference set needs two pictures at least; 0 is none")

    def protocol(self, run: Run, metric: Metric) -> str:
        """The views that a metric reads of a run."""
        ring = metric.views == "ring"
        own = run.spec.views[int(ring)] if len(run.spec.views) > int(ring) else metric.views
        return next((v for v in self.views if v.startswith("ring") == ring), own)


@dataclass
class Summary:
    """What came of it.

    Attributes:
        scored: (run, metric) pairs that were scored now.
        kept: pairs that had the same scores already.
        failed: runs that failed when they were made; they have no scores, and tables count them.
        skipped: pairs that don't apply, by reason.
        problems: what went wrong, by message, with the number of pairs; the rest was scored nonetheless.
        forwards: sets of pictures that went through a network.
    """

    scored: int = 0
    kept: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    forwards: int = 0


@dataclass(frozen=True)
class Task:
    """One metric on one run."""

    run: Run
    name: str
    metric: Metric
    protocol: str
    networks: Mapping[str, Choice]
    request: str

    @property
    def stem(self) -> str:
        """Name of the file of scores."""
        own = self.protocol in self.run.spec.views
        return self.name if own else f"{self.name}@{self.protocol.replace(':', '-')}"


def score(
    root: Path | str,
    metrics: Sequence[str] | None = None,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Summary:
    """Score every finished run under a folder; what is scored already with the same settings is skipped at once.

    Args:
        root: the folder of runs.
        metrics: plugin names or files; None is all of the folder ``metrics/``.
        settings: how.
        progress: told how many runs are done, of how many, and the present one's name.

    Raises:
        ValueError: when there is nothing to score, or a metric is unknown.
    """
    store = RunStore(root)
    chosen = {Path(name).stem: (name, plugins.load("metrics", name)()) for name in _names(metrics)}
    runs = store.find()
    if not runs:
        raise ValueError(f"no finished runs in {root}")
    summary, bench = Summary(), Bench(Features(Path(root) / ".features", settings.device), settings)
    for done, run in enumerate(runs):
        if progress:
            progress(done, len(runs), f"{run.spec.prompt.id} {run.id}")
        if run.record.status != "finished":
            summary.failed += 1
            continue
        _score_run(store, run, chosen, bench, summary)
    if progress:
        progress(len(runs), len(runs), "")
    summary.forwards = bench.features.forwards
    return summary


def _names(metrics: Sequence[str] | None) -> list[str]:
    return list(metrics) if metrics else plugins.names("metrics")


def _score_run(
    store: RunStore,
    run: Run,
    chosen: Mapping[str, tuple[str, Metric]],
    bench: "Bench",
    summary: Summary,
) -> None:
    stored = {} if bench.settings.again else store.scores(run)
    for name, (source, metric) in chosen.items():
        lacking = bench.lacking(run, metric)
        if lacking:
            summary.skipped[f"{name}: {lacking}"] += 1
            continue
        task = bench.task(run, name, source, metric)
        if stored.get(task.stem, {}).get("request") == task.request:
            summary.kept += 1
            continue
        try:
            store.write_scores(run, task.stem, bench.value(task))
            summary.scored += 1
        except (ValueError, ImportError, NotImplementedError) as error:
            summary.problems[f"{name}: {error}"] += 1
    bench.forget()


class Bench:
    """What scoring shares between metrics and runs: networks, the present run's views, reference sets, priors."""

    def __init__(self, cache: Features, settings: Settings) -> None:
        self.features, self.settings = cache, settings
        self._views: dict[tuple[Path, str], ViewSet | ValueError] = {}
        self._references: dict[reference.Recipe, reference.Reference] = {}
        self._priors: dict[Choice, Any] = {}

    def networks(self, run: Run) -> dict[str, Choice]:
        """Role -> network for a run."""
        return {**features.defaults(run.spec.prior), **self.settings.embedders}

    def lacking(self, run: Run, metric: Metric) -> str:
        """Why a metric does not apply to a run, or ""."""
        for role in metric.roles:
            if role not in self.networks(run):
                return f"no network for the role {role} on pictures of {run.spec.prior.title}"
        return (
            "reference pictures are turned off"
            if metric.reference and not self.settings.references
            else ""
        )

    def task(self, run: Run, name: str, source: str, metric: Metric) -> Task:
        """One metric on one run, and the digest of everything that its numbers depend on, found without loading any of it."""
        protocol = self.settings.protocol(run, metric)
        networks = {role: self.networks(run)[role] for role in metric.roles}
        request = {
            "metric": features.stamp(Choice(source)),
            "version": __version__,
            "views": run.record.views.get(protocol, protocol),
            "background": self.settings.background,
            "networks": {role: features.stamp(choice) for role, choice in networks.items()},
            "text": run.spec.prompt.text,
            "reference": self._recipe(run).key if metric.reference else None,
        }
        digest = hashlib.sha256(canonical(request).encode()).hexdigest()
        return Task(run, name, metric, protocol, networks, digest)

    def value(self, task: Task) -> dict[str, Any]:
        """The scores of a task with their two descriptions.

        Raises:
            ValueError: one line, naming the file or the network that is at fault.
        """
        inputs = self._inputs(task)
        scores = [_finite(found) for found in task.metric.compute(inputs)]
        shared = self._comparability(task, len(inputs.azimuth), scores)
        return {
            "metric": task.name,
            "scores": [found.to_json() for found in scores],
            "network": ", ".join(dict.fromkeys(x["name"] for x in shared["networks"].values())),
            "key": hashlib.sha256(canonical(shared).encode()).hexdigest()[:16],
            "comparability": shared,
            "provenance": self._provenance(task),
            "request": task.request,
        }

    def forget(self) -> None:
        """Let the present run's views go."""
        self._views.clear()

    def _inputs(self, task: Task) -> Inputs:
        networks = {role: self.features.network(x, role) for role, x in task.networks.items()}
        views = self._load(task.run, task.protocol)
        pictures = features.bytes_of(views.over(self.settings.background))
        text = task.run.spec.prompt.text
        against = self._reference(task.run).pictures() if task.metric.reference else None
        return Inputs(
            outputs={role: self.features.of(x, pictures) for role, x in task.networks.items()},
            azimuth=views.cameras.azimuth,
            elevation=views.cameras.elevation,
            text={
                role: self.features.text(x, text)
                for role, x in task.networks.items()
                if role == "clip"
            },
            reference={}
            if against is None
            else {role: self.features.of(x, against) for role, x in task.networks.items()},
            truth=networks["oracle"].truth(text) if "oracle" in networks else {},
        )

    def _load(self, run: Run, protocol: str) -> ViewSet:
        key = (run.folder, protocol)
        if key not in self._views:
            try:
                self._views[key] = _views(run, protocol)
            except ValueError as error:
                self._views[key] = error
        found = self._views[key]
        if isinstance(found, ValueError):
            raise found
        return found

    def _recipe(self, run: Run) -> reference.Recipe:
        if not run.record.prior:
            return self._made_by(self._prior(run).digest, run)
        return self._made_by(run.record.prior, run)

    def _made_by(self, prior: str, run: Run) -> reference.Recipe:
        chosen = self.settings
        return reference.Recipe(
            prior, run.spec.prompt.text, chosen.references, chosen.scale, chosen.steps
        )

    def _reference(self, run: Run) -> reference.Reference:
        recipe, root = self._recipe(run), self.settings.reference_root
        if recipe not in self._references:
            found = reference.get(recipe, root)
            self._references[recipe] = found or self._build(run, recipe, root)
        return self._references[recipe]

    def _build(self, run: Run, recipe: reference.Recipe, root: Path | None) -> reference.Reference:
        prior = self._prior(run)
        if prior.digest != recipe.prior:
            raise ValueError(
                f"the prior {prior.name} has changed since {run.id} was made, so its references can't be"
            )
        return reference.build(
            prior,
            recipe.text,
            recipe.n,
            scale=recipe.scale,
            steps=recipe.steps,
            seed=recipe.seed,
            root=root,
        )

    def _prior(self, run: Run) -> Any:
        choice = run.spec.prior
        if choice not in self._priors:
            self._priors[choice] = choice.make("priors", torch.device(self.settings.device))
        return self._priors[choice]

    def _comparability(self, task: Task, n: int, scores: Sequence[Score]) -> dict[str, Any]:
        networks = {role: self.features.network(choice) for role, choice in task.networks.items()}
        recipe = self._recipe(task.run) if task.metric.reference else None
        return {
            "networks": {
                role: {"name": x.name, "digest": x.digest} for role, x in networks.items()
            },
            "background": self.settings.background,
            "protocol": task.protocol,
            "n": n,
            "reference": recipe and {"pool": recipe.pool, "n": recipe.n},
            "versions": {found.name: found.version for found in scores},
        }

    def _provenance(self, task: Task) -> dict[str, Any]:
        run, against = task.run, None
        if task.metric.reference:
            found = self._reference(run)
            against = {"set": found.path.name, "digest": found.digest, **found.provenance}
        batches = {self.features.network(x).name: getattr(self.features.network(x), "batch", None)
                   for x in task.networks.values()}  # fmt: skip
        return {
            "views": run.record.views.get(task.protocol),
            "reference": against,
            "device": _device(self.features.device),
            "threads": torch.get_num_threads(),
            "batch": batches,
            "versions": _versions(),
        }


def _views(run: Run, protocol: str) -> ViewSet:
    folder = run.views_folder(protocol)
    if not folder.is_dir():
        there = ", ".join(sorted(x.name for x in (run.folder / "views").glob("*"))) or "none"
        raise ValueError(f"{run.folder} holds no views {protocol!r}; it holds: {there}")
    return ViewSet.load(folder)


def _finite(found: Score) -> Score:
    if found.value is None or math.isfinite(found.value):
        return found
    return replace(found, value=None, note=found.note or f"not finite: {found.value}")


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def _versions() -> dict[str, str]:
    named = ("torch", "open_clip_torch", "torch-fidelity", "numpy", "scipy", "pillow")
    found = {name: importlib.metadata.version(name) for name in named}
    return {"esd-bench": __version__, "python": platform.python_version(), **found}
