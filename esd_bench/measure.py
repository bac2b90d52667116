"""One metric on one run: the pictures, networks and references that it needs, its numbers, and what they depend on.

A result holds two descriptions of the numbers: ``comparability``, of which ``key`` is the digest (numbers with different keys
or different versions of a score must not share a column), and ``provenance``, which may differ between rows.
"""

import hashlib
import importlib.metadata
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from esd_bench import __version__, features, reference, stored
from esd_bench.cameras import protocol
from esd_bench.features import Features
from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.prompts import load_suite, suite_names
from esd_bench.spec import Choice, canonical
from esd_bench.store import Run
from esd_bench.views import BACKGROUNDS, ViewSet

INSTEAD = "sphere="
SUPERVISED = (-10.0, 45.0)
"""Degrees of elevation that the paper's training cameras see."""


@dataclass(frozen=True)
class Settings:
    """How to score.

    Attributes:
        background: what is put behind the views (a key of :data:`esd_bench.views.BACKGROUNDS`).
        views: protocols that replace the run's own: one that begins with ``ring`` its ring, any other its sphere;
            ``sphere=ring:15:119`` has metrics of the sphere look at a ring, for assets of which nothing else is there.
        band: degrees of elevation; what is scored on a sphere is scored on its views in the band alone as well. None: not.
        device: where networks and priors run.
        references: pictures per reference set; 0 leaves out the metrics that need one.
        scale, steps: guidance and DDIM steps of the reference pictures.
        embedders: role -> network, where it isn't the default of the prior's family.
        fid_mode: the library whose way of resizing the 2015 Inception network follows; None is that network's default.
        reference_root: the reference cache; None is its default place.
        again: score also what is scored already.
    """

    background: str = "white"
    views: tuple[str, ...] = ()
    band: tuple[float, float] | None = SUPERVISED
    device: str = "cpu"
    references: int = 48
    scale: float = 7.5
    steps: int = 25
    embedders: Mapping[str, Choice] = field(default_factory=dict)
    fid_mode: str | None = None
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
            protocol(name.removeprefix(INSTEAD))
        if self.band and not -90 <= self.band[0] < self.band[1] <= 90:
            raise ValueError(f"a band is two rising elevations in degrees, not {self.band}")
        if self.fid_mode:
            features.with_fid_mode({}, self.fid_mode)

    def protocol(self, run: Run, metric: Metric) -> str:
        """The views that a metric reads of a run."""
        ring = metric.views == "ring"
        kind = [v for v in run.spec.views if v.startswith("ring") == ring]
        own = kind[0] if kind else ("ring:15:36" if ring else "sphere:120")
        asked = next((v for v in self.views if v.startswith("ring") == ring), own)
        return asked.removeprefix(INSTEAD)


