"""Rays through dense grids of density and colour, sampled and composited by one Triton kernel (float32, CUDA).

What :func:`esd_bench.renderers.volume.march` makes of a voxel scene's field, forward and backward, without writing a sample
down: a step of 48 scenes has 38 million. The backward kernel samples again and adds to the grids as it goes.
"""
# ruff: noqa: ANN001, ANN202

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from esd_bench.renderers.volume import Rays
from esd_bench.scenes._trilinear_triton import _add_four, _adds_fours

BLOCK = 128


class Marched:
    """A field of dense grids that knows a faster way along rays; see :data:`esd_bench.renderers.Field`.

    Args:
        table: raw density and raw colour, grid corners on the cube's corners.
        scale: density per world unit is that times the softplus of its raw value; colour is the sigmoid of its own.
        field: the same by points.
    """

    def __init__(self, table: Float[Tensor, "p 4 z y x"], scale: float, field: Any) -> None:
        self.cells, self.scale, self.field = table.movedim(1, -1).contiguous(), scale, field

    def __call__(self, points: Float[Tensor, "p n 3"]) -> tuple[Tensor, ...]:
        """Density and colour of points."""
        answer: tuple[Tensor, ...] = self.field(points)
        return answer

    def along(self, rays: Rays, count: int) -> Float[Tensor, "5 p r"]:
        """Red, green, blue, opacity and depth of rays; differentiable in the table alone."""
        parts = (rays.origin, rays.direction, rays.start, rays.step)
        return _March.apply(self.cells, *(x.contiguous() for x in parts), count, self.scale)


class _March(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cells: Tensor,
        origin: Tensor,
        direction: Tensor,
        start: Tensor,
        step: Tensor,
        count: int,
        scale: float,
    ) -> Tensor:
        channels = cells.new_empty(5, *step.shape)
        rays = origin, direction, start, step
        _launch(_forward, (cells, *rays, channels), step.shape, cells, count, scale)
        ctx.save_for_backward(cells, *rays, channels)
        ctx.count, ctx.scale = count, scale
        return channels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        cells, *rays, channels = ctx.saved_tensors
        found = torch.zeros_like(cells)
        tensors = cells, *rays, channels, gradient.contiguous(), found
        more = (_adds_fours(cells.device),)
        _launch(_backward, tensors, channels.shape[1:], cells, ctx.count, ctx.scale, more)
        return found, *[None] * 6


def _launch(
    kernel: Any,
    tensors: tuple[Tensor, ...],
    shape: torch.Size,
    cells: Tensor,
    count: int,
    scale: float,
    more: tuple[bool, ...] = (),
) -> None:
    members, rays = shape
    grid = (triton.cdiv(rays, BLOCK), members)
    kernel[grid](*tensors, members * rays, rays, count, scale, cells.shape[1], BLOCK, *more)


@triton.jit
@no_type_check
def _ray(origin, direction, start, step, axis, rays, i, inside):
    """Place, direction, first distance and step of this program's rays."""
    at = tl.program_id(1).to(tl.int64) * rays + i
    ox, dx = tl.load(origin + at, inside, 0.0), tl.load(direction + at, inside, 0.0)
    oy, dy = tl.load(origin + axis + at, inside, 0.0), tl.load(direction + axis + at, inside, 0.0)
    oz = tl.load(origin + 2 * axis + at, inside, 0.0)
    dz = tl.load(direction + 2 * axis + at, inside, 0.0)
    return ox, oy, oz, dx, dy, dz, tl.load(start + at, inside, 0.0), tl.load(step + at, inside, 0.0)


@triton.jit
@no_type_check
def _axis(coordinate, SIZE: tl.constexpr):
    """The lower cell along an axis and how far a point lies beyond it; points are clamped to the cube."""
    place = (coordinate + 1) * ((SIZE - 1) / 2)
    place = tl.minimum(tl.maximum(place, 0.0), SIZE - 1.0)
    low = tl.minimum(tl.floor(place), SIZE - 2.0)
    return low.to(tl.int32), place - low


@triton.jit
@no_type_check
def _raw(cells, first, x, y, z, hits, SIZE: tl.constexpr):
    """Raw density and colour between the eight corners."""
    density = x * 0
    red, green, blue = density, density, density
    for k in tl.static_range(8):
        weight = (x if k & 1 else 1 - x) * (y if k >> 1 & 1 else 1 - y)
        weight = weight * (z if k >> 2 & 1 else 1 - z)
        place = cells + (first + ((k >> 2 & 1) * SIZE + (k >> 1 & 1)) * SIZE + (k & 1)) * 4
        density += weight * tl.load(place, hits, 0.0)
        red += weight * tl.load(place + 1, hits, 0.0)
        green += weight * tl.load(place + 2, hits, 0.0)
        blue += weight * tl.load(place + 3, hits, 0.0)
    return density, red, green, blue


@triton.jit
@no_type_check
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
@no_type_check
def _softplus(x):
    """log(1 + e) as a series where 1 + e would lose it: most of a grid is all but empty."""
    e = tl.exp(-tl.abs(x))
    near = tl.where(e < 1 / 64, e * (1 - e * (0.5 - e / 3)), tl.log(1 + e))
    return tl.maximum(x, 0.0) + near


