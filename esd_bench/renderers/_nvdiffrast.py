"""The rasteriser by nvdiffrast (arXiv 2011.03277), CUDA only; imported only where it is installed."""

from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.meshes import Mesh
from esd_bench.renderers import Fragments
from esd_bench.renderers._zbuffer import project

FAR = 100.0
"""Depth beyond which nothing is seen, in world units."""


@lru_cache(maxsize=1)
def _context() -> Any:
    import nvdiffrast.torch as dr

    return dr.RasterizeCudaContext()


def clip(q: Float[Tensor, "n k 3"], cameras: Cameras, near: float = 0.01) -> Float[Tensor, "n k 4"]:
    """OpenGL's clip coordinates of homogeneous pixel coordinates; its rows begin at the bottom."""
    u, v, w = q.unbind(-1)
    x, y = 2 * u / cameras.width - w, w - 2 * v / cameras.height
    z = (w * (FAR + near) - 2 * FAR * near) / (FAR - near)
    return torch.stack([x, y, z, w], -1)


def rasterise(mesh: Mesh, cameras: Cameras) -> Fragments:
    """See :func:`esd_bench.renderers.raster.raster`."""
    import nvdiffrast.torch as dr

    faces = mesh.faces.int().contiguous()
    q = project(mesh.vertices, cameras)
    places = clip(q, cameras).contiguous()
    # Its first row is the lowest one.
    seen, _ = dr.rasterize(_context(), places, faces, (cameras.height, cameras.width))
    face = seen[..., 3].flip(1).long() - 1
    u, v = seen[..., :2].flip(1).unbind(-1)
    hit = face >= 0
    weights = torch.stack([u, v, 1 - u - v], -1) * hit[..., None]
    depth, _ = dr.interpolate(q[..., 2:].contiguous(), seen, faces)
    along = _slant(cameras, q) * depth[..., 0].flip(1)

    def smooth(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        rows = pictures.permute(0, 2, 3, 1).flip(1).contiguous()
        return dr.antialias(rows, seen, places, faces).flip(1).permute(0, 3, 1, 2)

    return Fragments(face, weights, along * hit, smooth)


def _slant(cameras: Cameras, like: Tensor) -> Float[Tensor, "n h w"]:
    """How much longer each pixel's ray is than the depth along the camera's axis."""
    half = torch.tan(cameras.fov.to(like) / 2)[:, None, None] * 2 / cameras.height
    y = (torch.arange(cameras.height, device=like.device) + 0.5 - cameras.height / 2)[:, None]
    x = torch.arange(cameras.width, device=like.device) + 0.5 - cameras.width / 2
    return ((x * half).square() + (y * half).square() + 1).sqrt()
