"""Multi-resolution hash encoding (Instant-NGP, arXiv 2201.05989) in plain torch, laid out as tiny-cuda-nn does.

The layout is shared by three backends: this one, which runs anywhere and in any precision, ``_hash_triton`` and
tiny-cuda-nn itself; so a scene trained with one can be looked at with another.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

PRIMES = (1, 2654435761, 805459861)


@dataclass(frozen=True)
class Level:
    """One resolution.

    Attributes:
        scale: cells along the cube's side; a point x in [0, 1] lies at ``x * scale + 0.5``.
        size: vertices per side.
        rows: of the table: all vertices or, where these are too many, a hash table of a power of two.
        first: row at which it starts.
    """

    scale: float
    size: int
    rows: int
    first: int

    @property
    def hashed(self) -> bool:
        """Whether vertices share rows."""
        return self.size**3 > self.rows


def resolutions(count: int, base: int, finest: int, log2_rows: int) -> tuple[Level, ...]:
    """Levels whose sizes grow geometrically from ``base`` to ``finest``, with at most ``2**log2_rows`` rows each."""
    growth = math.exp(math.log(finest / base) / max(count - 1, 1))
    levels: list[Level] = []
    first = 0
    for k in range(count):
        scale = base * growth**k - 1
        size = math.ceil(scale - 1e-6) + 1
        rows = min(math.ceil(size**3 / 8) * 8, 2**log2_rows)
        levels.append(Level(scale, size, rows, first))
        first += rows
    return tuple(levels)


def encode(
    table: Float[Tensor, "p rows f"], points: Float[Tensor, "p n 3"], levels: tuple[Level, ...]
) -> Float[Tensor, "p codes n"]:
    """Interpolated features of all levels at points in [-1, 1]^3; differentiable in the table alone."""
    return _Encode.apply(table, points.detach(), levels)


class _Encode(torch.autograd.Function):
    """Keeps nothing but the points: the corners are found again for the backward pass."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, points: Tensor, levels: tuple[Level, ...]) -> Tensor:
        ctx.save_for_backward(points)
        ctx.levels, ctx.shape = levels, table.shape
        flat = table.flatten(0, 1)
        code = table.new_zeros(len(table), len(levels), table.shape[2], points.shape[1])
        for k, level in enumerate(levels):
            for row, weight in corners(points, level, table.shape[1]):
                features = flat.index_select(0, row.flatten()).unflatten(0, row.shape)
                code[:, k].addcmul_(features.transpose(1, 2), weight[:, None])
        return code.flatten(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (points,) = ctx.saved_tensors
        table = gradient.new_zeros(ctx.shape)
        flat = table.flatten(0, 1)
        by_level = gradient.unflatten(1, (len(ctx.levels), -1)).transpose(2, 3)
        for k, level in enumerate(ctx.levels):
            for row, weight in corners(points, level, table.shape[1]):
                flat.index_add_(
                    0, row.flatten(), (by_level[:, k] * weight[..., None]).flatten(0, 1)
                )
        return table, None, None


def corners(
    points: Float[Tensor, "p n 3"], level: Level, rows: int
) -> Iterator[tuple[Int[Tensor, "p n"], Float[Tensor, "p n"]]]:
    """Rows, in the flat table of the whole pack with ``rows`` per member, and weights of the eight corners."""
    place = (points.movedim(-1, 0) + 1) * (level.scale / 2) + 0.5
    low = place.floor()
    share = place - low
    factors = PRIMES if level.hashed else (1, level.size, level.size**2)
    ends = [(a * f, a * f + f) for a, f in zip(low.long(), factors, strict=True)]
    shares = [(1 - s, s) for s in share]
    member = torch.arange(len(points), device=points.device)[:, None] * rows + level.first
    for i, j, k in product((0, 1), repeat=3):
        row = _row(ends[0][i], ends[1][j], ends[2][k], level)
        yield row + member, shares[0][i] * shares[1][j] * shares[2][k]


def _row(x: Tensor, y: Tensor, z: Tensor, level: Level) -> Tensor:
    """Row within the level; coordinates are already multiplied by primes or strides."""
    if level.hashed:
        return (x ^ y ^ z) & (level.rows - 1)
    # As in tiny-cuda-nn, the corners beyond the cube's far faces wrap round.
    return (x + y + z) % level.rows
