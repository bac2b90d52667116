"""Analytic ray casting of :class:`objects.Objects` in batches, on CPU or GPU: colour, or world-space normals.

The loop over primitives finds only which one each ray meets first and where; normals, patterns and light are worked out
once, afterwards, for the winner (deferred shading), which is most of the speed.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.embedded.objects import Objects
from esd_bench.embedded.parts import BALL, BOX, NOTHING, ROD

Rays = tuple[Float[Tensor, "n 3"], Float[Tensor, "n m 3"]]
Window = Float[Tensor, "n 3"]
"""Scale and x, y offset of the picture on the image plane, in half-picture units; (1, 0, 0) is the whole picture."""

FAR = 1e9


def rays(cameras: Cameras, window: Window | None = None) -> Rays:
    """One origin per camera and a unit direction per pixel, row by row; ``window`` zooms and shifts the image plane."""
    device, (h, w) = cameras.c2w.device, (cameras.height, cameras.width)
    x = ((torch.arange(w, device=device) + 0.5) * 2 - w) / h
    y = (h - (torch.arange(h, device=device) + 0.5) * 2) / h
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(1, -1, 2)
    if window is not None:
        grid = grid * window[:, None, :1] + window[:, None, 1:]
    grid = grid * torch.tan(cameras.fov / 2)[:, None, None]
    local = torch.cat([grid, -torch.ones_like(grid[..., :1])], -1)
    world = local @ cameras.c2w[:, :3, :3].transpose(1, 2)
    return cameras.position, world / world.norm(dim=-1, keepdim=True)


def _ball(o: Tensor, d: Tensor) -> Tensor:
    a, b, c = (d * d).sum(-1), (d @ o.mT)[..., 0], (o * o).sum(-1) - 1
    disc = b * b - a * c
    return torch.where(disc > 0, (-b - disc.clamp_min(0).sqrt()) / a, FAR)


def _slab(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Entry and exit of the slab |x| < 1, for each component."""
    inverse = 1 / torch.where(d.abs() < 1e-7, 1e-7, d)
    middle, half = -o * inverse, inverse.abs()
    return middle - half, middle + half


def _box(o: Tensor, d: Tensor) -> Tensor:
    near, far = _slab(o, d)
    enter = near.amax(-1)
    return torch.where(enter < far.amin(-1), enter, FAR)


def _rod(o: Tensor, d: Tensor) -> Tensor:
    round_o, round_d = o[..., [0, 2]], d[..., [0, 2]]
    a = (round_d * round_d).sum(-1).clamp_min(1e-9)
    b, c = (round_d @ round_o.mT)[..., 0], (round_o * round_o).sum(-1) - 1
    disc = b * b - a * c
    root = disc.clamp_min(0).sqrt()
    near, far = _slab(o[..., 1], d[..., 1])
    enter, leave = torch.maximum((-b - root) / a, near), torch.minimum((-b + root) / a, far)
    return torch.where((disc > 0) & (enter < leave), enter, FAR)


MEET = {BALL: _ball, BOX: _box, ROD: _rod}


