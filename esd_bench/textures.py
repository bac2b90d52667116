"""Unwrapping a mesh (xatlas, https://github.com/jpcy/xatlas) and baking colours of its surface into a texture.

Texture coordinates are glTF's: the origin is the picture's upper left corner, v goes down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from esd_bench.meshes import Mesh

PADDING = 2
"""Texels between charts, at least: bilinear lookup reads half a texel over the edge."""


@dataclass(frozen=True)
class Atlas:
    """A mesh cut into flat charts; a vertex on a seam is there once for each chart.

    Attributes:
        vertices, normals, faces: as in a mesh; normals are those before the cut, so that seams do not show.
        uv: texture coordinates in [0, 1].
    """

    vertices: Float[Tensor, "n 3"]
    normals: Float[Tensor, "n 3"]
    faces: Int[Tensor, "m 3"]
    uv: Float[Tensor, "n 2"]


def unwrap(mesh: Mesh, size: int) -> Atlas:
    """Charts of a mesh, packed for a square texture of that side.

    Raises:
        ImportError: without xatlas.
    """
    xatlas = load_xatlas()
    normals = mesh.normals
    # A vertex whose faces cancel out has no normal; glTF wants unit length.
    normals = torch.where(
        normals.norm(dim=-1, keepdim=True) > 0.5, normals, torch.tensor([0.0, 1, 0])
    )
    atlas, options = xatlas.Atlas(), xatlas.PackOptions()
    atlas.add_mesh(mesh.vertices.numpy(), mesh.faces.numpy().astype(np.uint32), normals.numpy())
    options.resolution, options.padding, options.bilinear = size, PADDING, True
    atlas.generate(pack_options=options)
    source, faces, uv = (torch.from_numpy(np.array(x)) for x in atlas.get_mesh(0))
    # xatlas makes its page as large as it needs and divides by its sides; a square page keeps angles.
    sides = torch.tensor([atlas.width, atlas.height], dtype=torch.float32)
    at = source.long()
    return Atlas(
        mesh.vertices[at], normals[at], faces.long(), (uv * sides / sides.max()).clamp(0, 1)
    )


def load_xatlas() -> Any:
    """The package xatlas, or an error that says how to get it."""
    try:
        import xatlas
    except ImportError:
        raise ImportError('unwrapping needs xatlas: pip install "esd-bench[mesh]"') from None
    return xatlas


Colour = Callable[[Float[Tensor, "k 3"], Float[Tensor, "k 3"]], Float[Tensor, "k 3"]]
"""Points on the surface and their normals to colours in [0, 1]."""


def bake(atlas: Atlas, size: int, colour: Colour) -> UInt8[np.ndarray, "size size 3"]:
    """A texture of a surface: each texel has the colour of the point it shows, the rest that of the nearest such."""
    texel, face, share = texels(atlas, size)
    corners = atlas.faces[face]
    points, normals = (
        (x[corners] * share[..., None]).sum(1) for x in (atlas.vertices, atlas.normals)
    )
    rgb = colour(points, torch.nn.functional.normalize(normals, dim=-1))
    picture = np.zeros((size * size, 3), np.uint8)
    picture[texel] = (rgb * 255 + 0.5).floor().byte().numpy()
    empty = np.ones(size * size, bool)
    empty[texel] = False
    return _spread(picture.reshape(size, size, 3), empty.reshape(size, size))


def texels(
    atlas: Atlas, size: int
) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"], Float[Tensor, "k 3"]]:
    """Texels that show the surface (row-major number, each once), a face of each, and barycentric coordinates.

    A texel shows the point under its centre. One that holds a vertex but has no face under its centre shows the vertex,
    so that no chart is too small to have a texel.
    """
    middle, face, share = _under(atlas.uv[atlas.faces] * size, size)
    number = (atlas.uv[atlas.faces] * size).floor().long().clamp(0, size - 1).flatten(0, 1)
    texel = torch.cat([middle, number[:, 1] * size + number[:, 0]])
    face = torch.cat([face, torch.arange(len(atlas.faces)).repeat_interleave(3)])
    share = torch.cat([share, torch.eye(3).repeat(len(atlas.faces), 1)])
    texel, first = (torch.from_numpy(x) for x in np.unique(texel.numpy(), return_index=True))
    return texel, face[first], share[first]


def _under(
    triangles: Float[Tensor, "m 3 2"], size: int
) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"], Float[Tensor, "k 3"]]:
    """Centres of texels inside triangles: all of each triangle's box are tried, of all triangles at once."""
    low = (triangles.amin(1) - 0.5).ceil().long().clamp(0, size - 1)
    high = (triangles.amax(1) - 0.5).floor().long().clamp(0, size - 1)
    wide, high = (high - low + 1).clamp_min(0).unbind(1)
    face = torch.arange(len(triangles)).repeat_interleave(wide * high)
    start = (wide * high).cumsum(0) - wide * high
    place = torch.arange(len(face)) - start[face]
    column, row = low[face, 0] + place % wide[face], low[face, 1] + place // wide[face]
    a, b, c = triangles[face].double().unbind(1)
    p = torch.stack([column, row], -1) + 0.5
    areas = torch.stack([_cross(c - b, p - b), _cross(a - c, p - c), _cross(b - a, p - a)], -1)
    share = areas / _cross(b - a, c - a)[:, None]
    inside = (share >= 0).all(1)  # not so where a face has no area: 0/0 is NaN
    return (row * size + column)[inside], face[inside], share[inside].float()


def _cross(a: Float[Tensor, "k 2"], b: Float[Tensor, "k 2"]) -> Float[Tensor, " k"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _spread(picture: UInt8[np.ndarray, "h w 3"], empty: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """Empty texels take the colour of the nearest full one, so that no lookup at a seam reads a foreign colour."""
    if not empty.any():
        return picture
    row, column = distance_transform_edt(empty, return_distances=False, return_indices=True)
    return picture[row, column]
