"""Dense voxel grids summed from coarse to fine: the scene that is fast on a CPU.

A sum of grids is a preconditioner: gradient descent on the coarse ones moves large regions at once (as multi-resolution
tables do, arXiv 2201.05989), while a picture still costs one trilinear lookup per sample.
"""

from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.renderers import Field, Renderer
from esd_bench.renderers.volume import volume
from esd_bench.scenes import Render, Scene
from esd_bench.scenes._penalties import penalties
from esd_bench.scenes._trilinear import trilinear

FLOOR = -8.0
"""Least raw density of the initial blob: softplus(-8) is 3e-4, and its gradient has not died yet."""


def voxels(
    seeds: Int[Tensor, " p"],
    /,
    *,
    grids: tuple[int, ...] = (12, 24, 48),
    samples: int = 48,
    evaluation_samples: int = 96,
    density: float = 3.0,
    blob: float = 8.0,
    blob_radius: float = 0.55,
    noise: float = 0.02,
    coarse_to_fine: float = 0.0,
    learning_rate: float = 0.02,
) -> Scene:
    """A pack of voxel scenes, one per seed, without a background of their own.

    Args:
        seeds: the initial noise of a member depends on its seed alone.
        grids: cells per side of each grid, growing.
        samples: per ray in training.
        evaluation_samples: per ray without draws.
        density: per world unit, times softplus of the raw value.
        blob: raw density at the origin before training; it falls linearly to 0 at ``blob_radius`` and on to -8.
        blob_radius: in world units.
        noise: standard deviation of the initial values of every grid.
        coarse_to_fine: share of training over which the finer grids fade in; 0 shows all from the start.
        learning_rate: of every grid, for Adam (found in a trial with a denominator floor of 0.03).

    Raises:
        ValueError: for grids that do not grow or have fewer than 2 cells.
    """
    if not grids or min(grids) < 2 or list(grids) != sorted(set(grids)):
        raise ValueError(f"grids need growing sizes of at least 2, not {grids}")
    renderer = volume(samples=samples, evaluation_samples=evaluation_samples)
    start = blob_grid(grids[-1], blob, blob_radius)
    return Voxels(seeds, grids, start, renderer, density, noise, coarse_to_fine, learning_rate)


class Voxels(nn.Module):
    """See :func:`voxels`. Parameters ``density.k`` are ``(p, 1, z, y, x)``, ``colour.k`` ``(p, 3, z, y, x)``.

    Density and colour lie apart because an optimiser that compares a value's gradient with its tensor's mean should
    not compare one with the other.
    """

    start: Tensor

    def __init__(
        self,
        seeds: Int[Tensor, " p"],
        grids: tuple[int, ...],
        start: Float[Tensor, "1 1 z y x"],
        renderer: Renderer,
        scale: float,
        noise: float,
        coarse_to_fine: float,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.members, self.grids, self.renderer = len(seeds), grids, renderer
        self.scale, self.coarse_to_fine, self.learning_rate = scale, coarse_to_fine, learning_rate
        draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=seeds.device))
        both = ("density", 1), ("colour", 3)
        self.density, self.colour = (
            nn.ParameterList(noise * draws.normal(f"voxels {name} {r}", n, r, r, r) for r in grids)
            for name, n in both
        )
        self.register_buffer("start", start.to(seeds.device), persistent=False)
        for k, (coarse, fine) in enumerate(pairwise(grids)):
            matrix = upsampling(coarse, fine).to(seeds.device)
            self.register_buffer(f"finer{k}", matrix, persistent=False)

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """Pictures of the object alone; see :class:`esd_bench.scenes.Scene`."""
        return self.renderer(self._along(self.table(progress)), cameras, self.members, draws)

    def _along(self, table: Float[Tensor, "p 4 z y x"]) -> Field:
        """The field of a table; on a GPU one that a kernel walks through, where Triton is at hand."""
        field = partial(self.field, table=table)
        if not table.is_cuda or table.dtype != torch.float32 or find_spec("triton") is None:
            return field
        from esd_bench.scenes._march_triton import Marched

        return Marched(table, self.scale, field)

    def field(
        self, points: Float[Tensor, "p n 3"], table: Float[Tensor, "p 4 z y x"] | None = None
    ) -> tuple[Tensor, ...]:
        """Density and colour of points, out of the present grids unless their sum is at hand."""
        raw = trilinear(self.table() if table is None else table, points)
        rgb = torch.sigmoid(raw[:, 1:]).transpose(1, 2)
        return self.scale * functional.softplus(raw[:, 0]), rgb

    def table(self, progress: Float[Tensor, ""] | None = None) -> Float[Tensor, "p 4 z y x"]:
        """The finest grid with all coarser ones added: raw density and raw colour."""
        density = self._sum(self.density, progress) + self.start
        return torch.cat([density, self._sum(self.colour, progress)], 1)

    def _sum(self, parts: nn.ParameterList, progress: Tensor | None) -> Float[Tensor, "p c z y x"]:
        total = parts[0]
        for k, fine in enumerate(list(parts)[1:]):
            total = resize(total, getattr(self, f"finer{k}"))
            total = total + (fine if progress is None else fine * self._shown(k + 1, progress))
        return total

    def _shown(self, level: int, progress: Float[Tensor, ""]) -> Float[Tensor, ""] | float:
        """How much of a grid is seen: the levels fade in one after another."""
        if self.coarse_to_fine == 0:
            return 1.0
        return (progress / self.coarse_to_fine * (len(self.grids) - 1) - level + 1).clamp(0, 1)

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """Sparsity and opaque, per member."""
        return penalties(render, self.members)

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """All grids learn at one rate."""
        return [(list(self.parameters()), self.learning_rate)]


def blob_grid(size: int, height: float, radius: float) -> Float[Tensor, "1 1 z y x"]:
    """Raw density of a cone round the origin, not less than :data:`FLOOR` (Magic3D's blob, arXiv 2211.10440)."""
    line = torch.linspace(-1, 1, size)
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    distance = (x**2 + y**2 + z**2).sqrt()
    return (height * (1 - distance / radius)).clamp_min(FLOOR)[None, None]


def upsampling(coarse: int, fine: int) -> Float[Tensor, "fine coarse"]:
    """The matrix that interpolates a line of ``coarse`` values at ``fine`` places, ends on ends."""
    place = torch.linspace(0, coarse - 1, fine, dtype=torch.float64)
    distance = (place[:, None] - torch.arange(coarse)).abs()
    return (1 - distance).clamp_min(0).float()


def resize(
    grid: Float[Tensor, "p c z y x"], matrix: Float[Tensor, "fine coarse"]
) -> Float[Tensor, "p c fine fine fine"]:
    """Trilinear upsampling as three matrix products: several times as fast as ``interpolate``, and deterministic."""
    grid = matrix @ (grid @ matrix.T)
    flat = matrix @ grid.flatten(-2)
    return flat.unflatten(-1, grid.shape[-2:])
