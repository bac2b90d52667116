"""A multi-resolution hash grid and two small networks (Instant-NGP, arXiv 2201.05989): the scene for a GPU.

Defaults are those of threestudio's ProlificDreamer and DreamFusion configurations unless said otherwise.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.renderers import Renderer
from esd_bench.renderers.volume import volume
from esd_bench.scenes import Render, Scene
from esd_bench.scenes import _hash as plain
from esd_bench.scenes._light import lit
from esd_bench.scenes._mlp import PackMLP, harmonics
from esd_bench.scenes._occupancy import Occupancy
from esd_bench.scenes._penalties import penalties

Backend = Literal["auto", "torch", "triton", "tinycudann"]


def hashgrid(
    seeds: Int[Tensor, " p"],
    /,
    *,
    levels: int = 16,
    features: int = 2,
    base: int = 16,
    finest: int = 4096,
    log2_rows: int = 19,
    hidden: int = 64,
    samples: int = 128,
    evaluation_samples: int = 256,
    chunk: int = 2**21,
    occupancy: int = 0,
    kept: float = 0.25,
    blob: float = 10.0,
    blob_radius: float = 0.5,
    start_level: int | None = None,
    grow: tuple[float, float] = (0.2, 0.6),
    normals: bool = False,
    normal_step: float = 0.01,
    shading: Literal["none", "lit"] = "none",
    background: Literal["none", "learned"] = "none",
    backend: Backend = "auto",
    table_rate: float = 0.01,
    network_rate: float = 0.001,
) -> Scene:
    """A pack of hash-grid scenes, one per seed.

    Args:
        seeds: the initial values of a member depend on its seed alone.
        levels: resolutions, growing geometrically.
        features: per level.
        base: vertices per side of the coarsest level.
        finest: of the finest.
        log2_rows: logarithm of the most rows that a level has; finer levels share rows by hashing.
        hidden: width of the one hidden layer of each network.
        samples: per ray in training. threestudio takes 512.
        evaluation_samples: per ray without draws.
        chunk: most samples of the pack at a time; what more pictures need is computed again in the backward pass.
        occupancy: cells per side of a grid that tells which samples to skip in training; 0 skips none, threestudio has 32.
        kept: with such a grid, most samples that are computed, as a share of all; what is too much is dropped at the far end.
        blob: raw density at the origin before training, falling linearly to 0 at ``blob_radius``.
        blob_radius: in world units.
        start_level: how many levels are seen at first; None is all of them, threestudio's DreamFusion has 8.
        grow: shares of training between which the other levels appear, one after another.
        normals: render normals, and their orientation penalty, by differences of the density at four more points.
        normal_step: distance of these points, in world units.
        shading: ``lit`` puts a lamp near the camera in training (DreamFusion's); it needs normals.
        background: ``learned`` is a small network of the view direction behind the object.
        backend: what looks up the table; ``auto`` is the fastest there is. tinycudann has packs of one only.
        table_rate: learning rate of the table.
        network_rate: learning rate of the networks.

    Raises:
        ValueError: for a backend that can't serve this pack.
        ImportError: for one that is not installed.
    """
    shape = plain.resolutions(levels, base, finest, log2_rows)
    scene = HashGrid(seeds, shape, features, hidden, background == "learned")
    scene.renderer = volume(
        samples=samples,
        evaluation_samples=evaluation_samples,
        chunk=chunk,
        recompute=True,
        kept=kept,
    )
    scene.backend = checked(backend, len(seeds))
    scene.blob, scene.blob_radius = blob, blob_radius
    if shading == "lit" and not normals:
        raise ValueError("hashgrid.shading=lit needs hashgrid.normals=true")
    scene.lamp = shading == "lit"
    scene.start_level, scene.grow = levels if start_level is None else start_level, grow
    scene.normal_step = normal_step if normals else None
    scene.table_rate, scene.network_rate = table_rate, network_rate
    if occupancy:
        scene.occupancy = Occupancy(len(seeds), occupancy, 2 / samples, seeds.device)
        scene.occupancy.fill(scene.density_at)
    return scene


class HashGrid(nn.Module):
    """See :func:`hashgrid`."""

    renderer: Renderer
    backend: Backend
    blob: float
    blob_radius: float
    start_level: int
    grow: tuple[float, float]
    normal_step: float | None
    lamp: bool
    table_rate: float
    network_rate: float
    tetrahedron: Tensor

    def __init__(
        self,
        seeds: Int[Tensor, " p"],
        levels: tuple[plain.Level, ...],
        features: int,
        hidden: int,
        background: bool,
    ) -> None:
        super().__init__()
        self.members, self.levels = len(seeds), levels
        draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=seeds.device))
        rows = sum(x.rows for x in levels)
        self.table = nn.Parameter((2 * draws.uniform("hashgrid table", rows, features) - 1) * 1e-4)
        width = len(levels) * features
        self.density = PackMLP("hashgrid density", draws, (width, hidden, 1))
        self.colour = PackMLP("hashgrid colour", draws, (width, hidden, 3))
        corners = [[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]
        self.register_buffer("tetrahedron", torch.tensor(corners), persistent=False)
        sky = PackMLP("hashgrid background", draws, (9, 16, 16, 3)) if background else None
        self.background = sky
        self.occupancy: Occupancy | None = None

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """Pictures; see :class:`esd_bench.scenes.Scene`."""
        shown, occupied = self._shown(progress), None
        if self.occupancy is not None and draws is not None:
            self.occupancy.look(partial(self.density_at, shown=shown), draws)
            occupied = self.occupancy.occupied
        field = partial(self.field, shown=shown)
        render = self.renderer(field, cameras, self.members, draws, occupied)
        if self.lamp and draws is not None and progress is not None:
            render = lit(render, cameras, progress, draws)
        if self.background is None:
            return render
        return replace(render, background=self._sky(cameras))

    def field(
        self, points: Float[Tensor, "p n 3"], shown: Float[Tensor, "codes 1"] | None = None
    ) -> tuple[Tensor, ...]:
        """Density, colour and, if they are asked for, normals."""
        code = self._code(points, shown)
        density = self._density(code, points)
        rgb = torch.sigmoid(self.colour(code)).transpose(1, 2)
        if self.normal_step is None:
            return density, rgb
        return density, rgb, self._normals(points, shown, self.normal_step)

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """Sparsity, opaque and, with normals, orientation, per member."""
        return penalties(render, self.members)

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """The table learns ten times as fast as the networks."""
        networks = [p for name, p in self.named_parameters() if name != "table"]
        return [([self.table], self.table_rate), (networks, self.network_rate)]

    def density_at(
        self, points: Float[Tensor, "p n 3"], shown: Float[Tensor, "codes 1"] | None = None
    ) -> Float[Tensor, "p n"]:
        """Density alone."""
        return self._density(self._code(points, shown), points)

    def _code(self, points: Tensor, shown: Tensor | None) -> Float[Tensor, "p codes n"]:
        code = encoder(self.backend, points)(self.table, points, self.levels)
        return code if shown is None else code * shown

    def _density(self, code: Tensor, points: Tensor) -> Float[Tensor, "p n"]:
        blob = self.blob * (1 - points.norm(dim=-1) / self.blob_radius)
        return functional.softplus(self.density(code)[:, 0] + blob)

    def _normals(self, points: Tensor, shown: Tensor | None, step: float) -> Float[Tensor, "p n 3"]:
        """Minus the direction of the density's gradient, from the four corners of a tetrahedron round each point."""
        rise = torch.zeros_like(points)
        for corner in self.tetrahedron:
            near = (points + step * corner).clamp(-1, 1)
            rise = rise + self.density_at(near, shown)[..., None] * corner
        return -functional.normalize(rise, dim=-1)

    def _shown(self, progress: Tensor | None) -> Float[Tensor, "codes 1"] | None:
        """Which levels are seen: threestudio's ProgressiveBandHashGrid."""
        missing = len(self.levels) - self.start_level
        if progress is None or missing == 0:
            return None
        start, end = self.grow
        grown = ((progress - start) / (end - start) * missing).floor().clamp(0, missing)
        level = torch.arange(len(self.levels), device=self.table.device)
        mask = (level < grown + self.start_level).to(self.table)
        return mask.repeat_interleave(self.table.shape[2])[:, None]

    def _sky(self, cameras: Cameras) -> Float[Tensor, "n 3 h w"]:
        assert self.background is not None
        directions = cameras.rays()[1].reshape(self.members, -1, 3)
        rgb = torch.sigmoid(self.background(harmonics(directions).transpose(1, 2)))
        pictures = rgb.unflatten(2, (-1, cameras.height, cameras.width))
        return pictures.transpose(1, 2).flatten(0, 1)


def checked(backend: Backend, members: int) -> Backend:
    """The same backend, if it is installed and can serve this pack."""
    if backend in ("triton", "tinycudann") and find_spec(backend) is None:
        raise ImportError(
            f"the hash grid's backend {backend!r} is not installed; use torch or auto"
        )
    if backend == "tinycudann" and members > 1:
        raise ValueError(f"tinycudann looks up packs of one, not of {members}; use triton or auto")
    return backend


def encoder(backend: Backend, points: Tensor) -> Callable[..., Tensor]:
    """The function that looks up a table at these points."""
    if backend == "auto":
        fast = points.is_cuda and points.dtype == torch.float32 and find_spec("triton") is not None
        backend = "triton" if fast else "torch"
    module = "_hash" if backend == "torch" else f"_hash_{backend}"
    return import_module(f"esd_bench.scenes.{module}").encode
