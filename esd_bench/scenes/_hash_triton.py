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
        _launch(_forward, table.contiguous(), points, code, levels, features, ())
        return code

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (points,) = ctx.saved_tensors
        table = gradient.new_zeros(ctx.shape)
        pairs = ctx.shape[2] % 2 == 0 and _adds_pairs(table.device)
        _launch(_backward, table, points, gradient.contiguous(), ctx.levels, ctx.shape[2], (pairs,))
        return table, None, None


def _adds_pairs(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (9, 0)


def _launch(
    kernel: Any,
    table: Tensor,
    points: Tensor,
    code: Tensor,
    levels: tuple[Level, ...],
    features: int,
    more: tuple[bool, ...],
) -> None:
    members, n, _ = points.shape
    scales, sizes = _constants(levels, table.device)
    grid = (triton.cdiv(n, BLOCK), len(levels), members)
    rows = table.shape[1]
    kernel[grid](
        table, points, code, scales, sizes, n, rows, *points.stride(), features, BLOCK, *more
    )


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
def _add_two(place, first, second, here):
    """Two neighbouring numbers added by one instruction, which Triton has none of its own for (sm_90 on)."""
    tl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.b32 p, $4, 0; "
        "@p red.relaxed.gpu.global.add.v2.f32 [$1], {$2, $3}; mov.u32 $0, 0; }",
        "=r,l,f,f,r",
        [place.to(tl.int64), first, second, here.to(tl.int32)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


@triton.jit
@no_type_check
def _joined(head_a, a, b, head_b, c, d):
    """Running sums that begin anew at every head."""
    return head_a | head_b, tl.where(head_b > 0, c, a + c), tl.where(head_b > 0, d, b + d)


@triton.jit
@no_type_check
def _backward(
    table,
    points,
    code,
    scales,
    sizes,
    n,
    rows,
    sp,
    sn,
    sc,
    F: tl.constexpr,
    BLOCK: tl.constexpr,
    PAIRS: tl.constexpr,
):
    """Neighbours on a ray mostly lie in one cell: what they add to a row is summed before it is added."""
    i, inside, x, y, z, size, count, first, hashed = _place(
        points, scales, sizes, n, rows, sp, sn, sc, BLOCK
    )
    channel = (tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)).to(tl.int64) * F
    lane = tl.arange(0, BLOCK)
    for k in tl.static_range(8):
        row, weight = _corner(k, x, y, z, size, count, hashed)
        row = tl.where(inside, row.to(tl.int32), -1)
        head = (row != tl.gather(row, tl.maximum(lane - 1, 0), 0)) | (lane == 0)
        last = (row != tl.gather(row, tl.minimum(lane + 1, BLOCK - 1), 0)) | (lane == BLOCK - 1)
        place = table + (first + row) * F
        for f in tl.static_range(0, F, 2):
            a = weight * tl.load(code + (channel + f) * n + i, inside, 0.0)
            b = a * 0
            if f + 1 < F:
                b = weight * tl.load(code + (channel + f + 1) * n + i, inside, 0.0)
            _, a, b = tl.associative_scan((head.to(tl.int32), a, b), 0, _joined)
            if PAIRS:
                _add_two(place + f, a, b, inside & last)
            else:
                tl.atomic_add(place + f, a, inside & last, sem="relaxed")
                if f + 1 < F:
                    tl.atomic_add(place + f + 1, b, inside & last, sem="relaxed")
