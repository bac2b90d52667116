"""Which face every pixel of a large picture sees: spans along rows, for forward rendering only.

Ten times as fast as the z-buffer of :mod:`esd_bench.renderers`, which tries every pixel of every face's box because it has
to be differentiable and to take cameras inside the object. Here a face's rows are cut at its edges. An edge's place in a
row is computed from its lower end upwards, so its two faces get the same bits and no pixel falls between them or is in both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.adapters import Refused

NEAR = 1e-4
"""Least depth of a visible vertex as a share of the camera's distance from the object."""
ROWS = 2**22
"""Most rows of faces that are cut together, which bounds the memory."""
MOST = 2**32
"""Most pixels of all faces of a picture, one behind the other, which bounds the time."""
PIECE = 2**17
"""Most pixels of spans that are worked on together: they stay in a core's cache."""
NOTHING = -1


@dataclass(frozen=True)
class Projected:
    """Faces as one camera sees them.

    Attributes:
        u, v: places of the corners in pixels from the top left corner.
        w: the least depth there is over their depths, so in (0, 1].
        shown: faces that lie before the camera with all corners; others are not drawn.
    """

    u: Float[Tensor, "m 3"]
    v: Float[Tensor, "m 3"]
    w: Float[Tensor, "m 3"]
    shown: Bool[Tensor, " m"]


def project(
    vertices: Float[Tensor, "k 3"],
    faces: Int[Tensor, "m 3"],
    c2w: Float[Tensor, "4 4"],
    focal: Float[Tensor, ""],
    size: tuple[int, int],
    near: float,
) -> Projected:
    """Corners of faces in a picture of that height and width; written out, so that no thread count changes a bit."""
    offset = vertices - c2w[:3, 3]
    right, up, back = ((offset * c2w[:3, k]).sum(-1) for k in range(3))
    before = -back > near
    inverse = 1 / (-back).clamp_min(near)
    u = right * focal * inverse + size[1] / 2
    v = size[0] / 2 - up * focal * inverse

    def corners(x: Tensor) -> Tensor:
        return x.index_select(0, faces.flatten()).reshape(-1, 3)

    u, v, inverse = (corners(x.float()) for x in (u, v, inverse * near))
    return Projected(u, v, inverse, corners(before).all(-1))


def nearest(seen: Projected, size: tuple[int, int], behind: Int[Tensor, " hw"] | None) -> Tensor:
    """A key for each pixel: that of the nearest face which covers its centre, of two at one depth the first.

    Args:
        seen: the faces.
        size: height and width.
        behind: keys; only what lies behind them is looked for. None is everything.

    Returns:
        (h w) integers; :func:`face_of` says which face; ``NOTHING`` is none.
    """
    best = torch.full((size[0] * size[1],), NOTHING, dtype=torch.int64, device=seen.u.device)
    faces, top, rows = _rows_of(seen, size)
    left = MOST
    for some in _groups(rows, ROWS):
        spans = _spans(seen, size, faces[some], top[some], rows[some])
        left -= int((spans[2] - spans[1] + 1).sum())
        if left < 0:
            raise Refused("its faces lie one above the other too often to be drawn")
        _paint(best, seen, size, behind, *spans)
    return best


def _groups(counts: Int[Tensor, " k"], most: int) -> Iterator[slice]:
    """Neighbours, one at least, of which no more than the last goes beyond a multiple of ``most``."""
    ends = counts.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    marks = torch.arange(most, total + most, most, device=ends.device)
    start = 0
    for end in torch.searchsorted(ends, marks).add(1).clamp_max(len(ends)).unique().tolist():
        yield slice(start, end)
        start = end


def _paint(
    best: Int[Tensor, " hw"],
    seen: Projected,
    size: tuple[int, int],
    behind: Int[Tensor, " hw"] | None,
    face: Int[Tensor, " s"],
    left: Int[Tensor, " s"],
    right: Int[Tensor, " s"],
    row: Int[Tensor, " s"],
) -> None:
    """Put the keys of spans where they are the nearest so far."""
    first, slope = _depths(seen, face, left, right, row)
    count = right - left + 1
    ends, code, place = count.cumsum(0), 0x7FFFFFFF - face, row * size[1] + left
    for some in _groups(count, PIECE):
        one = torch.arange(some.stop - some.start, device=ends.device)
        one = one.repeat_interleave(count[some])
        base = ends[some] - count[some]
        step = torch.arange(len(one), device=ends.device) - (base - base[:1]).index_select(0, one)
        w = first[some].index_select(0, one) + slope[some].index_select(0, one) * step
        key = (w.view(torch.int32).long() << 31) | code[some].index_select(0, one)
        pixel = place[some].index_select(0, one) + step
        if behind is not None:
            further = key < behind.index_select(0, pixel)
            key, pixel = key[further], pixel[further]
        best.scatter_reduce_(0, pixel, key, "amax")


def face_of(key: Int[Tensor, " k"]) -> Int[Tensor, " k"]:
    """The faces of keys that are not ``NOTHING``."""
    return 0x7FFFFFFF - (key & 0x7FFFFFFF)


