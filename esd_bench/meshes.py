"""Triangle meshes, and the surface of a level set by marching tetrahedra (Doi & Koide 1991; DMTet, arXiv 2111.04276)."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations

import torch
from jaxtyping import Float, Int
from torch import Tensor

EDGES = tuple(combinations(range(4), 2))
"""The six edges of a tetrahedron as pairs of its corners."""


@dataclass(frozen=True)
class Mesh:
    """One triangle mesh in the world's axes.

    Attributes:
        vertices: positions; the object lies in the unit ball.
        faces: corners, counter-clockwise as seen from outside.
    """

    vertices: Float[Tensor, "n 3"]
    faces: Int[Tensor, "m 3"]

    @property
    def face_normals(self) -> Float[Tensor, "m 3"]:
        """Normals of the faces, as long as twice their areas."""
        a, b, c = self.vertices[self.faces].unbind(1)
        return torch.linalg.cross(b - a, c - a)

    @property
    def normals(self) -> Float[Tensor, "n 3"]:
        """Unit normals of the vertices, faces weighted by area; zero where nothing meets."""
        sums = torch.zeros_like(self.vertices)
        spread = self.face_normals.repeat_interleave(3, 0)
        sums = sums.index_add(0, self.faces.flatten(), spread)
        return torch.nn.functional.normalize(sums, dim=-1)


def tetrahedra(
    resolution: int, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "k 4"]]:
    """The cube [-1, 1]^3 in ``resolution``^3 cells of six tetrahedra each, all of positive volume.

    Differs from DMTet, whose grid is a file made by a mesh generator: ours (Freudenthal's) needs none and has any size.
    """
    line = torch.linspace(-1, 1, resolution + 1, device=device)
    positions = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    side = resolution + 1
    step = torch.tensor([side * side, side, 1], device=device)
    cells = torch.arange(resolution, device=device)
    start = (torch.stack(torch.meshgrid(cells, cells, cells, indexing="ij"), -1) * step).sum(-1)
    parts = []
    for order in permutations(range(3)):
        path = [start.flatten()]
        for axis in order:
            path.append(path[-1] + step[axis])
        odd = sum(order[i] > order[j] for i, j in combinations(range(3), 2)) % 2
        parts.append(torch.stack([path[0], path[2], path[1], path[3]] if odd else path, -1))
    return positions, torch.cat(parts)


def isosurface(
    positions: Float[Tensor, "n 3"], level: Float[Tensor, " n"], tets: Int[Tensor, "k 4"]
) -> Mesh:
    """The surface where ``level`` changes its sign; positive is inside. Differentiable in positions and level.

    Vertices lie on the edges of the grid by linear interpolation; a level of exactly 0 is outside. The mesh is closed
    unless it leaves the grid, and empty where nothing is inside.
    """
    inside = level > 0
    code = (inside[tets].long() * torch.tensor([1, 2, 4, 8], device=tets.device)).sum(1)
    table = _triangles().to(tets.device)
    cut = tets[(code > 0) & (code < 15)]
    code = code[(code > 0) & (code < 15)]
    pairs = torch.tensor(EDGES, device=tets.device)
    ends = cut[:, pairs].sort(-1).values.reshape(-1, 2)
    keys, index = torch.unique(ends[:, 0] * len(positions) + ends[:, 1], return_inverse=True)
    a, b = keys // len(positions), keys % len(positions)
    crossed = inside[a] != inside[b]
    number = torch.cumsum(crossed, 0) - 1
    a, b = a[crossed], b[crossed]
    share = (level[a] / torch.where(inside[a] != inside[b], level[a] - level[b], 1.0))[:, None]
    vertices = positions[a] + share * (positions[b] - positions[a])
    faces = number[index.reshape(-1, 6).gather(1, table[code].clamp_min(0).flatten(1))]
    faces = faces.reshape(-1, 3)[(table[code] >= 0).all(-1).flatten()]
    return Mesh(vertices, faces)


@lru_cache(maxsize=1)
def _triangles() -> Int[Tensor, "16 2 3"]:
    """For each set of inside corners (bits) up to two triangles of edge numbers, seen from outside; -1 is none."""
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])  # of positive volume
    table = torch.full((16, 2, 3), -1, dtype=torch.long)
    for code in range(1, 15):
        inside = [i for i in range(4) if code >> i & 1]
        outside = [i for i in range(4) if i not in inside]
        cut = [(i, o) for i in inside for o in outside]
        if len(inside) == 2:  # a quadrilateral: its corners in order round it
            cut = [cut[0], cut[1], cut[3], cut[2]]
        points = [(corners[i] + corners[o]) / 2 for i, o in cut]
        outward = corners[outside].mean(0) - corners[inside].mean(0)
        normal = torch.linalg.cross(points[1] - points[0], points[2] - points[0])
        if normal @ outward < 0:
            cut = cut[::-1]
        numbers = [EDGES.index((min(e), max(e))) for e in cut]
        for k in range(len(cut) - 2):
            table[code, k] = torch.tensor([numbers[0], numbers[k + 1], numbers[k + 2]])
    return table
