"""Trilinear lookup in dense grids; grid corners lie on the cube's corners. On a GPU voxel scenes have ``_march_triton`` instead.

On a CPU our own lookup: one flat gather and one flat scatter per corner, faster than ``grid_sample`` forward and backward
(``benchmarks/voxel_lookup.py``). On a GPU ``grid_sample`` is one kernel and needs no temporaries; its backward
adds channel by channel, far apart, so where Triton is at hand that is a kernel of our own (the same benchmark, ``--device cuda``).
"""

from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def trilinear(
    table: Float[Tensor, "p c z y x"], points: Float[Tensor, "p n 3"]
) -> Float[Tensor, "p c n"]:
    """Values of cubic grids at points in [-1, 1]^3 (x, y, z); differentiable in the table alone."""
    if points.is_cuda:
        if table.dtype == torch.float32 and find_spec("triton") is not None:
            from esd_bench.scenes import _trilinear_triton

            return _trilinear_triton.trilinear(table, points)
        grid = points.detach()[:, :, None, None]
        return functional.grid_sample(table, grid, align_corners=True, padding_mode="border")[
            ..., 0, 0
        ]
    return _Lookup.apply(table, points.detach())


class _Lookup(torch.autograd.Function):
    """Member by member: the same operations at every pack width, in one thread's order, so the same bits."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, points: Tensor) -> Tensor:
        index, weight = corners(points, table.shape[-1])
        ctx.save_for_backward(index, weight)
        ctx.shape = table.shape
        flat = table.flatten(2)
        values = flat.new_zeros(*flat.shape[:2], points.shape[1])
        for member, out in enumerate(values):
            for cell, share in zip(index[:, member], weight[:, member], strict=True):
                out.addcmul_(flat[member].index_select(1, cell), share)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        index, weight = ctx.saved_tensors
        table = gradient.new_zeros(ctx.shape)
        flat = table.flatten(2)
        channels = flat.shape[1]
        for member, out in enumerate(flat):
            for cell, share in zip(index[:, member], weight[:, member], strict=True):
                out.scatter_add_(1, cell.expand(channels, -1), gradient[member] * share)
        return table, None


def corners(
    points: Float[Tensor, "p n 3"], size: int
) -> tuple[Int[Tensor, "8 p n"], Float[Tensor, "8 p n"]]:
    """Flat cells (z-major) and weights of the eight corners round each point; points are clamped to the cube."""
    place = ((points.permute(2, 0, 1) + 1) * ((size - 1) / 2)).clamp(0, size - 1)
    low = place.floor().clamp_max(size - 2)
    share = place - low
    x, y, z = zip(1 - share, share, strict=True)
    first = ((low[2] * size + low[1]) * size + low[0]).long()
    steps = [(k * size + j) * size + i for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    face = [b * c for c in z for b in y]
    return torch.stack([first + s for s in steps]), torch.stack([a * f for f in face for a in x])
