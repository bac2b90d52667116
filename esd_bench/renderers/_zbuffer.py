"""Which face each pixel sees: a z-buffer in plain torch, after homogeneous rasterisation (Olano & Greer 1997).

Vertices are kept in homogeneous pixel coordinates ``q = (u, v, w)``: ``w`` is the depth before the camera, ``u / w`` and
``v / w`` the place in the picture, from its top left corner. With the pixel's centre as origin, corner i of a face weighs
``e_i = u_j v_k - v_j u_k``; the three have one sign where the face covers the pixel, and their shares are already
perspective-correct. A shared edge gives its two faces exactly opposite numbers, so no pixel falls between them.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.meshes import take

NEAR = 1e-4
"""Least depth of a visible point, in world units."""
PIECE = 2**22
"""Most pixels of bounding boxes that are looked at together."""


def project(vertices: Float[Tensor, "k 3"], cameras: Cameras) -> Float[Tensor, "n k 3"]:
    """Homogeneous pixel coordinates; written out, so that no thread count changes a bit."""
    c2w, size = cameras.c2w.to(vertices), (cameras.width, cameras.height)
    offset = vertices - c2w[:, None, :3, 3]
    right, up, back = ((offset * c2w[:, None, :3, k]).sum(-1) for k in range(3))
    scale = (size[1] / 2 / torch.tan(cameras.fov.to(vertices) / 2))[:, None]
    w = -back
    return torch.stack([right * scale + w * (size[0] / 2), w * (size[1] / 2) - up * scale, w], -1)


def centres(pixel: Int[Tensor, " k"], cameras: Cameras, like: Tensor) -> Float[Tensor, "k 2"]:
    """Centres of pixels that are numbered view by view, row by row."""
    x, row = pixel % cameras.width, pixel // cameras.width
    return torch.stack([x, row % cameras.height], -1).to(like) + 0.5


def edges(q: Float[Tensor, "k 3 3"], centre: Float[Tensor, "k 2"]) -> Float[Tensor, "k 3"]:
    """``e_i`` of each face's corners, seen from a pixel's centre."""
    u, v = (q[..., axis] - centre[:, None, axis] * q[..., 2] for axis in (0, 1))
    j, k = [1, 2, 0], [2, 0, 1]
    return u[:, j] * v[:, k] - v[:, j] * u[:, k]


@torch.no_grad()
def visible(
    q: Float[Tensor, "n k 3"], faces: Int[Tensor, "m 3"], cameras: Cameras
) -> Int[Tensor, "n h w"]:
    """The nearest face at each pixel's centre, or -1; of two at one depth the first."""
    size = len(cameras), cameras.height, cameras.width
    empty = torch.iinfo(torch.int64).max
    nearest = torch.full((size[0] * size[1] * size[2],), empty, device=q.device)
    for view, face, pixel in _boxes(q, faces, cameras):
        corners = gather(q, view, faces[face])
        e = edges(corners, centres(pixel, cameras, q))
        total = e.sum(-1)
        depth = (e * corners[..., 2]).sum(-1) / total
        covered = ((e >= 0).all(-1) | (e <= 0).all(-1)) & (total != 0) & (depth > NEAR)
        # Positive floats are ordered as their bits are: depth first, then the face's number, in one integer.
        bits = depth[covered].float().view(torch.int32).long()
        key = (bits << 32) | face[covered]
        nearest.scatter_reduce_(0, pixel[covered], key, "amin")
    return torch.where(nearest == empty, -1, nearest & 0xFFFFFFFF).reshape(size)


def _boxes(
    q: Float[Tensor, "n k 3"], faces: Int[Tensor, "m 3"], cameras: Cameras
) -> Iterator[tuple[Int[Tensor, " c"], Int[Tensor, " c"], Int[Tensor, " c"]]]:
    """View, face and pixel of all pixels in the faces' bounding boxes, some at a time."""
    low, high = _bounds(q, faces, cameras)
    wide, tall = (high - low + 1).clamp_min(0).unbind(-1)
    view, face = (wide * tall > 0).nonzero(as_tuple=True)
    low, wide, count = low[view, face], wide[view, face], (wide * tall)[view, face]
    ends = count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    marks = torch.arange(PIECE, total + PIECE, PIECE, device=q.device)
    start = 0
    for end in torch.searchsorted(ends, marks).add(1).clamp_max(len(ends)).tolist():
        piece = torch.arange(start, end, device=q.device)
        one = piece.repeat_interleave(count[start:end])
        place = (
            torch.arange(len(one), device=q.device) - (ends - count)[one] + (ends - count)[start]
        )
        x, y = low[one, 0] + place % wide[one], low[one, 1] + place // wide[one]
        yield view[one], face[one], (view[one] * cameras.height + y) * cameras.width + x
        start = end


def _bounds(
    q: Float[Tensor, "n k 3"], faces: Int[Tensor, "m 3"], cameras: Cameras
) -> tuple[Int[Tensor, "n m 2"], Int[Tensor, "n m 2"]]:
    """First and last pixel, across and down, whose centre a face may cover; the first lies behind the last for none."""
    size = torch.tensor([cameras.width, cameras.height], device=q.device)
    place = (q[..., :2] / q[..., 2:].clamp_min(NEAR))[:, faces]
    before = q[:, faces, 2] > NEAR
    # A thousandth of a pixel for rounding.
    low, high = place.amin(2) - 0.501, place.amax(2) - 0.499
    partly = (before.any(2) & ~before.all(2))[..., None]
    first = torch.where(partly, 0, low.clamp_min(0).ceil().clamp_max(2**30).long())
    last = torch.where(partly, size - 1, high.clamp(-1, 2**30).floor().long().minimum(size - 1))
    return first, torch.where(before.any(2)[..., None], last, -1)


def points(
    q: Float[Tensor, "n k 3"],
    faces: Int[Tensor, "m 3"],
    face: Int[Tensor, "n h w"],
    cameras: Cameras,
) -> tuple[Float[Tensor, "n h w 3"], Float[Tensor, "n h w"]]:
    """Weights of the corners and the distance of the point that each pixel sees; differentiable."""
    pixel = (face.flatten() >= 0).nonzero()[:, 0]
    view, centre = pixel // (cameras.height * cameras.width), centres(pixel, cameras, q)
    corners = gather(q, view, faces[face.flatten()[pixel]])
    e = edges(corners, centre)
    weights = e / e.sum(-1, keepdim=True)
    depth = (weights * corners[..., 2]).sum(-1)
    half = torch.tan(cameras.fov.to(q) / 2)[view]
    aside = (centre - centre.new_tensor([cameras.width, cameras.height]) / 2) * 2 / cameras.height
    distance = depth * ((aside * half[:, None]).square().sum(-1) + 1).sqrt()
    together = torch.cat([weights, distance[:, None]], -1)
    flat = q.new_zeros(face.numel(), 4).index_copy(0, pixel, together)
    return flat[:, :3].reshape(*face.shape, 3), flat[:, 3].reshape(face.shape)


def gather(
    q: Float[Tensor, "n k 3"], view: Int[Tensor, " c"], vertices: Int[Tensor, "c s"]
) -> Float[Tensor, "c s 3"]:
    """Vertices as their views see them."""
    return take(q.reshape(-1, 3), (view * q.shape[1])[:, None] + vertices)
