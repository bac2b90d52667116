"""Pictures of splats: perspective Gaussians projected affinely (EWA, Zwicker et al. 2001), composited from front to back.

As the authors' CUDA rasteriser does it (Kerbl et al., arXiv 2308.04079, section 6) but for two things: a splat ends where its
opacity falls below 1/255, not at three standard deviations, and compositing ends with a tile, not with a pixel, so that
pictures do not depend on the tiles. Every sum has a fixed order: a CPU gives the same bits on any number of threads.

Letters: ``k`` splats, ``m`` pairs of a splat and a tile, ``t`` tiles of ``TILE x TILE`` pixels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.adapters import Refused
from esd_bench.adapters._gaussians import FAINT, Gaussians
from esd_bench.adapters._harmonics import colour
from esd_bench.cameras import Cameras

TILE = 8
BLUR = 0.3
"""Variance in pixels that every projected splat gets: the authors' low-pass."""
OPAQUE = 0.99
"""Most that one splat covers."""
DARK = 1e-4
"""A tile is done when no more light than this is left in it."""
NEAR = 0.02
"""Of the asset's radius; what lies nearer to the camera is not drawn."""
SLAB = 2**19
"""Pairs at a time, which bounds the memory."""
PAIRS = 2**27
"""Most pairs of a picture, which bounds the time."""
TOGETHER = 512
"""Tiles at a time on a CPU, whose cache should hold them."""


@dataclass(frozen=True)
class Flat:
    """Splats on one picture, nearest first; lengths in pixels.

    Attributes:
        numbers: x and y of the centre; inverse covariance times -1/2 as xx, xy (twice), yy; log opacity; red, green, blue.
        first, last: columns and rows of the tiles that a splat reaches, inclusive: x, y.
    """

    numbers: Float[Tensor, "k 9"]
    first: Int[Tensor, "k 2"]
    last: Int[Tensor, "k 2"]


