"""The hash encoding of :mod:`esd_bench.scenes._hash` as one Triton kernel forward and one backward (float32, CUDA)."""
# ruff: noqa: ANN001, ANN202

from functools import cache
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from esd_bench.scenes._hash import PRIMES, Level

BLOCK = 256
Y, Z = tl.constexpr(PRIMES[1]), tl.constexpr(PRIMES[2])


def encode(
    table: Float[Tensor, "p rows f"], points: Float[Tensor, "p n 3"], levels: tuple[Level, ...]
) -> Float[Tensor, "p codes n"]:
    """Interpolated features of all levels at points in [-1, 1]^3; differentiable in the table alone."""
    return _Encode.apply(table, points.detach(), levels)


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, points: Tensor, levels: tuple[Level, ...]) -> Tensor:
        ctx.save_for_backward(points)
        ctx.levels, ctx.shape = levels, table.shape
        features = table.shape[2]
        code = table.new_empty(len(table), len(levels) * features, points.shape[1])
        _launch(_forward, table.contiguous(), points, code, levels, features)
        return code

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (points,) = ctx.saved_tensors
        table = gradient.new_zeros(ctx.shape)
        _launch(_backward, table, points, gradient.contiguous(), ctx.levels, ctx.shape[2])
        return table, None, None


def _launch(
    kernel: Any,
    table: Tensor,
    points: Tensor,
    code: Tensor,
    levels: tuple[Level, ...],
    features: int,
) -> None:
    members, n, _ = points.shape
    scales, sizes = _constants(levels, table.device)
    grid = (triton.cdiv(n, BLOCK), len(levels), members)
    rows = table.shape[1]
    kernel[grid](table, points, code, scales, sizes, n, rows, *points.stride(), features, BLOCK)


@cache
def _constants(levels: tuple[Level, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """What the kernels read about levels; made once, so that a captured graph copies nothing from the host."""
    sizes = [[x.size, x.rows, x.first, int(x.hashed)] for x in levels]
    scales = torch.tensor([x.scale for x in levels], device=device)
    return scales, torch.tensor(sizes, dtype=torch.int32, device=device)


@triton.jit
@no_type_check
def _place(points, scales, sizes, n, rows, sp, sn, sc, BLOCK: tl.constexpr):
    """Cell, position in it and table of this program's points."""
    level, member = tl.program_id(1), tl.program_id(2).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    at = points + member * sp + i.to(tl.int64) * sn
    half = tl.load(scales + level) / 2
    x = (tl.load(at, inside, 0.0) + 1) * half + 0.5
    y = (tl.load(at + sc, inside, 0.0) + 1) * half + 0.5
    z = (tl.load(at + 2 * sc, inside, 0.0) + 1) * half + 0.5
    size = tl.load(sizes + 4 * level).to(tl.uint32)
    count = tl.load(sizes + 4 * level + 1).to(tl.uint32)
    first = member * rows + tl.load(sizes + 4 * level + 2)
    hashed = tl.load(sizes + 4 * level + 3) > 0
    return i, inside, x, y, z, size, count, first, hashed


@triton.jit
@no_type_check
def _corner(k: tl.constexpr, x, y, z, size, count, hashed):
    """Row within the level and weight of one of the eight corners."""
    fx, fy, fz = tl.floor(x), tl.floor(y), tl.floor(z)
    cx = fx.to(tl.int32).to(tl.uint32) + (k & 1)
    cy = fy.to(tl.int32).to(tl.uint32) + (k >> 1 & 1)
    cz = fz.to(tl.int32).to(tl.uint32) + (k >> 2 & 1)
    dense = (cx + size * (cy + size * cz)) % count
    mixed = (cx ^ (cy * Y) ^ (cz * Z)) & (count - 1)
    wx = (x - fx) if k & 1 else (1 - (x - fx))
    wy = (y - fy) if k >> 1 & 1 else (1 - (y - fy))
    wz = (z - fz) if k >> 2 & 1 else (1 - (z - fz))
    return tl.where(hashed, mixed, dense), wx * wy * wz


@triton.jit
@no_type_check
def _forward(
    table, points, code, scales, sizes, n, rows, sp, sn, sc, F: tl.constexpr, BLOCK: tl.constexpr
):
    i, inside, x, y, z, size, count, first, hashed = _place(
        points, scales, sizes, n, rows, sp, sn, sc, BLOCK
    )
    channel = (tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)).to(tl.int64) * F
    for f in tl.static_range(F):
        total = 0.0
        for k in tl.static_range(8):
            row, weight = _corner(k, x, y, z, size, count, hashed)
            total += weight * tl.load(table + (first + row) * F + f, inside, 0.0)
        tl.store(code + (channel + f) * n + i, total, inside)


@triton.jit
@no_type_check
def _backward(
    table, points, code, scales, sizes, n, rows, sp, sn, sc, F: tl.constexpr, BLOCK: tl.constexpr
):
    i, inside, x, y, z, size, count, first, hashed = _place(
        points, scales, sizes, n, rows, sp, sn, sc, BLOCK
    )
    channel = (tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)).to(tl.int64) * F
    for f in tl.static_range(F):
        gradient = tl.load(code + (channel + f) * n + i, inside, 0.0)
        for k in tl.static_range(8):
            row, weight = _corner(k, x, y, z, size, count, hashed)
            tl.atomic_add(table + (first + row) * F + f, weight * gradient, inside, sem="relaxed")
