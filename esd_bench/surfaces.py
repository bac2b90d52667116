"""The surface of an asset as a triangle mesh: where a density field's silhouettes are those of its pictures.

A density has no surface of its own. Ours is the level set whose shadows along the three axes agree best with where the
volume stops more than half of the light, so that a mesh looks as large as the asset did when it was scored.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from esd_bench.meshes import Mesh, isosurface, tetrahedra, without_outliers

CHUNK = 2**18
"""Points of a field at a time."""
DEPTH = 0.2
"""How far below the surface, in world units, a ray still gathers colour."""
SAMPLES = 16
"""Along that ray."""


@torch.no_grad()
def surface(
    scene: Any, resolution: int = 96, threshold: float | None = None, member: int = 0
) -> Mesh:
    """The mesh of one member of a pack, on the CPU.

    Args:
        scene: a scene with ``mesh(member)``, whose mesh is taken as it is, or with ``field``.
        resolution: cells along each side of the cube [-1, 1]^3.
        threshold: density (per world unit) at the surface; None finds it.
        member: which one.

    Raises:
        ValueError: when there is no surface, or for a threshold that is not positive.
    """
    if hasattr(scene, "mesh"):
        mesh = scene.mesh(member)
        mesh = Mesh(mesh.vertices.detach().cpu(), mesh.faces.cpu())
    else:
        mesh = _level_set(scene, resolution, threshold, member)
    if not len(mesh.faces):
        raise ValueError("no surface: the asset is empty")
    return mesh


def _level_set(scene: Any, resolution: int, threshold: float | None, member: int) -> Mesh:
    positions, tets = tetrahedra(resolution)
    density = torch.cat([x[0] for x in _field(scene, positions, member)])
    # The renderer sees the ball only; a field may hold anything in the corners of the cube.
    reach = 1 - positions.norm(dim=-1)
    density = torch.where(reach > 0, density, 0.0)
    grid = density.reshape(3 * (resolution + 1,))
    at = silhouette_threshold(grid, 2 / resolution) if threshold is None else threshold
    if at <= 0:
        raise ValueError(f"a threshold is a density above 0, not {at}")
    # Logarithms, because densities are exponentials by nature: the surface then lies between two vertices, not at one.
    level = (density.clamp(1e-3 * at, 1e3 * at) / at).log()
    level = torch.minimum(level, reach * resolution / 2)
    level = torch.where(_hollows((level > 0).reshape(grid.shape)), 1.0, level)
    return without_outliers(clustered(isosurface(positions, level, tets), 2 / resolution))


def silhouette_threshold(density: Float[Tensor, "r r r"], step: float) -> float:
    """The level of a grid whose silhouettes along the axes fit those of the volume best, by intersection over union.

    A line through the grid is in the volume's silhouette if it loses more than half of its light, and in the level
    set's if its greatest density is above the level. All levels are tried.

    Raises:
        ValueError: when no line loses half of its light.
    """
    opaque = torch.cat([(density.sum(a) * step > np.log(2)).flatten() for a in range(3)])
    greatest = torch.cat([density.amax(a).flatten() for a in range(3)])
    if not opaque.any():
        raise ValueError("no surface: the asset is empty, or no ray loses half of its light in it")
    order = greatest.argsort(descending=True, stable=True)
    hit = opaque[order].cumsum(0)
    missed = torch.arange(1, len(order) + 1) - hit
    best = int((hit / (opaque.sum() + missed)).argmax())
    last = greatest[order[best]]
    beyond = greatest[order[min(best + 1, len(order) - 1)]]
    return float((last * beyond.clamp_min(1e-3 * last)).sqrt())


def _hollows(inside: Bool[Tensor, "r r r"]) -> Bool[Tensor, " n"]:
    """Vertices outside that the inside encloses: nobody sees their walls, which would fill half the texture."""
    filled = torch.from_numpy(binary_fill_holes(inside.numpy()))
    return (filled & ~inside).flatten()


def clustered(mesh: Mesh, cell: float) -> Mesh:
    """Vertices merged that are nearest to one point of a lattice (Rossignac & Borrel 1993).

    Marching tetrahedra leave slivers, four times as many faces as the surface has detail. Without them unwrapping took
    5 s instead of 50 and made 180 charts instead of 3,200 on an asset of the demo.
    """
    lattice = ((mesh.vertices + 1) / cell).round().long()
    _, index, count = torch.unique(lattice, dim=0, return_inverse=True, return_counts=True)
    sums = mesh.vertices.new_zeros(len(count), 3).index_add(0, index, mesh.vertices)
    faces = index[mesh.faces]
    faces = faces[(faces != faces.roll(1, 1)).all(1)]
    # Two faces on the same vertices are a fold, both sides of nothing; without it the mesh stays closed.
    _, same, times = torch.unique(
        faces.sort(1).values, dim=0, return_inverse=True, return_counts=True
    )
    return Mesh(sums / count[:, None], faces[times[same] == 1])


@torch.no_grad()
def colours(
    scene: Any,
    points: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    member: int = 0,
) -> Float[Tensor, "n 3"]:
    """What is seen of points on the surface by rays against their normals, in [0, 1].

    Below the surface of a volume the light comes from some depth (about one over the density), and only what lies there
    was trained. Where a scene's mesh is its surface, the field's colour on it is the colour.
    """
    if hasattr(scene, "mesh"):
        return torch.cat([x[1] for x in _field(scene, points, member)]).clamp(0, 1)
    step = DEPTH / SAMPLES
    depths = (torch.arange(SAMPLES) + 0.5) * step
    inward = points[:, None] - depths[:, None] * normals[:, None]
    parts = [x[:2] for x in _field(scene, inward.reshape(-1, 3), member)]
    density, rgb = (torch.cat(x).unflatten(0, (-1, SAMPLES)) for x in zip(*parts, strict=True))
    passed = (density.cumsum(1) * -step).exp()
    weight = torch.cat([torch.ones(len(points), 1), passed[:, :-1]], 1) - passed
    weight = weight.clamp_min(1e-9)  # where there is next to nothing, the plain mean
    return ((weight[..., None] * rgb).sum(1) / weight.sum(1, keepdim=True)).clamp(0, 1)


def _field(scene: Any, points: Float[Tensor, "n 3"], member: int) -> Iterator[tuple[Tensor, ...]]:
    """Density, colour and so on of points for one member, on the CPU, a chunk at a time."""
    device = next(scene.parameters()).device
    for some in points.split(CHUNK // scene.members):
        asked = some.to(device).expand(scene.members, -1, -1)
        yield tuple(x[member].cpu() for x in scene.field(asked))