@torch.no_grad()
def picture(splats: Gaussians, cameras: Cameras, radius: float) -> Float[Tensor, "1 4 h w"]:
    """Premultiplied colour and opacity from one camera in the splats' own axes.

    Args:
        splats: on the cameras' device.
        cameras: one.
        radius: of the asset, which says what is too near.

    Raises:
        ValueError: when splats overlap so much that it would take minutes.
    """
    across, down = (-(-x // TILE) for x in (cameras.width, cameras.height))
    flat = _flat(splats, cameras, NEAR * radius)
    canvas = _Canvas(across, down, splats.mean)
    for slab in _slabs(flat, across):
        if not canvas.add(flat, *slab):
            break
    return canvas.whole[:, :, : cameras.height, : cameras.width]


def _flat(splats: Gaussians, cameras: Cameras, near: float) -> Flat:
    """Project, leave out what can't be seen, sort by depth."""
    right, up, back = cameras.c2w[0, :3, :3].unbind(1)
    apart = splats.mean - cameras.position
    x, y, depth = ((apart * axis).sum(1) for axis in (right, -up, -back))
    focal = cameras.height / (2 * math.tan(float(cameras.fov[0]) / 2))
    size = apart.new_tensor([cameras.width, cameras.height])
    # The projection is linearised no farther out than the authors do it.
    edge = 1.3 * size / (2 * focal) * depth.clamp_min(near)[:, None]
    axes = splats.axes()
    across = _spread(axes, right, x.clamp(-edge[:, 0], edge[:, 0]), back, depth, focal)
    down = _spread(axes, -up, y.clamp(-edge[:, 1], edge[:, 1]), back, depth, focal)
    xx, yy = ((u * u).sum(1) + BLUR for u in (across, down))
    xy = (across * down).sum(1)
    centre = focal * torch.stack([x, y], 1) / depth[:, None] + size / 2
    reach = (2 * torch.log(splats.opacity / FAINT).clamp_min(0))[:, None]
    half = (reach * torch.stack([xx, yy], 1)).sqrt()
    # Pixels whose centres are inside.
    first, last = (centre - half - 0.5).ceil(), (centre + half - 0.5).floor()
    seen = (depth > near) & (first <= last).all(1) & (last >= 0).all(1) & (first < size).all(1)
    area = xx * yy - xy * xy
    seen &= area.isfinite() & (area > 0) & centre.isfinite().all(1)
    chosen = seen.nonzero()[:, 0]
    chosen = chosen[depth[chosen].sort(stable=True).indices]
    shape = torch.stack([-0.5 * yy, xy, -0.5 * xx], 1) / area[:, None]
    toward = apart[chosen] / apart[chosen].norm(dim=1, keepdim=True)
    numbers = [centre, shape, splats.opacity.log()[:, None]]
    return Flat(
        torch.cat(
            [*(part[chosen] for part in numbers), colour(splats.harmonics[chosen], toward)], 1
        ),
        (first[chosen].clamp_min(0) / TILE).long(),
        (torch.minimum(last[chosen], size - 1) / TILE).long(),
    )


def _spread(
    axes: Float[Tensor, "k 3 3"],
    axis: Float[Tensor, " 3"],
    offset: Float[Tensor, " k"],
    back: Float[Tensor, " 3"],
    depth: Float[Tensor, " k"],
    focal: float,
) -> Float[Tensor, "k 3"]:
    """How far a splat's three axes reach along an axis of the picture: a row of J W R S, in pixels."""
    row = (axis + (offset / depth)[:, None] * back) * (focal / depth)[:, None]
    return (row[:, :, None] * axes).sum(1)


def _slabs(flat: Flat, across: int) -> Iterator[tuple[Int[Tensor, " m"], Int[Tensor, " m"]]]:
    """Pairs of a splat and a tile, nearest splats first, some at a time."""
    wide, high = (flat.last - flat.first + 1).unbind(1)
    count = wide * high
    total = count.cumsum(0)
    if len(total) and int(total[-1]) > PAIRS:
        raise Refused(f"splats this large or many are not drawn: {int(total[-1])} overlaps")
    _, sizes = torch.unique_consecutive(total // SLAB, return_counts=True)
    for splat in torch.arange(len(count), device=count.device).split(sizes.tolist()):
        which = splat.repeat_interleave(count[splat])
        start = total[splat[0]] - count[splat[0]]
        place = torch.arange(len(which), device=count.device)
        place -= (total - count - start)[which]
        column = flat.first[which, 0] + place % wide[which]
        row = flat.first[which, 1] + place // wide[which]
        yield which, row * across + column


class _Canvas:
    """What is painted so far, tile by tile, and how much light is left."""

    def __init__(self, across: int, down: int, like: Tensor) -> None:
        self.across, self.down = across, down
        self.left = like.new_ones(across * down, TILE, TILE)
        self.rgb = like.new_zeros(across * down, 3, TILE, TILE)
        number = torch.arange(across * down, device=like.device)
        inside = torch.arange(TILE, device=like.device) + 0.5
        self.x = (number % across * TILE)[:, None] + inside
        self.y = (number // across * TILE)[:, None] + inside

    @property
    def whole(self) -> Float[Tensor, "1 4 h w"]:
        """The picture, premultiplied."""
        tiles = torch.cat([self.rgb, 1 - self.left[:, None]], 1)
        rows = tiles.reshape(self.down, self.across, 4, TILE, TILE).permute(2, 0, 3, 1, 4)
        return rows.reshape(1, 4, self.down * TILE, self.across * TILE)

    def add(self, flat: Flat, which: Int[Tensor, " m"], tile: Int[Tensor, " m"]) -> bool:
        """Paint pairs behind what is there; False when there is no light left."""
        light = self.left.amax((1, 2)) > DARK
        if not bool(light.any()):
            return False
        lit = light[tile]
        which, tile = which[lit], tile[lit]
        count, order = torch.bincount(tile, minlength=len(light)).sort(descending=True, stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        where, turn = place[tile].sort(stable=True)
        which, ends = which[turn], count.cumsum(0)
        some = TOGETHER if tile.device.type == "cpu" else len(order)
        for low in range(0, int((count > 0).sum()), some):
            block = slice(low, low + some)
            pairs = slice(int(ends[low] - count[low]), int(ends[block][-1]))
            self._paint(flat.numbers[which[pairs]], where[pairs] - low, order[block], count[block])
        return True

    def _paint(
        self,
        splat: Float[Tensor, "m 9"],
        where: Int[Tensor, " m"],
        tiles: Int[Tensor, " t"],
        counts: Int[Tensor, " t"],
    ) -> None:
        """The nearest splat of every tile, then the second of those that have one, and on: ``counts`` fall."""
        busy = len(counts) - torch.bincount(counts).cumsum(0)[:-1]
        turn = _by_rank(where, counts, busy)
        splat, where = splat[turn], where[turn]
        shape = _Shape.of(splat, self.x[tiles][where], self.y[tiles][where])
        left, rgb, colours = self.left[tiles], self.rgb[tiles], splat[:, 6:, None, None]
        start = 0
        for some in busy.tolist():
            rank = slice(start, start + some)
            alpha = shape.alpha(rank).mul_(left[:some])
            rgb[:some].addcmul_(alpha[:, None], colours[rank])
            left[:some] -= alpha
            start += some
        self.left[tiles], self.rgb[tiles] = left, rgb


def _by_rank(
    where: Int[Tensor, " m"], counts: Int[Tensor, " t"], busy: Int[Tensor, " r"]
) -> Int[Tensor, " m"]:
    """Order of pairs: first every tile's nearest, then every second; ``where`` is sorted, ``busy`` counts each rank."""
    number = torch.arange(len(where), device=where.device)
    rank = number - (counts.cumsum(0) - counts)[where]
    turn = torch.empty_like(number)
    turn[(busy.cumsum(0) - busy)[rank] + where] = number
    return turn


@dataclass(frozen=True)
class _Shape:
    """Log opacity of pairs at their tiles' pixels: ``along`` x plus ``upright`` y plus ``both`` times ``down``."""

    along: Float[Tensor, "m w"]
    upright: Float[Tensor, "m h"]
    both: Float[Tensor, "m w"]
    down: Float[Tensor, "m h"]

    @classmethod
    def of(
        cls, splat: Float[Tensor, "m 9"], x: Float[Tensor, "m w"], y: Float[Tensor, "m h"]
    ) -> "_Shape":
        """From numbers of splats and the places of pixels."""
        dx, dy = x - splat[:, 0:1], y - splat[:, 1:2]
        upright = splat[:, 4:5] * dy * dy + splat[:, 5:6]
        return cls(splat[:, 2:3] * dx * dx, upright, splat[:, 3:4] * dx, dy)

    def alpha(self, some: slice) -> Float[Tensor, "t h w"]:
        """Opacity of some pairs."""
        power = self.along[some, None, :] + self.upright[some, :, None]
        power.addcmul_(self.both[some, None, :], self.down[some, :, None])
        return torch.threshold_(power.exp_(), FAINT, 0).clamp_max_(OPAQUE)