@dataclass(frozen=True)
class Task:
    """One metric on one run.

    Attributes:
        protocol: the views that are looked at.
        band: degrees of elevation; None is all of them. The views of a Fibonacci sphere in a band are spread by area over
            it, as a band of its own would be, and cost no second render and no forward. They are fewer (52 of 120), so
            their IV, IG, FID compare at that n only, with each other and not with the sphere's; n is in the key. IQ and
            the CLIP distance are means over views, and there the two may be compared.
        others: the texts that the prompt is to be told from, where the metric asks.
    """

    run: Run
    name: str
    metric: Metric
    protocol: str
    networks: Mapping[str, Choice]
    band: tuple[float, float] | None = None
    others: tuple[str, ...] = ()
    request: str = ""

    @property
    def views(self) -> str:
        """What the numbers are of: the protocol, or the part of it."""
        if not self.band:
            return self.protocol
        return f"band:{self.band[0]:g}:{self.band[1]:g} of {self.protocol}"

    @property
    def stem(self) -> str:
        """Name of the file of scores."""
        own = self.views in self.run.spec.views
        return self.name if own else f"{self.name}@{self.views.replace(':', '-').replace(' ', '-')}"


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
    """What scoring shares between metrics and runs: networks, the present run's views, reference sets, priors.

    Args:
        cache: the networks.
        settings: how to score.
        texts: suite -> texts of all its runs, for suites that don't ship.
    """

    def __init__(
        self, cache: Features, settings: Settings, texts: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.features, self.settings, self._texts = cache, settings, dict(texts or {})
        self._shipped: dict[str, tuple[str, ...]] = {}
        self.reader = stored.Reader(self._read)
        self._views: dict[tuple[Path, str], Seen | ValueError] = {}
        self._answers: dict[tuple[str, Choice], dict[str, Tensor]] = {}
        self._set: tuple[reference.Recipe, reference.Reference] | None = None
        self._against: tuple[reference.Recipe, Tensor] | None = None
        self._priors: dict[Choice, Any] = {}
        self._stamps: dict[Choice, Any] = {}

    def networks(self, run: Run) -> dict[str, Choice]:
        """Role -> network for a run."""
        chosen = {**features.defaults(run.spec.prior), **self.settings.embedders}
        mode = self.settings.fid_mode
        return features.with_fid_mode(chosen, mode) if mode else chosen

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
        if metric.others and not self._others(run):
            return f"the suite {run.spec.suite} holds one prompt: there is nothing to tell it from"
        off = metric.reference and not self.settings.references
        return "reference pictures are turned off" if off else ""

    def tasks(self, run: Run, name: str, source: str, metric: Metric) -> list[Task]:
        """One metric on one run: on all views, and on those of a sphere that lie in the band.

        Each with the digest of everything that its numbers depend on, found without loading any of it.
        """
        wanted = self.settings.protocol(run, metric)
        band = self.settings.band
        bands = [None, band] if band and _seen_from(wanted, band) > 1 else [None]
        networks = {role: self.networks(run)[role] for role in metric.roles}
        others = self._others(run) if metric.others else ()
        made = [Task(run, name, metric, wanted, networks, some, others) for some in bands]
        return [replace(task, request=self._request(task, source)) for task in made]

    def _request(self, task: Task, source: str) -> str:
        run, metric = task.run, task.metric
        request = {
            "metric": source,
            "version": __version__,
            "views": run.record.views.get(task.protocol, task.protocol),
            "band": task.band,
            "background": self.settings.background,
            "networks": {role: self._stamp(choice) for role, choice in task.networks.items()},
            "text": run.spec.prompt.text,
            "others": task.others,
            "reference": self._recipe(run).key if metric.reference else None,
        }
        return hashlib.sha256(canonical(request).encode()).hexdigest()

    def _others(self, run: Run) -> tuple[str, ...]:
        """The other texts of a run's suite: of the suite as it ships, else of the runs that are scored together."""
        suite, text = run.spec.suite, run.spec.prompt.text
        if suite not in self._shipped:
            ships = suite in suite_names()
            known = tuple(prompt.text for prompt in load_suite(suite).prompts) if ships else ()
            self._shipped[suite] = tuple(sorted(set(known)))
        texts = self._shipped[suite]
        return tuple(
            x for x in (texts if text in texts else self._texts.get(suite, ())) if x != text
        )

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
            **_places(inputs, scores),
            "network": ", ".join(dict.fromkeys(x["name"] for x in shared["networks"].values())),
            "key": hashlib.sha256(canonical(shared).encode()).hexdigest()[:16],
            "comparability": shared,
            "provenance": self._provenance(task),
            "request": task.request,
        }

    def forget(self) -> None:
        """Let the present run's views go."""
        self._views.clear()
        self._answers.clear()

    def _inputs(self, task: Task) -> Inputs:
        networks = {role: self.features.network(x, role) for role, x in task.networks.items()}
        seen, text = self._load(task.run, task.protocol), task.run.spec.prompt.text
        kept = _within(seen.elevation, task.band)
        clip = task.networks.get("clip")
        whole = self._outputs(task, task.protocol, seen.pictures)
        against = self._pictures(task.run) if task.metric.reference else None
        return Inputs(
            outputs=_rows(whole, kept),
            azimuth=seen.azimuth[kept],
            elevation=seen.elevation[kept],
            text={"clip": self.features.text(clip, text)} if clip else {},
            others=self._embedded(clip, task.others) if clip and task.others else {},
            reference={} if against is None else self._outputs(task, "reference", against),
            truth=networks["oracle"].truth(text) if "oracle" in networks else {},
            worded=self._worded(task, text),
            mirrored=_rows(self._mirrored(task, seen), kept) if task.metric.mirrored else {},
        )

    def _outputs(self, task: Task, what: str, pictures: Tensor) -> dict[str, dict[str, Tensor]]:
        """Role -> outputs; kept while the run is scored, since several metrics and bands read the same."""
        for choice in task.networks.values():
            if (what, choice) not in self._answers:
                self._answers[what, choice] = self.features.of(choice, pictures)
        return {role: self._answers[what, choice] for role, choice in task.networks.items()}

    def _mirrored(self, task: Task, seen: Seen) -> dict[str, dict[str, Tensor]]:
        return self._outputs(task, f"{task.protocol}, mirrored", seen.pictures.flip(-1))

    def _embedded(self, clip: Choice, texts: Sequence[str]) -> dict[str, Tensor]:
        return {"clip": torch.cat([self.features.text(clip, text) for text in texts])}

    def _worded(self, task: Task, text: str) -> dict[str, Tensor]:
        return {
            wording: self.features.text(task.networks["clip"], wording.replace("{}", text))
            for wording in task.metric.texts
        }

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
                self._views[key] = self.reader.read(run, protocol)
            except ValueError as error:
                self._views[key] = error
        found = self._views[key]
        if isinstance(found, ValueError):
            raise found
        return found

    def _read(self, run: Run, protocol: str) -> "Seen":
        views = stored.views_of(run, protocol, self.settings.device)
        return Seen.of(views, self.settings.background)

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
        if self._set is None or self._set[0] != recipe:
            found = reference.get(recipe, root)
            self._set = recipe, found or self._build(run, recipe, root)
        return self._set[1]

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
            "protocol": task.views,
            **({"texts": _digest_of(task)} if task.metric.others else {}),
            **({"engine": task.run.spec.engine} if task.run.spec.engine else {}),
            **({"renderer": asked} if (asked := task.run.spec.scene.get("renderer")) else {}),
            **({"lossy": lossy} if (lossy := task.run.record.source.get("lossy")) else {}),
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
            "versions": versions(),
        }


