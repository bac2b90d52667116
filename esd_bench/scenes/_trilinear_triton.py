"""The backward of :mod:`esd_bench.scenes._trilinear` as one Triton kernel (float32, CUDA): a corner's channels lie side by side."""
# ruff: noqa: ANN001, ANN202

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

BLOCK = 256


def trilinear(
    table: Float[Tensor, "p c z y x"], points: Float[Tensor, "p n 3"]
) -> Float[Tensor, "p c n"]:
    """Values of cubic grids at points in [-1, 1]^3 (x, y, z); differentiable in the table alone."""
    return _Lookup.apply(table, points.detach())


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, points: Tensor) -> Tensor:
        ctx.save_for_backward(points)
        ctx.shape = table.shape
        return functional.grid_sample(
            table, points[:, :, None, None], align_corners=True, padding_mode="border"
        )[..., 0, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """``grid_sample`` adds channel by channel, far apart; here four are one instruction (sm_90 on)."""
        (points,) = ctx.saved_tensors
        members, channels, *cells = ctx.shape
        table = gradient.new_zeros(members, *cells, channels)
        fours = channels % 4 == 0 and _adds_fours(table.device)
        n = points.shape[1]
        _backward[triton.cdiv(n, BLOCK), members](
            table,
            points,
            gradient.contiguous(),
            n,
            *points.stride(),
            cells[0],
            channels,
            BLOCK,
            fours,
        )
        return table.movedim(-1, 1).contiguous(), None


def _adds_fours(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (9, 0)


@triton.jit
@no_type_check
def _add_four(place, a, b, c, d, here):
    """Four neighbouring numbers added by one instruction, which Triton has none of its own for."""
    tl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.b32 p, $6, 0; "
        "@p red.relaxed.gpu.global.add.v4.f32 [$1], {$2, $3, $4, $5}; mov.u32 $0, 0; }",
        "=r,l,f,f,f,f,r",
        [place.to(tl.int64), a, b, c, d, here.to(tl.int32)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


@triton.jit
@no_type_check
def _axis(at, inside, SIZE: tl.constexpr):
    """The lower cell along an axis and how far a point lies beyond it; points are clamped to the cube."""
    place = (tl.load(at, inside, 0.0) + 1) * ((SIZE - 1) / 2)
    place = tl.minimum(tl.maximum(place, 0.0), SIZE - 1.0)
    low = tl.minimum(tl.floor(place), SIZE - 2.0)
    return low.to(tl.int32), place - low


@triton.jit
@no_type_check
def _backward(
    table,
    points,
    gradient,
    n,
    sp,
    sn,
    sc,
    SIZE: tl.constexpr,
    C: tl.constexpr,
    BLOCK: tl.constexpr,
    FOURS: tl.constexpr,
):
    member = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    at = points + member * sp + i.to(tl.int64) * sn
    ix, x = _axis(at, inside, SIZE)
    iy, y = _axis(at + sc, inside, SIZE)
    iz, z = _axis(at + 2 * sc, inside, SIZE)
    first = (iz * SIZE + iy) * SIZE + ix
    value = gradient + member * C * n + i
    cells = table + member * SIZE * SIZE * SIZE * C
    for k in tl.static_range(8):
        wx = x if k & 1 else 1 - x
        wy = y if k >> 1 & 1 else 1 - y
        wz = z if k >> 2 & 1 else 1 - z
        weight = wx * wy * wz
        cell = first + ((k >> 2 & 1) * SIZE + (k >> 1 & 1)) * SIZE + (k & 1)
        place = cells + cell * C
        if FOURS:
            for f in tl.static_range(0, C, 4):
                a = weight * tl.load(value + f * n, inside, 0.0)
                b = weight * tl.load(value + (f + 1) * n, inside, 0.0)
                c = weight * tl.load(value + (f + 2) * n, inside, 0.0)
                d = weight * tl.load(value + (f + 3) * n, inside, 0.0)
                _add_four(place + f, a, b, c, d, inside)
        else:
            for f in tl.static_range(C):
                add = weight * tl.load(value + f * n, inside, 0.0)
                tl.atomic_add(place + f, add, inside, sem="relaxed")
