"""One metric on one run: the pictures, networks and references that it needs, its numbers, and what they depend on.

A result holds two descriptions of the numbers: ``comparability``, of which ``key`` is the digest (numbers with different keys
or different versions of a score must not share a column), and ``provenance``, which may differ between rows.
"""

import hashlib
import importlib.metadata
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from esd_bench import __version__, features, reference
from esd_bench.cameras import protocol
from esd_bench.features import Features
from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.spec import Choice, canonical
from esd_bench.store import Run
from esd_bench.stored import views_of
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
        for name in self.views:
            protocol(name)

    def protocol(self, run: Run, metric: Metric) -> str:
        """The views that a metric reads of a run."""
        ring = metric.views == "ring"
        kind = [v for v in run.spec.views if v.startswith("ring") == ring]
        own = kind[0] if kind else ("ring:15:36" if ring else "sphere:120")
        return next((v for v in self.views if v.startswith("ring") == ring), own)


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


@dataclass(frozen=True)
class Seen:
    """A run's views as networks read them: 8-bit pictures over a background, and where the cameras stood."""

    pictures: UInt8[Tensor, "n 3 h w"]
    azimuth: Float[Tensor, " n"]
    elevation: Float[Tensor, " n"]

    @classmethod
    def of(cls, views: ViewSet, background: str) -> "Seen":
        """Composited a few at a time: 120 large views in float32 would take gigabytes."""
        some = (replace(views, rgba=rgba) for rgba in views.rgba.split(12))
        pictures = torch.cat([features.bytes_of(part.over(background)) for part in some])
        return cls(pictures, views.cameras.azimuth, views.cameras.elevation)


class Bench:
    """What scoring shares between metrics and runs: networks, the present run's views, reference sets, priors."""

    def __init__(self, cache: Features, settings: Settings) -> None:
        self.features, self.settings = cache, settings
        self._views: dict[tuple[Path, str], Seen | ValueError] = {}
        self._references: dict[reference.Recipe, reference.Reference] = {}
        self._against: tuple[reference.Recipe, Tensor] | None = None
        self._priors: dict[Choice, Any] = {}
        self._stamps: dict[Choice, Any] = {}

    def networks(self, run: Run) -> dict[str, Choice]:
        """Role -> network for a run."""
        return {**features.defaults(run.spec.prior), **self.settings.embedders}

    def lacking(self, run: Run, metric: Metric) -> str:
        """Why a metric does not apply to a run, or ""."""
        for role in metric.roles:
            if role not in self.networks(run):
                return f"no network for the role {role} on pictures of {run.spec.prior.title}"
        wanted = self.settings.protocol(run, metric)
        if run.spec.engine and wanted not in run.spec.views:
            there = ", ".join(run.spec.views)
            made = f"runs by {run.spec.engine}"
            return f"no views {wanted} of {made}, which have {there} and no scene to look at again"
        off = metric.reference and not self.settings.references
        return "reference pictures are turned off" if off else ""

    def task(self, run: Run, name: str, source: str, metric: Metric) -> Task:
        """One metric on one run, and the digest of everything that its numbers depend on, found without loading any of it."""
        protocol = self.settings.protocol(run, metric)
        networks = {role: self.networks(run)[role] for role in metric.roles}
        request = {
            "metric": source,
            "version": __version__,
            "views": run.record.views.get(protocol, protocol),
            "background": self.settings.background,
            "networks": {role: self._stamp(choice) for role, choice in networks.items()},
            "text": run.spec.prompt.text,
            "reference": self._recipe(run).key if metric.reference else None,
        }
        digest = hashlib.sha256(canonical(request).encode()).hexdigest()
        return Task(run, name, metric, protocol, networks, digest)

    def _stamp(self, choice: Choice) -> Any:
        if choice not in self._stamps:
            self._stamps[choice] = features.stamp(choice)
        return self._stamps[choice]

    def value(self, task: Task) -> dict[str, Any]:
        """The scores of a task with their two descriptions.

        Raises:
            ValueError: one line, naming the file or the network that is at fault.
        """
        inputs = self._inputs(task)
        scores = [_finite(found) for found in task.metric.compute(inputs)]
        shared = self._comparability(task, len(inputs.azimuth))
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
        seen, text = self._load(task.run, task.protocol), task.run.spec.prompt.text

        def outputs(pictures: Tensor) -> dict[str, dict[str, Tensor]]:
            return {role: self.features.of(x, pictures) for role, x in task.networks.items()}

        clip = task.networks.get("clip")
        return Inputs(
            outputs=outputs(seen.pictures),
            azimuth=seen.azimuth,
            elevation=seen.elevation,
            text={"clip": self.features.text(clip, text)} if clip else {},
            reference=outputs(self._pictures(task.run)) if task.metric.reference else {},
            truth=networks["oracle"].truth(text) if "oracle" in networks else {},
        )

    def _pictures(self, run: Run) -> Tensor:
        """The reference pictures; the last set is kept, because a run's metrics and its prompt's other runs share it."""
        recipe = self._recipe(run)
        if self._against is None or self._against[0] != recipe:
            self._against = recipe, self._reference(run).pictures()
        return self._against[1]

    def _load(self, run: Run, protocol: str) -> "Seen":
        key = (run.folder, protocol)
        if key not in self._views:
            try:
                self._views[key] = Seen.of(
                    views_of(run, protocol, self.settings.device), self.settings.background
                )
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

    def _comparability(self, task: Task, n: int) -> dict[str, Any]:
        networks = {role: self.features.network(choice) for role, choice in task.networks.items()}
        recipe = self._recipe(task.run) if task.metric.reference else None
        return {
            "networks": {
                role: {"name": x.name, "digest": x.digest} for role, x in networks.items()
            },
            "background": self.settings.background,
            "protocol": task.protocol,
            **({"engine": task.run.spec.engine} if task.run.spec.engine else {}),
            "n": n,
            "reference": recipe and {"pool": recipe.pool, "n": recipe.n},
        }

    def _provenance(self, task: Task) -> dict[str, Any]:
        run, against = task.run, None
        if task.metric.reference:
            found = self._reference(run)
            made = {key: found.provenance.get(key) for key in ("device", "versions")}
            against = {"set": found.path.name, "digest": found.digest, **made}
        networks = [self.features.network(choice) for choice in task.networks.values()]
        return {
            "views": run.record.views.get(task.protocol),
            "reference": against,
            "device": _device(self.features.device),
            "threads": torch.get_num_threads(),
            "batch": {x.name: getattr(x, "batch", None) for x in networks},
            "versions": _versions(),
        }


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