def _rows_of(seen: Projected, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The faces that reach into the picture, the first row of each and how many they are."""
    top = (seen.v.amin(1) - 0.5).clamp(-1, size[0]).ceil().clamp_min(0).long()
    low = (seen.v.amax(1) - 0.5).clamp(-1, size[0]).ceil().long() - 1
    aside = (seen.u.amax(1) < 0) | (seen.u.amin(1) > size[1])
    rows = torch.where(seen.shown & ~aside, (low - top + 1).clamp_min(0), 0)
    some = rows.nonzero()[:, 0]
    return some, top[some], rows[some]


def _spans(
    seen: Projected,
    size: tuple[int, int],
    some: Int[Tensor, " k"],
    top: Int[Tensor, " k"],
    rows: Int[Tensor, " k"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Face, first and last pixel, and row of all stretches of pixels whose centres some faces cover."""
    one = torch.arange(len(some), device=rows.device).repeat_interleave(rows)
    row = torch.arange(len(one), device=rows.device) - (rows.cumsum(0) - rows)[one] + top[one]
    left, right = _cut(seen.u[some], seen.v[some], one, row.to(seen.u) + 0.5)
    first = (left - 0.5).clamp(-1, size[1]).ceil().clamp_min(0).long()
    last = (right - 0.5).clamp(-1, size[1]).ceil().long() - 1
    full = (last >= first).nonzero()[:, 0]
    return some[one[full]], first[full], last[full], row[full]


def _cut(
    u: Float[Tensor, "m 3"], v: Float[Tensor, "m 3"], one: Int[Tensor, " r"], y: Float[Tensor, " r"]
) -> tuple[Float[Tensor, " r"], Float[Tensor, " r"]]:
    """Where rows at heights ``y`` enter and leave their faces."""
    left = torch.full_like(y, torch.inf)
    right = torch.full_like(y, -torch.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        # The same end first for both faces of an edge; of two at one height it doesn't matter: no row crosses.
        turned = v[:, a] > v[:, b]
        ua, ub = torch.where(turned, u[:, b], u[:, a]), torch.where(turned, u[:, a], u[:, b])
        va, vb = torch.where(turned, v[:, b], v[:, a]), torch.where(turned, v[:, a], v[:, b])
        slope = (ub - ua) / (vb - va)
        low, high = va[one], vb[one]
        place = ua[one] + (y - low) * slope[one]
        # Rounding must not carry it past the edge's ends.
        place = place.maximum(torch.minimum(ua, ub)[one]).minimum(torch.maximum(ua, ub)[one])
        crossed = (low <= y) & (y < high)
        left = torch.where(crossed, left.minimum(place), left)
        right = torch.where(crossed, right.maximum(place), right)
    return left, right


def _depths(
    seen: Projected,
    face: Int[Tensor, " s"],
    left: Int[Tensor, " s"],
    right: Int[Tensor, " s"],
    row: Int[Tensor, " s"],
) -> tuple[Float[Tensor, " s"], Float[Tensor, " s"]]:
    """One over the depth at each span's first pixel, and its change from pixel to pixel, which is constant."""
    u, v, a, b, c, d, *w = table(seen).index_select(0, face).unbind(1)
    dx, dy = left.to(u) + 0.5 - u, row.to(u) + 0.5 - v
    over = (a * (w[1] - w[0]) + c * (w[2] - w[0])), (b * (w[1] - w[0]) + d * (w[2] - w[0]))
    first = w[0] + over[0] * dx + over[1] * dy
    last = first + over[0] * (right - left)
    # A face seen from its edge has no plane to speak of; its depth lies between its corners' all the same.
    lowest, highest = w[0].minimum(w[1]).minimum(w[2]), w[0].maximum(w[1]).maximum(w[2])
    first, last = (
        torch.where(x == x, x, highest).maximum(lowest).minimum(highest) for x in (first, last)
    )
    return first, (last - first) / (right - left).clamp_min(1)


def table(seen: Projected) -> Float[Tensor, "m 9"]:
    """What a pixel needs to know of a face.

    Its first corner's place, how the shares of its second and third change across and down, and one over their depths.
    """
    u, v = seen.u, seen.v
    (u1, u2), (v1, v2) = ((x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]) for x in (u, v))
    area = u1 * v2 - u2 * v1
    rates = [v2 / area, -u2 / area, -v1 / area, u1 / area]
    return torch.cat([u[:, :1], v[:, :1], torch.stack(rates, -1), seen.w], 1)


def weights(
    known: Float[Tensor, "m 9"], face: Int[Tensor, " k"], x: Float[Tensor, " k"], y: Tensor
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Perspective-correct shares of a face's corners at places of the picture; ``known`` is its :func:`table`."""
    u, v, a, b, c, d, w0, w1, w2 = known.index_select(0, face).unbind(1)
    dx, dy = x - u, y - v
    second, third = ((p * dx + q * dy).clamp(0, 1) for p, q in ((a, b), (c, d)))
    first = (1 - second - third).clamp_min(0)
    shares = [first * w0, second * w1, third * w2]
    total = shares[0] + shares[1] + shares[2]
    # The first corner's where a face is seen from its edge.
    first, second, third = (
        torch.nan_to_num(s / total, float(i == 0)) for i, s in enumerate(shares)
    )
    return first, second, third
