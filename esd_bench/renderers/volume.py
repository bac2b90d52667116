"""Emission-absorption volume rendering (Max 1995; NeRF, arXiv 2003.08934, eq. 3), a whole pack in one batch.

Letters: ``r`` rays of a member (views times pixels), ``s`` samples along a ray, ``n = r s``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.renderers import Field, Renderer
from esd_bench.renderers._sieve import Occupied, sieved
from esd_bench.scenes import Render


def volume(
    *,
    samples: int = 48,
    evaluation_samples: int = 96,
    radius: float = 1.0,
    chunk: int | None = None,
    recompute: bool = False,
    kept: float = 0.25,
) -> Renderer:
    """A renderer that marches every ray through the ball round the origin.

    Samples divide the part of a ray inside the ball into equal steps. With draws one offset per ray shifts all of its
    samples within their steps (stratified, as in nerfacc); without, they lie in the middle.

    Args:
        samples: per ray, with draws (training).
        evaluation_samples: per ray, without draws.
        radius: of the ball, in world units; at most 1, where fields end.
        chunk: most samples at a time, over the whole pack, when no gradient is wanted: bounds the memory. None is
            2^18 on a CPU, whose cache should hold them (about twice as fast as 2^22), and 2^24 elsewhere.
        recompute: keep to ``chunk`` with gradients, too, computing each piece again in the backward pass.
        kept: of fields that say where they are occupied, most samples that are asked for, as a share of all.

    Raises:
        ValueError: for a radius outside (0, 1].
    """
    if not 0 < radius <= 1:
        raise ValueError(f"the ball's radius lies in (0, 1], not {radius}")

    def render(
        field: Field,
        cameras: Cameras,
        members: int,
        draws: Draws | None,
        occupied: Occupied | None = None,
    ) -> Render:
        count = evaluation_samples if draws is None else samples
        rays = cast(cameras, members, radius, count, draws)
        most = chunk or (2**18 if rays.step.device.type == "cpu" else 2**24)
        if occupied is not None:
            field, most = sieved(field, occupied, kept, count), round(most / kept)
        piece = max(1, most // (members * count))
        if rays.step.shape[1] <= piece or (torch.is_grad_enabled() and not recompute):
            channels = march(field, rays, count)
        else:
            parts = [_again(field, part, count) for part in rays.pieces(piece)]
            channels = torch.cat(parts, 2)
        return _pictures(channels, cameras)

    return render


@dataclass(frozen=True)
class Rays:
    """Rays of a pack; the axis of x, y, z comes first, so that each of them is contiguous."""

    origin: Float[Tensor, "3 p r"]
    direction: Float[Tensor, "3 p r"]
    start: Float[Tensor, "p r"]
    """Distance of the first sample."""
    step: Float[Tensor, "p r"]
    """Distance between samples; 0 for a ray that misses the ball."""

    def pieces(self, size: int) -> Iterator["Rays"]:
        """The same rays, at most ``size`` of each member at a time."""
        parts = (self.origin, self.direction, self.start, self.step)
        for piece in zip(*(x.split(size, -1) for x in parts), strict=True):
            yield Rays(*piece)

    def at(self, distance: Float[Tensor, "p r s"]) -> Float[Tensor, "p rs 3"]:
        """Points along the rays."""
        points = torch.addcmul(self.origin[..., None], self.direction[..., None], distance)
        return points.flatten(2).permute(1, 2, 0)


@runtime_checkable
class Along(Protocol):
    """A field with a way of its own along rays, faster than to ask for every sample's point."""

    def __call__(self, points: Float[Tensor, "p n 3"]) -> tuple[Tensor, ...]:
        """What every field gives."""
        ...

    def along(self, rays: Rays, count: int) -> Float[Tensor, "c p r"]:
        """What :func:`march` makes of ``count`` samples."""
        ...


