"""Antialiased silhouettes whose pixels know where the edge is, after nvdiffrast (arXiv 2011.03277, section 3.5).

Where a silhouette's edge passes between the centres of two neighbouring pixels, at a share s of the way from the inner to
the outer one, the pixel that it passes through takes |s - 1/2| of the other's colour. Pictures are then continuous
functions of the vertices, and gradients reach them through s.

One departure: nvdiffrast looks for the edge in the one face that the inner pixel sees, and misses it where faces are smaller
than pixels, as those of marched tetrahedra are. We walk from that face to its neighbours until the surface folds away.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from esd_bench.cameras import Cameras
from esd_bench.renderers._zbuffer import centres, edges, gather

STEPS = 64
"""Most faces that are walked over between two pixels."""


def neighbours(faces: Int[Tensor, "m 3"]) -> Int[Tensor, "m 3"]:
    """The face on the other side of the edge opposite each corner; -1 where there is none."""
    ends = faces[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2).sort(-1).values
    key = ends[:, 0] * (int(faces.max()) + 1 if len(faces) else 1) + ends[:, 1]
    order = torch.argsort(key, stable=True)
    twice = (key[order][1:] == key[order][:-1]).nonzero()[:, 0]
    a, b = order[twice], order[twice + 1]
    across = torch.full_like(key, -1)
    across[a], across[b] = b // 3, a // 3
    return across.reshape(-1, 3)


def smooth(
    pictures: Float[Tensor, "n c h w"],
    q: Float[Tensor, "n k 3"],
    faces: Int[Tensor, "m 3"],
    face: Int[Tensor, "n h w"],
    depth: Float[Tensor, "n h w"],
    cameras: Cameras,
) -> Float[Tensor, "n c h w"]:
    """Pictures whose pixels beside a silhouette take a share of their neighbours' colours."""
    total, change = torch.zeros_like(pictures[:, :1]), torch.zeros_like(pictures)
    for axis, place in _places(q, faces, face, depth.detach(), cameras):
        first, second = (pictures.narrow(axis, k, pictures.shape[axis] - 1) for k in (0, 1))
        for share, move, to in (
            (place.clamp_min(0), first - second, (1, 0)),
            (-place.clamp_max(0), second - first, (0, 1)),
        ):
            pad = to if axis == 3 else (0, 0, *to)
            total = total + functional.pad(share, pad)
            change = change + functional.pad(share * move, pad)
    # A pixel that is smaller than its object's edges say would give away more than it has.
    return pictures + change / total.clamp_min(1)


@dataclass(frozen=True)
class _Pairs:
    """Neighbouring pixels that see different faces, side by side or one above the other.

    ``begins`` says whether the first pixel is the inner one, the one that sees the nearer face.
    """

    slot: Int[Tensor, " c"]
    inner: Int[Tensor, " c"]
    outer: Int[Tensor, " c"]
    begins: Bool[Tensor, " c"]
    across: Bool[Tensor, " c"]


def _pairs(face: Int[Tensor, "n h w"], depth: Float[Tensor, "n h w"], axis: int) -> _Pairs:
    count = face.shape[axis - 1] - 1
    number = torch.arange(face.numel(), device=face.device).reshape(face.shape)
    z = torch.where(face >= 0, depth, torch.inf)
    one, other = (
        [x.narrow(axis - 1, k, count).flatten() for x in (face, z, number)] for k in (0, 1)
    )
    slot = (one[0] != other[0]).nonzero()[:, 0]
    begins = one[1][slot] <= other[1][slot]
    first, second = one[2][slot], other[2][slot]
    inner, outer = torch.where(begins, first, second), torch.where(begins, second, first)
    return _Pairs(slot, inner, outer, begins, torch.full_like(begins, axis == 3))