def first_hit(objects: Objects, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Distance along each ray to the nearest primitive (``FAR`` if none) and that primitive's slot."""
    best = torch.full(direction.shape[:2], FAR, device=direction.device)
    slot = torch.zeros_like(best, dtype=torch.long)
    for p in range(objects.shape.shape[1]):
        present = [s for s in objects.shape[:, p].unique().tolist() if s != NOTHING]
        into = objects.turn[:, p] / objects.size[:, p, None, :]
        o = (origin - objects.centre[:, p])[:, None] @ into
        d = direction @ into if present else direction
        for s in present:
            t = MEET[s](o, d)
            mine = (objects.shape[:, p] == s).to(t.device, non_blocking=True)
            closer = (t < best) & (t > 0) & mine[:, None]
            best, slot = torch.where(closer, t, best), torch.where(closer, p, slot)
    return best, slot


def _normals(shape: Int[Tensor, "n m"], local: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m 3"]:
    """Outward normals at surface points, in the primitive's own unscaled axes."""
    flat = torch.nn.functional.one_hot(local.abs().argmax(-1), 3).to(local) * local
    side = local * local.new_tensor([1.0, 0.0, 1.0])
    cap = local.abs()[..., 1] > side.norm(dim=-1)
    rod = torch.where(cap[..., None], local - side, side)
    return torch.where(
        (shape == BALL)[..., None], local, torch.where((shape == BOX)[..., None], flat, rod)
    )


def _marks(pattern: Int[Tensor, " n"], point: Float[Tensor, "n m 3"]) -> Bool[Tensor, "n m"]:
    """Where stripes (wavy bands in height) or spots (a staggered lattice of balls) colour a surface point."""
    x, y, z = point.unbind(-1)
    stripes = torch.sin(19 * y + 1.2 * torch.sin(5 * x) + 1.2 * torch.sin(5 * z)) > 0.1
    spots = (9 * x).cos() * (9 * y).cos() * (9 * z).cos() > 0.22
    return torch.where((pattern == 1)[:, None], stripes, spots & (pattern == 2)[:, None])


def _surface(objects: Objects, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hit mask (n m), colour (n m 3) and unit world normal (n m 3) of the first surface on each ray."""
    t, slot = first_hit(objects, origin, direction)
    row = torch.arange(len(t), device=t.device)[:, None]
    hit = t < FAR
    point = origin[:, None] + torch.where(hit, t, 0.0)[..., None] * direction
    turn, size = objects.turn[row, slot], objects.size[row, slot]
    # Elementwise products: millions of 3x3 matrices are no load for a batched matmul.
    local = ((point - objects.centre[row, slot])[..., None] * turn).sum(-2) / size
    normal = _normals(objects.shape.to(t.device)[row, slot], local) / size
    normal = (turn * normal[..., None, :]).sum(-1)
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    marked = _marks(objects.pattern, point) & objects.patterned[row, slot]
    colour = torch.where(marked[..., None], objects.ink[:, None], objects.paint[row, slot])
    return hit, colour, normal


def _chunks(n: int, size: int) -> Iterator[slice]:
    return (slice(i, min(n, i + size)) for i in range(0, n, size))


def cast(
    objects: Objects,
    cameras: Cameras,
    window: Window | None = None,
    as_normals: Bool[Tensor, " n"] | None = None,
    supersample: int = 2,
    chunk: int | None = None,
) -> Float[Tensor, "n 4 h w"]:
    """Pictures of object ``i`` by camera ``i``: straight-alpha RGBA in [0, 1].

    The light is a hemisphere from above, so that shading says nothing about the azimuth.

    Args:
        objects: what is seen.
        cameras: one for each object.
        window: zoom and shift of each picture.
        as_normals: for which pictures RGB is ``(world normal + 1) / 2`` instead of colour.
        supersample: rays per pixel along each side.
        chunk: pictures at a time; any number gives the same ones. By default what is fast: few on a CPU, 512 on a GPU.
    """
    fine = cameras.sized(cameras.height * supersample, cameras.width * supersample)
    pictures = []
    for part in _chunks(len(objects), chunk or (512 if cameras.c2w.is_cuda else 4)):
        seen = rays(fine[part], None if window is None else window[part])
        hit, colour, normal = _surface(objects[part], *seen)
        rgb = colour * (0.72 + 0.28 * normal[..., 1:2])
        if as_normals is not None:
            rgb = torch.where(as_normals[part][:, None, None], (normal + 1) / 2, rgb)
        pictures.append(_pooled(hit, rgb, fine.height, supersample))
    return torch.cat(pictures)


def _pooled(hit: Tensor, rgb: Tensor, height: int, supersample: int) -> Float[Tensor, "n 4 h w"]:
    """Averages sub-pixels; colours are weighted by coverage and then divided by it."""
    alpha = hit[..., None].to(rgb)
    fine = torch.cat([rgb * alpha, alpha], -1).unflatten(1, (height, -1)).permute(0, 3, 1, 2)
    mean = torch.nn.functional.avg_pool2d(fine, supersample)
    return torch.cat([mean[:, :3] / mean[:, 3:].clamp_min(1e-6), mean[:, 3:]], 1)


def over(
    rgba: Float[Tensor, "n 4 h w"], background: Float[Tensor, "n 3"]
) -> Float[Tensor, "n 3 h w"]:
    """Composites on one colour per picture."""
    return torch.lerp(background[:, :, None, None].expand_as(rgba[:, :3]), rgba[:, :3], rgba[:, 3:])
