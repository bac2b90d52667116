"""Pools of pictures with known pose: rendered once, stored as ``.npy``, composited on fresh backgrounds when used.

``front`` looks at the front (azimuth about N(0, 22 degrees)), ``around`` from every azimuth; both at the elevations of
ordinary photographs. A prior with a front bias of .95 takes that share of its pictures from ``front``. ``sphere`` sees
objects from everywhere, for the models that judge. One picture in ten is a normal map, one in four looks through a window.
"""

import logging
import math
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.lib.format import open_memmap
from torch import Tensor

from esd_bench.cameras import DISTANCE, FOV, Cameras, compass, orbit
from esd_bench.embedded import raycast
from esd_bench.embedded.captions import Picture, Subject
from esd_bench.embedded.kinds import EXTRAS, NAMES, extras
from esd_bench.embedded.objects import assemble
from esd_bench.embedded.parts import COLOURS

log = logging.getLogger(__name__)
SIZE = 64
POOLS = {"sphere": 160_000, "around": 80_000, "front": 160_000, "held-out": 8_192}
"""Pictures per pool; ``held-out`` is like ``sphere`` with objects that no training stage sees."""
SEEDS = {"sphere": 11, "around": 12, "front": 13, "held-out": 14}
SPREAD, SPREAD_LIMIT = math.radians(22), math.radians(60)
LOW, HIGH, ABOVE = math.radians(-10), math.radians(45), 0.06
"""Elevations of ``front`` and ``around``, and the share that looks down from higher than that."""
PLAIN, NORMALS, WINDOWED = 0.45, 0.10, 0.25
"""Shares of objects without an extra, of normal maps, and of windows."""


@dataclass(frozen=True)
class Labels:
    """What is true of each picture: word indices, pose in radians, window word, and whether it is a normal map."""

    kind: Int[Tensor, " n"]
    colour: Int[Tensor, " n"]
    extra: Int[Tensor, " n"]
    azimuth: Float[Tensor, " n"]
    elevation: Float[Tensor, " n"]
    window: Int[Tensor, " n"]
    normals: Bool[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, index: slice | Tensor) -> "Labels":
        return Labels(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device | str) -> "Labels":
        """The same labels elsewhere."""
        return Labels(*(getattr(self, f.name).to(device) for f in fields(self)))

    @property
    def compass(self) -> Int[Tensor, " n"]:
        """Index into :data:`esd_bench.cameras.COMPASS` of each view."""
        return compass(self.azimuth, self.elevation)

    def pictures(self) -> list[Picture]:
        """What captions may say, one item per picture."""
        colours = list(COLOURS)
        columns = (self.kind, self.colour, self.extra, self.compass, self.window, self.normals)
        return [
            Picture(Subject(NAMES[k], colours[c], EXTRAS[e]), word, window, normals)
            for k, c, e, word, window, normals in zip(*(x.tolist() for x in columns), strict=True)
        ]


