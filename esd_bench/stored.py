"""A run's scene made anew, from its spec and from disk, and pictures of it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from esd_bench.cameras import Cameras, protocol
from esd_bench.particles import Particles
from esd_bench.spec import RunSpec
from esd_bench.store import Run
from esd_bench.views import ViewSet, quantise

Read = TypeVar("Read")


def scene_at(spec: RunSpec, stage: int, seeds: Int[Tensor, " p"]) -> Any:
    """The scene of a stage (counted from 1) as it begins from noise, a member for each seed."""
    make = partial(spec.scene_at(stage).make, "scenes")
    return make(seeds) if spec.particles == 1 else Particles(make, seeds, spec.particles)


def stored_scene(run: Run, device: str | torch.device = "cpu") -> Any:
    """The optimised scene of a finished run, a pack of one.

    Raises:
        ValueError: when it is missing or broken.
    """
    scene = scene_at(run.spec, len(run.spec.stages), torch.tensor([run.spec.seed]))
    try:
        scene.load_state_dict(load_file(run.scene_file))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"cannot read {run.scene_file}: {first}") from None
    return scene.to(device)


@torch.no_grad()
def look(scene: Any, cameras: Cameras, name: str, chunk: int = 12) -> ViewSet:
    """The evaluation views of a scene that is a pack of one, a few at a time."""
    device = next(iter(scene.state_dict().values())).device
    parts = []
    for start in range(0, len(cameras), chunk):
        render = scene.render(cameras[slice(start, start + chunk)].to(device))
        parts.append(quantise(render.rgb, render.opacity))
    return ViewSet(torch.cat(parts), cameras, name)


def views_of(run: Run, name: str, device: str | torch.device = "cpu") -> ViewSet:
    """The stored views of a protocol, or, of one that the run did not store, views rendered from its scene.

    Raises:
        ValueError: when they are broken, not the ones that the run's record names, or can't be made.
    """
    folder = run.views_folder(name)
    if not folder.is_dir() and name not in run.record.views:
        if not run.scene_file.is_file():
            there = ", ".join(run.record.views) or "none"
            raise ValueError(
                f"{run.folder} holds no views {name!r} and no scene to make them from; it holds: {there}"
            )
        return look(stored_scene(run, device), protocol(name, run.spec.view_size), name)
    views = ViewSet.load(folder)
    if run.record.views.get(name, views.digest) != views.digest:
        raise ValueError(f"the views in {folder} have changed since the run was made")
    return views


class Reader(Generic[Read]):
    """What is read of one run after another; while the present run is worked on, a thread reads of the next one.

    What the present run is read for, the next one is taken to be as well: of runs that need nothing, nothing is read. No more
    than one run is held.

    Args:
        read: run and protocol -> whatever is made of the views.
    """

    def __init__(self, read: Callable[[Run, str], Read]) -> None:
        self._read, self._pool = read, ThreadPoolExecutor(1)
        self._coming: dict[tuple[Path, str], Future[Read]] = {}
        self._next: Run | None = None

    def over(self, runs: Iterable[Run]) -> Iterator[Run]:
        """The runs, in order; the one that was given last is the present one."""
        coming = iter(runs)
        present = next(coming, None)
        while present is not None:
            self._next = next(coming, None)
            yield present
            self._coming = {k: x for k, x in self._coming.items() if k[0] != present.folder}
            present = self._next

    def read(self, run: Run, protocol: str) -> Read:
        """Of the present run: what was read ahead, or is read now."""
        found, later = self._coming.pop((run.folder, protocol), None), self._next
        # Views that were not stored take a render, which is no work for a thread beside the networks.
        if later is not None and later.views_folder(protocol).is_dir():
            self._coming[later.folder, protocol] = self._pool.submit(self._read, later, protocol)
        return self._read(run, protocol) if found is None else found.result()