def _places(
    q: Float[Tensor, "n k 3"],
    faces: Int[Tensor, "m 3"],
    face: Int[Tensor, "n h w"],
    depth: Float[Tensor, "n h w"],
    cameras: Cameras,
) -> Iterator[tuple[int, Float[Tensor, "n 1 rows columns"]]]:
    """For pairs of pixels along each axis how far beyond their middle a silhouette passes, in [-1/2, 1/2].

    Positive: the first pixel's colour enters the second; negative: the other way round; 0 where none passes.
    """
    parts = {axis: _pairs(face, depth, axis) for axis in (3, 2)}
    inner, outer, begins, across = (
        torch.cat([getattr(x, name) for x in parts.values()])
        for name in ("inner", "outer", "begins", "across")
    )
    view = inner // (cameras.height * cameras.width)
    ends = [centres(x, cameras, q) for x in (inner, outer)]
    found, at, edge = _walk(q.detach(), faces, view, face.flatten()[inner], *ends)
    corners = faces[at].gather(1, torch.stack([(edge + 1) % 3, (edge + 2) % 3], -1))
    found &= _upright(gather(q.detach(), view, corners)) == across
    kept = found.nonzero()[:, 0]
    s = _passage(gather(q, view[kept], corners[kept]), *(x[kept] for x in ends))
    beyond = torch.where(begins[kept], s - 0.5, 0.5 - s)
    every = q.new_zeros(len(found)).index_copy(0, kept, beyond)
    for (axis, pairs), some in zip(
        parts.items(), every.split([len(x.slot) for x in parts.values()]), strict=True
    ):
        shape = list(face.shape)
        shape[axis - 1] -= 1
        flat = q.new_zeros(math.prod(shape)).index_copy(0, pairs.slot, some)
        yield axis, flat.reshape(shape)[:, None]


@torch.no_grad()
def _walk(
    q: Float[Tensor, "n k 3"],
    faces: Int[Tensor, "m 3"],
    view: Int[Tensor, " c"],
    face: Int[Tensor, " c"],
    start: Float[Tensor, "c 2"],
    end: Float[Tensor, "c 2"],
) -> tuple[Bool[Tensor, " c"], Int[Tensor, " c"], Int[Tensor, " c"]]:
    """From the face at ``start`` towards ``end``: whether a silhouette is met, the last face, and its edge there."""
    across = neighbours(faces)
    found, at, edge = torch.zeros_like(face, dtype=torch.bool), face.clone(), torch.zeros_like(face)
    present, corners = torch.arange(len(face), device=face.device), gather(q, view, faces[face])
    e0 = edges(corners, start)
    turn = _side(e0, corners)
    for _ in range(STEPS):
        near, far = e0 * turn[:, None], edges(corners, end[present]) * turn[:, None]
        share, k = torch.where(far < near, near / (near - far), torch.inf).min(-1)
        beyond = across[at[present], k]
        corners = gather(q, view[present], faces[beyond.clamp_min(0)])
        e0 = edges(corners, start[present])
        folds = (beyond < 0) | (_side(e0, corners) != turn)
        last, goes = (share < 1) & folds, (share < 1) & ~folds
        found[present[last]], edge[present[last]] = True, k[last]
        at[present[goes]] = beyond[goes]
        present, turn, corners, e0 = present[goes], turn[goes], corners[goes], e0[goes]
        if len(present) == 0:
            break
    return found, at, edge


def _side(e: Float[Tensor, "c 3"], corners: Float[Tensor, "c 3 3"]) -> Float[Tensor, " c"]:
    """Which way round a face is seen: the sign of its corners' determinant."""
    return (e * corners[..., 2]).sum(-1).sign()


def _upright(ends: Float[Tensor, "c 2 3"]) -> Bool[Tensor, " c"]:
    """Whether an edge rather crosses the rows of pixels than runs along them: it blends one way, not both."""
    place = ends[..., :2] / ends[..., 2:]
    run = (place[:, 0] - place[:, 1]).abs()
    return run[:, 1] >= run[:, 0]


def _passage(
    ends: Float[Tensor, "c 2 3"], start: Float[Tensor, "c 2"], end: Float[Tensor, "c 2"]
) -> Float[Tensor, " c"]:
    """Where an edge passes between two pixels' centres, as a share of the way; differentiable in its ends."""

    def e(centre: Tensor) -> Tensor:
        (ua, ub), (va, vb) = (
            (ends[..., axis] - centre[:, None, axis] * ends[..., 2]).unbind(1) for axis in (0, 1)
        )
        return ua * vb - va * ub

    first, second = e(start), e(end)
    return (first / (first - second)).clamp(0, 1)