def _within(elevation: Float[Tensor, " n"], band: tuple[float, float] | None) -> Bool[Tensor, " n"]:
    low, high = band or (-90.0, 90.0)
    return (elevation >= math.radians(low)) & (elevation <= math.radians(high)) | (band is None)


def _seen_from(name: str, band: tuple[float, float]) -> int:
    """How many views of a sphere lie in a band; none of another protocol, which is what the user asked for."""
    if not name.startswith("sphere"):
        return 0
    return int(_within(protocol(name).elevation, band).sum())


def _places(inputs: Inputs, scores: Sequence[Score]) -> dict[str, Any]:
    """Where the views of the per-view values were seen from, in radians, once for all scores of a file."""
    if not any(found.per_view for found in scores):
        return {}
    angles = {"azimuth": inputs.azimuth, "elevation": inputs.elevation}
    return {"views": {k: [round(float(x), 6) for x in v] for k, v in angles.items()}}


def _digest_of(task: Task) -> dict[str, Any]:
    """The texts that a prompt is told from, itself among them: the same for all prompts of a suite."""
    texts = sorted({*task.others, task.run.spec.prompt.text})
    return {"n": len(texts), "digest": hashlib.sha256(canonical(texts).encode()).hexdigest()}


def _rows(found: Mapping[str, Mapping[str, Tensor]], kept: Any) -> dict[str, dict[str, Tensor]]:
    """Some views of all outputs."""
    return {role: {k: v[kept] for k, v in outputs.items()} for role, outputs in found.items()}


def _finite(found: Score) -> Score:
    if found.value is None or math.isfinite(found.value):
        return found
    return replace(found, value=None, note=found.note or f"not finite: {found.value}")


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


@cache
def versions() -> dict[str, str]:
    """Of everything that a score's last digits depend on.

    Raises:
        PackageNotFoundError: naming the one that is not installed.
    """
    named = ("torch", "open_clip_torch", "torch-fidelity", "numpy", "scipy", "pillow")
    found = {name: importlib.metadata.version(name) for name in named}
    return {"esd-bench": __version__, "python": platform.python_version(), **found}