def pose(pool: str, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Azimuth and elevation in radians of ``n`` views of a pool."""
    azimuth = (torch.rand(n, generator=generator) * 2 - 1) * math.pi
    if pool not in ("front", "around"):
        return azimuth, torch.asin(torch.rand(n, generator=generator) * 2 - 1)
    if pool == "front":
        azimuth = (torch.randn(n, generator=generator) * SPREAD).clamp(-SPREAD_LIMIT, SPREAD_LIMIT)
    share = torch.rand(n, generator=generator)
    usual = LOW + (HIGH - LOW) * share
    higher = HIGH + (math.pi / 2 - HIGH) * share
    return azimuth, torch.where(torch.rand(n, generator=generator) < ABOVE, higher, usual)


def windows(n: int, generator: torch.Generator) -> tuple[raycast.Window, Int[Tensor, " n"]]:
    """Zooms, and shifts that push the object partly out of the picture; with the index of the word for it."""
    u = torch.rand(n, 5, generator=generator)
    word = torch.where(u[:, 0] < WINDOWED, torch.where(u[:, 0] < WINDOWED / 2, 1, 2), 0)
    angle = 2 * math.pi * u[:, 1]
    way = torch.stack([angle.cos(), angle.sin()], 1)
    scale = torch.stack([torch.ones(n), 0.4 + 0.35 * u[:, 2], 0.75 + 0.45 * u[:, 2]], 1)
    shift = torch.stack([torch.zeros(n), 0.35 * u[:, 3], 0.40 + 0.45 * u[:, 3]], 1)
    pick = word[:, None]
    return torch.cat([scale.gather(1, pick), way * shift.gather(1, pick)], 1), word


def draw(pool: str, n: int, seed: int) -> tuple[Labels, raycast.Window]:
    """Labels of ``n`` random pictures, sorted by template so that neighbours share primitive shapes."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.randint(len(NAMES), (n,), generator=generator).sort().values
    worn = torch.tensor([[EXTRAS.index(x) for x in (*extras(k), *[""] * 6)[:6]] for k in NAMES])
    options = torch.tensor([len(extras(k)) - 1 for k in NAMES])
    choice = 1 + (torch.rand(n, generator=generator) * options[kind]).long()
    choice[torch.rand(n, generator=generator) < PLAIN] = 0
    extra = worn[kind, choice]
    order = (kind * len(EXTRAS) + extra).argsort(stable=True)
    colour = torch.randint(len(COLOURS), (n,), generator=generator)
    azimuth, elevation = pose(pool, n, generator)
    window, word = windows(n, generator)
    normals = torch.rand(n, generator=generator) < NORMALS
    return Labels(kind[order], colour, extra[order], azimuth, elevation, word, normals), window


def cameras_of(labels: Labels, generator: torch.Generator) -> Cameras:
    """Cameras at the labels' poses, the distance within 7 % of the evaluation's."""
    distance = DISTANCE * (0.93 + 0.14 * torch.rand(len(labels), generator=generator))
    return orbit(labels.azimuth, labels.elevation, distance, FOV, SIZE)


def render(
    labels: Labels, window: raycast.Window, seed: int, device: str
) -> UInt8[Tensor, "n 4 h w"]:
    """8-bit RGBA pictures of fresh variants of the labelled objects."""
    generator = torch.Generator().manual_seed(seed)
    things = assemble(labels.kind, labels.colour, labels.extra, generator, device=device)
    cameras = cameras_of(labels, generator).to(device)
    rgba = raycast.cast(things, cameras, window.to(device), labels.normals.to(device))
    return (rgba * 255).round().to(torch.uint8)


def build(
    pool: str, folder: Path, n: int | None = None, device: str = "cpu", batch: int = 4096
) -> Path:
    """Renders a pool into ``folder``; labels are written last and mark it complete."""
    n = n or POOLS[pool]
    folder.mkdir(parents=True, exist_ok=True)
    done, pixels = folder / f"{pool}.npz", folder / f"{pool}.npy"
    if done.exists() and length(folder, pool) == n:
        return done
    start, seed = time.time(), SEEDS[pool]
    labels, window = draw(pool, n, seed)
    store = open_memmap(pixels, mode="w+", dtype=np.uint8, shape=(n, 4, SIZE, SIZE))
    for i in range(0, n, batch):
        part = slice(i, min(n, i + batch))
        store[part] = render(labels[part], window[part], seed * 1_000_003 + i, device).cpu().numpy()
    store.flush()
    partial = folder / f"{pool}-{os.getpid()}.tmp.npz"
    np.savez(partial, **{name: column.numpy() for name, column in asdict(labels).items()})
    partial.replace(done)
    rate = n / (time.time() - start)
    log.info("[data] %s: %d pictures, %.0f per second", pool, n, rate)
    return done


def length(folder: Path, pool: str) -> int:
    """Number of pictures of a stored pool.

    Raises:
        ValueError: if it is not there.
    """
    labels = folder / f"{pool}.npz"
    if not labels.exists():
        raise ValueError(f"no pool {pool!r} in {folder}: run the data stage first")
    return len(np.load(labels)["kind"])


@dataclass(frozen=True)
class Pool:
    """Pictures (8-bit RGBA) and their labels on one device."""

    rgba: UInt8[Tensor, "n 4 h w"]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, index: Tensor, backdrop: str = "any") -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1] on random backgrounds, normal maps on black."""
        rgba = self.rgba[index].float() / 255
        ground = BACKDROPS[backdrop](len(rgba), rgba.device)
        return raycast.over(rgba, torch.where(self.labels.normals[index][:, None], 0.0, ground))


def load(folder: Path, *pools: str, device: str = "cpu") -> Pool:
    """Pools from disk, one after the other.

    Raises:
        ValueError: if one is not there.
    """
    labels, rgba = [], []
    for pool in pools:
        length(folder, pool)
        columns = np.load(folder / f"{pool}.npz")
        labels.append([torch.from_numpy(columns[f.name]) for f in fields(Labels)])
        rgba.append(torch.from_numpy(np.load(folder / f"{pool}.npy")).to(device))
    joined = Labels(*(torch.cat(column) for column in zip(*labels, strict=True)))
    return Pool(torch.cat(rgba), joined.to(device))


def pale(n: int, device: torch.device | str) -> Float[Tensor, "n 3"]:
    """Light greys with a breath of colour: what the prior's pictures stand on."""
    grey = 0.6 + 0.4 * torch.rand(n, 1, device=device)
    return (grey + 0.03 * torch.randn(n, 3, device=device)).clamp(0.5, 1)


def any_background(n: int, device: torch.device | str) -> Float[Tensor, "n 3"]:
    """Half pale, the rest white, grey or any colour: what judges must not mind."""
    u = torch.rand(n, 1, device=device)
    grey = torch.rand(n, 1, device=device).expand(-1, 3)
    other = torch.where(u < 0.85, grey, torch.rand(n, 3, device=device))
    return torch.where(u < 0.5, pale(n, device), torch.where(u < 0.7, 1.0, other))


def white(n: int, device: torch.device | str) -> Float[Tensor, "n 3"]:
    """White, as in the evaluation."""
    return torch.ones(n, 3, device=device)


BACKDROPS = {"pale": pale, "any": any_background, "white": white}
