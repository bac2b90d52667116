"""Colour fields for surfaces: dense grids summed from coarse to fine, or a hash grid and a small network."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esd_bench.draws import Draws
from esd_bench.scenes import _hash
from esd_bench.scenes._mlp import PackMLP
from esd_bench.scenes._trilinear import trilinear


class Grids(nn.Module):
    """Parameters ``grids.k`` are ``(p, 3, z, y, x)``; a point's colour is a sigmoid of the sum of its values."""

    def __init__(self, draws: Draws, sizes: tuple[int, ...], noise: float, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.grids = nn.ParameterList(
            noise * draws.normal(f"texture {r}", 3, r, r, r) for r in sizes
        )

    def forward(self, points: Float[Tensor, "p n 3"]) -> Float[Tensor, "p n 3"]:
        """Colours in [0, 1]."""
        raw = torch.stack([trilinear(grid, points) for grid in self.grids]).sum(0)
        return torch.sigmoid(raw).transpose(1, 2)

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """One for all grids."""
        return [(list(self.grids), self.rate)]


class Hash(nn.Module):
    """threestudio's texture: a hash grid like its NeRF's, and a network of one hidden layer without biases."""

    def __init__(self, draws: Draws, levels: tuple[_hash.Level, ...], hidden: int) -> None:
        super().__init__()
        self.levels = levels
        rows = sum(x.rows for x in levels)
        self.table = nn.Parameter((2 * draws.uniform("texture table", rows, 2) - 1) * 1e-4)
        self.colour = PackMLP("texture colour", draws, (2 * len(levels), hidden, 3))

    def forward(self, points: Float[Tensor, "p n 3"]) -> Float[Tensor, "p n 3"]:
        """Colours in [0, 1]."""
        code = _encoder(points)(self.table, points, self.levels)
        return torch.sigmoid(self.colour(code)).transpose(1, 2)

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """The table learns ten times as fast as the network."""
        return [([self.table], 0.01), (list(self.colour.parameters()), 0.001)]


def _encoder(points: Tensor) -> Callable[..., Tensor]:
    fast = points.is_cuda and points.dtype == torch.float32 and find_spec("triton") is not None
    name = "_hash_triton" if fast else "_hash"
    return import_module(f"esd_bench.scenes.{name}").encode