@triton.jit
@no_type_check
def _forward(
    cells,
    origin,
    direction,
    start,
    step,
    channels,
    channel,
    rays,
    count,
    scale,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < rays
    ox, oy, oz, dx, dy, dz, near, wide = _ray(
        origin, direction, start, step, channel, rays, i, inside
    )
    hits = inside & (wide > 0)
    cells += tl.program_id(1).to(tl.int64) * SIZE * SIZE * SIZE * 4
    gone = near * 0
    left = gone + 1
    red, green, blue, depth = gone, gone, gone, gone
    for k in range(count):
        distance = near + k * wide
        ix, x = _axis(ox + dx * distance, SIZE)
        iy, y = _axis(oy + dy * distance, SIZE)
        iz, z = _axis(oz + dz * distance, SIZE)
        density, r, g, b = _raw(cells, (iz * SIZE + iy) * SIZE + ix, x, y, z, hits, SIZE)
        gone += scale * _softplus(density) * wide
        after = tl.exp(-gone)
        weight = left - after
        left = after
        red += weight * _sigmoid(r)
        green += weight * _sigmoid(g)
        blue += weight * _sigmoid(b)
        depth += weight * distance
    at = channels + tl.program_id(1).to(tl.int64) * rays + i
    tl.store(at, red, inside)
    tl.store(at + channel, green, inside)
    tl.store(at + 2 * channel, blue, inside)
    tl.store(at + 3 * channel, 1 - left, inside)
    tl.store(at + 4 * channel, depth, inside)


@triton.jit
@no_type_check
def _backward(
    cells,
    origin,
    direction,
    start,
    step,
    channels,
    gradient,
    found,
    channel,
    rays,
    count,
    scale,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    FOURS: tl.constexpr,
):
    """With v_k what a sample's weight w_k earns, dL / d(density_k step) = T_(k+1) v_k - sum of w_j v_j over j > k.

    The sum is the channels' total less what came before, so that one walk from front to back does.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < rays
    ox, oy, oz, dx, dy, dz, near, wide = _ray(
        origin, direction, start, step, channel, rays, i, inside
    )
    hits = inside & (wide > 0)
    shift = tl.program_id(1).to(tl.int64) * SIZE * SIZE * SIZE * 4
    cells += shift
    found += shift
    at = tl.program_id(1).to(tl.int64) * rays + i
    gr = tl.load(gradient + at, inside, 0.0)
    gg = tl.load(gradient + channel + at, inside, 0.0)
    gb = tl.load(gradient + 2 * channel + at, inside, 0.0)
    go = tl.load(gradient + 3 * channel + at, inside, 0.0)
    gd = tl.load(gradient + 4 * channel + at, inside, 0.0)
    behind = gr * tl.load(channels + at, inside, 0.0)
    behind += gg * tl.load(channels + channel + at, inside, 0.0)
    behind += gb * tl.load(channels + 2 * channel + at, inside, 0.0)
    behind += go * tl.load(channels + 3 * channel + at, inside, 0.0)
    behind += gd * tl.load(channels + 4 * channel + at, inside, 0.0)
    gone = near * 0
    left = gone + 1
    for k in range(count):
        distance = near + k * wide
        ix, x = _axis(ox + dx * distance, SIZE)
        iy, y = _axis(oy + dy * distance, SIZE)
        iz, z = _axis(oz + dz * distance, SIZE)
        first = (iz * SIZE + iy) * SIZE + ix
        density, r, g, b = _raw(cells, first, x, y, z, hits, SIZE)
        gone += scale * _softplus(density) * wide
        after = tl.exp(-gone)
        weight = left - after
        left = after
        r, g, b = _sigmoid(r), _sigmoid(g), _sigmoid(b)
        earned = gr * r + gg * g + gb * b + go + gd * distance
        # A total less what came before it keeps a rounding error where nothing is seen any more.
        behind = tl.where(left > 1e-7, behind - weight * earned, 0.0)
        density = (after * earned - behind) * wide * scale * _sigmoid(density)
        r = weight * gr * r * (1 - r)
        g = weight * gg * g * (1 - g)
        b = weight * gb * b * (1 - b)
        moved = hits & ((density != 0) | (r != 0) | (g != 0) | (b != 0))
        for c in tl.static_range(8):
            share = (x if c & 1 else 1 - x) * (y if c >> 1 & 1 else 1 - y)
            share = share * (z if c >> 2 & 1 else 1 - z)
            cell = first + ((c >> 2 & 1) * SIZE + (c >> 1 & 1)) * SIZE + (c & 1)
            place = found + cell * 4
            if FOURS:
                _add_four(place, share * density, share * r, share * g, share * b, moved)
            else:
                tl.atomic_add(place, share * density, moved, sem="relaxed")
                tl.atomic_add(place + 1, share * r, moved, sem="relaxed")
                tl.atomic_add(place + 2, share * g, moved, sem="relaxed")
                tl.atomic_add(place + 3, share * b, moved, sem="relaxed")