@torch.no_grad()
def cast(cameras: Cameras, members: int, radius: float, count: int, draws: Draws | None) -> Rays:
    """Rays through all pixels with ``count`` equal steps inside the ball."""
    origin, direction = (
        x.reshape(members, -1, 3).permute(2, 0, 1).contiguous() for x in cameras.rays()
    )
    closest = -(origin * direction).sum(0)
    half = (radius**2 - (origin**2).sum(0) + closest**2).clamp_min(0).sqrt()
    near = (closest - half).clamp_min(0)  # a camera may stand inside the ball
    step = ((closest + half).clamp_min(0) - near) / count
    offset = draws.uniform("ray jitter", step.shape[1]).to(step) if draws is not None else 0.5
    return Rays(origin, direction, near + offset * step, step)


def march(field: Field, rays: Rays, count: int) -> Float[Tensor, "c p r"]:
    """Red, green, blue, opacity and depth of each ray, then, if the field has normals, x, y, z and orientation.

    Sample i absorbs T_i (1 - exp(-density_i step)) with T_i = exp(-sum of density times step before it), which is the
    difference of two neighbouring values of one exponential. A field with a way of its own along rays is asked for that.
    """
    if isinstance(field, Along):
        return field.along(rays, count)
    shape = *rays.step.shape, count
    distance = torch.arange(count, device=rays.step.device).to(rays.step) * rays.step[..., None]
    distance += rays.start[..., None]
    density, *vectors = field(rays.at(distance))
    left = torch.exp(-running_sum(density.reshape(shape) * rays.step[..., None]))
    before = torch.cat([torch.ones_like(left[..., :1]), left[..., :-1]], -1)
    weight = before - left
    opacity, depth = 1 - left[..., -1], (weight * distance).sum(-1)
    rgb, *normals = ((x.movedim(-1, 0).reshape(3, *shape) * weight).sum(-1) for x in vectors)
    channels = [*rgb, opacity, depth]
    for normal in normals:
        channels += [
            *normal,
            _facing_away(vectors[1].movedim(-1, 0).reshape(3, *shape), weight, rays),
        ]
    return torch.stack(channels)


def running_sum(x: Float[Tensor, "p r s"]) -> Float[Tensor, "p r s"]:
    """Cumulative sum along the last, short axis as a product with a triangle of ones.

    On a GPU ``cumsum`` of short rows and its backward pass took a quarter of a voxel scene's step (18 of 70 ms for 96
    scenes of 4 views); on a CPU the two are alike. Batched by member, so that a member's bits do not depend on its slot.
    """
    ones = torch.ones(x.shape[-1], x.shape[-1], dtype=x.dtype, device=x.device)
    return torch.bmm(x, ones.triu().expand(len(x), -1, -1))


def _facing_away(
    normal: Float[Tensor, "3 p r s"], weight: Float[Tensor, "p r s"], rays: Rays
) -> Float[Tensor, "p r"]:
    """Ref-NeRF's orientation penalty (arXiv 2112.03907, eq. 11); the weights get no gradient, as in threestudio."""
    away = (normal * rays.direction[..., None]).sum(0).clamp_min(0)
    return (weight.detach() * away**2).sum(-1)


def _again(field: Field, rays: Rays, count: int) -> Float[Tensor, "c p r"]:
    """:func:`march` that keeps nothing for the backward pass but its inputs."""
    if not torch.is_grad_enabled():
        return march(field, rays, count)
    return checkpoint(march, field, rays, count, use_reentrant=False, preserve_rng_state=False)


def _pictures(channels: Float[Tensor, "c p r"], cameras: Cameras) -> Render:
    """Channels of all rays as pictures, member by member."""
    size = cameras.height, cameras.width
    pictures = channels.reshape(len(channels), len(cameras), *size).transpose(0, 1)
    rgb, opacity, depth = pictures[:, :3], pictures[:, 3:4], pictures[:, 4:5]
    if len(channels) == 5:
        return Render(rgb, opacity, depth)
    # threestudio divides by the rays that hit something; at least one, so that empty pictures are finite.
    hits = (opacity > 0).sum((1, 2, 3)).clamp_min(1)
    return Render(
        rgb, opacity, depth, normals=pictures[:, 5:8], orientation=pictures[:, 8].sum((1, 2)) / hits
    )
