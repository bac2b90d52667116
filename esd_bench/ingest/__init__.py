"""ingest: somebody's assets become ordinary finished runs, so that they are scored and tabulated like ours.

A run stands for a suite, method, prompt and seed, and there is one of each: an asset that has changed, or is wanted with
other options, takes the old one's place. What it was made of is in the record's ``source``.
"""

import hashlib
import math
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench import __version__
from esd_bench.adapters import Pictures, Refused, Solid
from esd_bench.axes import axes, axis
from esd_bench.cameras import protocol
from esd_bench.ingest import _reading as reading
from esd_bench.ingest._framing import distance, filled, framed, placed
from esd_bench.ingest._listing import Item, of_manifest, of_path, passed_over
from esd_bench.pictures import sheet, turntable
from esd_bench.spec import Choice, RunSpec, Stage, canonical
from esd_bench.store import Run, RunRecord, RunStore
from esd_bench.views import ViewSet

__all__ = ["Item", "Settings", "Summary", "ingest", "of_manifest", "of_path", "passed_over"]

ENGINE = "ingest"
VERSION = 3
"""Rises when the same file gives other pictures: runs are then made again."""
EMPTY = 1e-3
"""Mean opacity of the views below which there is nothing to see."""
SHOWN = 192
"""Side of pictures for people, about."""
HELD = 2**30
"""Most bytes of an asset's views, which are held at once."""
CHUNK = 6
"""Views between two words of progress."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Settings:
    """How assets become runs.

    Attributes:
        suite: their suite; assets of one prompt are compared within one suite.
        prior: whose networks judge them and whose pictures are the reference: a folder or hub id of Stable Diffusion.
        up, front: the files' axes; "" is what the format says.
        views: protocols; the first is the sphere, the second the ring.
        size: side of the views in pixels; 0 is 64 for the embedded priors, whose networks see no more, and else 512.
        options: of adapters.
        again: make also what is there already.
    """

    suite: str = "ingested"
    prior: str = "embedded"
    up: str = ""
    front: str = ""
    views: tuple[str, ...] = ("sphere:120", "ring:15:36")
    size: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False

    def __post_init__(self) -> None:
        if not self.views or not 0 <= self.size <= 4096:
            raise ValueError("views need a protocol at least, and a size of at most 4096")
        count = sum(len(protocol(name)) for name in self.views)
        if 4 * count * self.side**2 > HELD:
            most = math.isqrt(HELD // (4 * count))
            raise ValueError(
                f"{count} views of {self.side} x {self.side} take more than {HELD} bytes; "
                f"take fewer views, or --size {most} at most"
            )
        for name in filter(None, (self.up, self.front)):
            axis(name)
        if self.up and self.front:
            axes(self.up, self.front)
        reading.check(self.options)

    @property
    def chosen(self) -> Choice:
        """The prior as specs have it."""
        return Choice.of("priors", "stable_diffusion", {"folder": self.prior})

    @property
    def side(self) -> int:
        """Of the views in pixels."""
        return self.size or (64 if self.prior in ("embedded", "embedded-biased") else 512)


@dataclass
class Summary:
    """What came of it.

    Attributes:
        made, kept: runs that were made now, and that were there already.
        replaced: of those made, how many took the place of another, or of the same asset as it was.
        failed: of both, those whose asset is broken or empty, and why: they count as failed runs.
        refused: assets that no run was made of, and why: more than is allowed, or another process is at it.
    """

    made: list[Run] = field(default_factory=list)
    kept: list[Run] = field(default_factory=list)
    replaced: int = 0
    failed: list[tuple[Item, str]] = field(default_factory=list)
    refused: list[tuple[Item, str]] = field(default_factory=list)


def ingest(
    items: Sequence[Item], store: RunStore, settings: Settings, progress: Progress | None = None
) -> Summary:
    """Make a run of every asset, going on past broken ones.

    Args:
        items: the assets.
        store: where the runs go.
        settings: how.
        progress: told how many views are done, of how many, and of what.
    """
    summary, tell = Summary(), progress or (lambda done, total, what: None)
    each = sum(len(protocol(name)) for name in settings.views)
    for number, item in enumerate(items):
        shown = item.path.name if item.path else item.prompt.text
        start = number * each

        def watch(done: int, start: int = start, shown: str = shown) -> None:
            tell(start + min(done, each), len(items) * each, shown)

        watch(0)
        try:
            run, new, before = _Work(item, store, settings, watch).run()
        except (Refused, ImportError, BlockingIOError) as error:
            summary.refused.append((item, str(error)))
            continue
        (summary.made if new else summary.kept).append(run)
        summary.replaced += before
        if run.record.status == "failed":
            summary.failed.append((item, run.record.reason))
    tell(len(items) * each, len(items) * each, "")
    return summary


@dataclass
class _Work:
    """One asset on its way to a run."""

    item: Item
    store: RunStore
    settings: Settings
    watch: Callable[[int], None]

    def run(self) -> tuple[Run, bool, bool]:
        """The asset's run, whether it is new, and whether it took another's place.

        What failed is looked at again: a missing texture, say, may be there now.

        Raises:
            Refused: when none can be made.
        """
        source, adapter = self._source()
        old = self._old()
        same = [x for x in old if x.record.source.get("request") == source["request"]]
        if self.settings.again:
            same = []
        elif same and same[0].record.status == "finished" and self._unchanged(same[0]):
            return same[0], False, False
        self._unjudged(old)
        began = time.perf_counter()
        views, told, reason = self._seen(adapter)
        if same and reason and same[0].record.reason == reason:
            return same[0], False, False
        spec = self._spec(tuple(views) or self.settings.views)
        with self.store.begin([spec]):
            run = self._stored(spec, views, reason, source | told, time.perf_counter() - began)
        for other in old:
            if other.folder != run.folder:
                shutil.rmtree(other.folder)
        return run, True, bool(old)

    def _unjudged(self, old: Sequence[Run]) -> None:
        """Refuse to throw away what people said of a run.

        Raises:
            Refused: unless it was asked for.
        """
        if not self.settings.again and any((run.folder / "labels").is_dir() for run in old):
            raise Refused(
                "people have judged the run that it would replace; "
                "--again replaces it all the same, another --suite or --out keeps both"
            )

    def _source(self) -> tuple[dict[str, Any], str]:
        """What the run is made of and how, and the adapter that reads it; "" where there is nothing to read."""
        path, chosen = self.item.path, self.settings
        if path is None:
            return {"request": "nothing"}, ""
        if not path.exists():
            raise Refused(f"{path.name} is not there")
        adapter = reading.adapter_of(path)
        if not adapter:
            raise Refused(
                f"no adapter reads {path.name}; `esd-bench list adapters` says what is read"
            )
        how = {
            "sha256": reading.digest(path),
            "adapter": adapter,
            "options": self._options(adapter),
            "up": chosen.up,
            "front": chosen.front,
        }
        everything: dict[str, Any] = {
            **how,
            **self._drawn,
            "prior": chosen.prior,
            "views": chosen.views,
            "size": chosen.side,
            "version": VERSION,
        }
        asked = hashlib.sha256(canonical(everything).encode()).hexdigest()
        return {"file": path.name, **how, "request": asked}, adapter

    @property
    def _drawn(self) -> dict[str, Any]:
        """Who was asked to draw, where it was not torch: other pictures, so other runs, also of what torch draws all the same."""
        asked = self.settings.options.get("renderer", "torch")
        return {} if asked == "torch" else {"renderer": asked}

    def _options(self, adapter: str) -> dict[str, Any]:
        """Those of the options that the adapter has; axes are one of those that places cameras by them."""
        named = {"up": self.settings.up, "front": self.settings.front}
        given = {key: value for key, value in named.items() if value}
        return reading.chosen(adapter, {**given, **self.settings.options})

    def _old(self) -> list[Run]:
        """Runs that stand for the same as this asset."""
        method = self._spec(()).method.title
        found = self.store.find(
            suite=self.settings.suite,
            prompt=self.item.prompt.id,
            method=method,
            seed=self.item.seed,
        )
        return [run for run in found if run.spec.engine == ENGINE]

    def _unchanged(self, run: Run) -> bool:
        """Whether the files that the asset named, such as textures, are what they were."""
        files = run.record.source.get("files") or {}
        folder = self.item.path.parent if self.item.path else Path()
        try:
            return all(reading.digest(folder / name) == x for name, x in files.items())
        except ValueError:
            return False

    def _seen(self, adapter: str) -> tuple[dict[str, ViewSet], dict[str, Any], str]:
        """The asset's views, what the adapter told of it, and why it is a failure, or ""."""
        if not adapter:
            return {}, {}, "the method made nothing"
        assert self.item.path
        try:
            asset = reading.read(self.item.path, adapter, self._options(adapter))
            if isinstance(asset, Pictures):
                views, told = dict(asset.views), _told(asset.facts, asset.views)
            else:
                views, told = self._looked(asset)
        except Refused:
            raise
        except ValueError as error:
            return {}, {}, " ".join(str(error).split())
        return views, told, _fault(views)

    def _looked(self, asset: Solid) -> tuple[dict[str, ViewSet], dict[str, Any]]:
        up, front = self.settings.up or asset.up, self.settings.front or asset.front
        turn, frame = _turn(up, front), framed(asset.points, asset.weights)
        views, done = {}, 0
        for name in self.settings.views:
            cameras = protocol(name, self.settings.side)
            there, parts = placed(cameras, frame, turn), []
            for start in range(0, len(cameras), CHUNK):
                parts.append(asset.look(there[slice(start, start + CHUNK)]))
                done += len(parts[-1])
                self.watch(done)
            views[name] = ViewSet(torch.cat(parts), cameras, name)
        where = {
            "up": up,
            "front": front,
            "centre": frame.centre.tolist(),
            "radius": frame.radius,
            "distance": distance(frame),
            "outside": frame.outside,
        }
        return views, {**_told(asset.facts, views), **where}

    def _spec(self, views: tuple[str, ...]) -> RunSpec:
        nothing = Choice("none")
        stage = Stage(Choice(self.item.method), nothing, nothing, steps=0)
        return RunSpec(
            suite=self.settings.suite,
            prompt=self.item.prompt,
            prior=self.settings.chosen,
            scene=Choice("asset", tuple(self._drawn.items())),
            stages=(stage,),
            seed=self.item.seed,
            views=views,
            view_size=self.settings.side,
            preset=ENGINE,
            engine=ENGINE,
        )

    def _stored(
        self,
        spec: RunSpec,
        views: Mapping[str, ViewSet],
        reason: str,
        source: Mapping[str, Any],
        seconds: float,
    ) -> Run:
        folder = self.store.working(spec)
        shutil.rmtree(folder / "views", ignore_errors=True)  # of an attempt that was killed
        for name, found in views.items():
            found.save(folder / "views" / name.replace(":", "-"))
        if views:
            _show(views, spec, folder)
        record = RunRecord(
            status="failed" if reason else "finished",
            reason=reason,
            label=spec.label,
            seconds=round(seconds, 2),
            threads=torch.get_num_threads(),
            versions={
                "esd-bench": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            views={name: found.digest for name, found in views.items()},
            source=source,
        )
        self.store.log(spec, {"step": 0, "seconds": record.seconds})
        return self.store.finish(spec, record, {})


def _show(views: Mapping[str, ViewSet], spec: RunSpec, folder: Path) -> None:
    """A contact sheet and a turntable for people, no larger than a screen."""
    name = next((x for x in views if x.startswith("ring")), next(iter(views)))
    picked = views[name].over("white")[:: max(1, len(views[name]) // 12)][:12]
    side = min(SHOWN, spec.view_size)
    small = torch.nn.functional.interpolate(picked, (side, side), mode="area")
    sheet([(f"{spec.prompt.text}\n{spec.label}", small)], folder / "sheet.png")
    frames = views[name].over("white")
    turntable(frames, folder / "turntable.webp", max(1, SHOWN // frames.shape[-1]))


def _turn(up: str, front: str) -> Float[Tensor, "3 3"]:
    """Axes of which the user may have named one only: that the other is in its way says nothing of the asset."""
    try:
        return axes(up, front)
    except ValueError as error:
        raise Refused(str(error)) from None


def _told(facts: Mapping[str, Any], views: Mapping[str, ViewSet]) -> dict[str, Any]:
    """An adapter's facts, and how much of the pictures the object fills."""
    both = {name: filled(found) for name, found in views.items()}
    return {
        **facts,
        "fill_ratio": {name: round(x[0], 4) for name, x in both.items()},
        "coverage": {name: round(x[1], 4) for name, x in both.items()},
    }


def _fault(views: Mapping[str, ViewSet]) -> str:
    """Why an asset that could be read is a failure all the same, or ""."""
    opaque: Iterable[float] = (float(x.rgba[:, 3].double().mean()) / 255 for x in views.values())
    return "empty: nothing was left to see" if max(opaque, default=0.0) < EMPTY else ""
