"""Antialiased silhouettes whose pixels know where the edge is, after nvdiffrast (arXiv 2011.03277, section 3.5).

Where a silhouette's edge passes between the centres of two neighbouring pixels, at a share s of the way from the inner to
the outer one, the pixel that it passes through takes |s - 1/2| of the other's colour. Pictures are then continuous
functions of the vertices, and gradients reach them through s.

One departure: nvdiffrast looks for the edge in the one face that the inner pixel sees, and misses it where faces are smaller
than pixels, as those of marched tetrahedra are. We walk from that face to its neighbours until the surface folds away.
"""

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
    across = neighbours(faces)
    total, change = torch.zeros_like(pictures[:, :1]), torch.zeros_like(pictures)
    for axis in (3, 2):  # neighbours across, then neighbours down
        place = _crossings(q, faces, across, face, depth.detach(), cameras, axis)
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


def _crossings(
    q: Float[Tensor, "n k 3"],
    faces: Int[Tensor, "m 3"],
    across: Int[Tensor, "m 3"],
    face: Int[Tensor, "n h w"],
    depth: Float[Tensor, "n h w"],
    cameras: Cameras,
    axis: int,
) -> Float[Tensor, "n 1 rows columns"]:
    """For pairs of neighbouring pixels how far beyond their middle a silhouette passes, in [-1/2, 1/2].

    Positive: the first pixel's colour enters the second; negative: the other way round; 0 where none passes.
    """
    count = face.shape[axis - 1] - 1
    (f0, f1), (z0, z1) = ([x.narrow(axis - 1, k, count) for k in (0, 1)] for x in (face, depth))
    pair = (f0 != f1).flatten().nonzero()[:, 0]
    number = torch.arange(face.numel(), device=face.device).reshape(face.shape)
    pixels = [number.narrow(axis - 1, k, count).flatten()[pair] for k in (0, 1)]
    z = [torch.where(f >= 0, z, torch.inf).flatten()[pair] for f, z in ((f0, z0), (f1, z1))]
    begins = z[0] <= z[1]  # the inner pixel is the nearer one
    inner = torch.where(begins, pixels[0], pixels[1])
    outer = torch.where(begins, pixels[1], pixels[0])
    view = inner // (cameras.height * cameras.width)
    ends = [centres(x, cameras, q) for x in (inner, outer)]
    found, at, edge = _walk(q.detach(), faces, across, view, face.flatten()[inner], *ends)
    found &= _upright(q.detach(), faces, view, at, edge, across=axis == 3)
    kept = found.nonzero()[:, 0]
    s = _passage(q, faces, view[kept], at[kept], edge[kept], *(x[kept] for x in ends))
    beyond = torch.where(begins[kept], s - 0.5, 0.5 - s)
    shape = f0.shape
    flat = q.new_zeros(f0.numel()).index_copy(0, pair[kept], beyond)
    return flat.reshape(shape)[:, None]


@torch.no_grad()
def _walk(
    q: Float[Tensor, "n k 3"],
    faces: Int[Tensor, "m 3"],
    across: Int[Tensor, "m 3"],
    view: Int[Tensor, " c"],
    face: Int[Tensor, " c"],
    start: Float[Tensor, "c 2"],
    end: Float[Tensor, "c 2"],
) -> tuple[Bool[Tensor, " c"], Int[Tensor, " c"], Int[Tensor, " c"]]:
    """From the face at ``start`` towards ``end``: whether a silhouette is met, the last face, and its edge there."""
    found, at, edge = torch.zeros_like(face, dtype=torch.bool), face.clone(), torch.zeros_like(face)
    present, turn = torch.arange(len(face), device=face.device), None
    for _ in range(STEPS):
        corners = gather(q, view[present], faces[at[present]])
        e0, e1 = edges(corners, start[present]), edges(corners, end[present])
        turn = _side(e0, corners) if turn is None else turn
        e0, e1 = e0 * turn[:, None], e1 * turn[:, None]
        share = torch.where(e1 < e0, e0 / (e0 - e1), torch.inf)
        s, k = share.min(-1)
        beyond = across[at[present], k]
        other = gather(q, view[present], faces[beyond.clamp_min(0)])
        folds = (beyond < 0) | (_side(edges(other, start[present]), other) != turn)
        last, goes = (s < 1) & folds, (s < 1) & ~folds
        found[present[last]], edge[present[last]] = True, k[last]
        at[present[goes]] = beyond[goes]
        present, turn = present[goes], turn[goes]
        if len(present) == 0:
            break
    return found, at, edge


def _side(e: Float[Tensor, "c 3"], corners: Float[Tensor, "c 3 3"]) -> Float[Tensor, " c"]:
    """Which way round a face is seen: the sign of its corners' determinant."""
    return (e * corners[..., 2]).sum(-1).sign()


def _ends(faces: Tensor, at: Tensor, edge: Tensor) -> Int[Tensor, "c 2"]:
    """The two corners of the edge opposite a corner, in the face's order."""
    corners = faces[at]
    turned = torch.stack([(edge + 1) % 3, (edge + 2) % 3], -1)
    return corners.gather(1, turned)


def _upright(
    q: Tensor, faces: Tensor, view: Tensor, at: Tensor, edge: Tensor, across: bool
) -> Bool[Tensor, " c"]:
    """Whether an edge crosses the row (else the column) of pixels rather than running along it: each edge blends one way."""
    a, b = gather(q, view, _ends(faces, at, edge)).unbind(1)
    run = (a[:, :2] / a[:, 2:] - b[:, :2] / b[:, 2:]).abs()
    return run[:, 1] >= run[:, 0] if across else run[:, 0] > run[:, 1]


def _passage(
    q: Tensor, faces: Tensor, view: Tensor, at: Tensor, edge: Tensor, start: Tensor, end: Tensor
) -> Float[Tensor, " c"]:
    """Where an edge passes between two pixels' centres, as a share of the way; differentiable in its two ends."""
    a, b = gather(q, view, _ends(faces, at, edge)).unbind(1)

    def e(centre: Tensor) -> Tensor:
        u, v = ([x[:, i] - centre[:, i] * x[:, 2] for x in (a, b)] for i in (0, 1))
        return u[0] * v[1] - v[0] * u[1]

    first, second = e(start), e(end)
    return (first / (first - second)).clamp(0, 1)
