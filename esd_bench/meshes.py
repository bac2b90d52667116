"""Triangle meshes, and the surface of a level set by marching tetrahedra (Doi & Koide 1991; DMTet, arXiv 2111.04276)."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.autograd.function import once_differentiable

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
        a, b, c = take(self.vertices, self.faces).unbind(1)
        return torch.linalg.cross(b - a, c - a)

    @property
    def normals(self) -> Float[Tensor, "n 3"]:
        """Unit normals of the vertices, faces weighted by area; zero where nothing meets."""
        sums = torch.zeros_like(self.vertices)
        spread = self.face_normals.repeat_interleave(3, 0)
        sums = sums.index_add(0, self.faces.flatten(), spread)
        return torch.nn.functional.normalize(sums, dim=-1)

    @property
    def edges(self) -> Int[Tensor, "e 2"]:
        """Every edge once, its lower vertex first."""
        sides = self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).sort(-1).values
        keys = torch.unique(sides[:, 0] * len(self.vertices) + sides[:, 1])
        return torch.stack([keys // len(self.vertices), keys % len(self.vertices)], -1)


def take(values: Float[Tensor, "n c"], index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape c"]:
    """Rows of a table, whose gradient is summed in the same order on any number of CPU threads.

    ``values[index]`` adds atomically when several threads work; this one is also four times as fast on one.
    """
    return _Take.apply(values, index)


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape = values.shape
        return values.index_select(0, index.flatten()).reshape(*index.shape, values.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        total = gradient.new_zeros(ctx.shape)
        flat = gradient.reshape(-1, ctx.shape[1])
        for k in range(ctx.shape[1]):
            total[:, k].index_add_(0, index.flatten(), flat[:, k])
        return total, None


def without_outliers(mesh: Mesh, least: float = 0.01) -> Mesh:
    """The mesh without the connected parts that have fewer than ``least`` of the largest one's faces."""
    if len(mesh.faces) == 0:
        return mesh
    ends, count = mesh.edges.cpu().numpy(), len(mesh.vertices)
    graph = coo_matrix(([True] * len(ends), (ends[:, 0], ends[:, 1])), (count, count))
    part = torch.from_numpy(connected_components(graph, directed=False)[1]).to(mesh.faces.device)
    sizes = torch.bincount(part[mesh.faces[:, 0]])
    return kept(mesh, sizes[part[mesh.faces[:, 0]]] >= least * sizes.max())


def kept(mesh: Mesh, faces: Bool[Tensor, " m"]) -> Mesh:
    """Some of a mesh's faces, with the vertices that they need."""
    used, index = torch.unique(mesh.faces[faces], return_inverse=True)
    return Mesh(mesh.vertices[used], index)


def tetrahedra(
    resolution: int, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "k 4"]]:
    """The cube [-1, 1]^3 in ``resolution``^3 cells of six tetrahedra each, all of positive volume.

    Differs from DMTet, whose grid is a file made by a mesh generator: ours (Freudenthal's) needs none and has any size.
    """
    side = resolution + 1
    cells = torch.arange(resolution, device=device)
    step = torch.tensor([side * side, side, 1], device=device)
    start = (torch.stack(torch.meshgrid(cells, cells, cells, indexing="ij"), -1) * step).sum(-1)
    return lattice(resolution, device), _split(start.flatten(), side)


def lattice(resolution: int, device: torch.device | str = "cpu") -> Float[Tensor, "n 3"]:
    """The corners of ``resolution``^3 cells of the cube [-1, 1]^3, z running fastest."""
    line = torch.linspace(-1, 1, resolution + 1, device=device)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)


def crossed(inside: Bool[Tensor, "side side side"]) -> Int[Tensor, "k 4"]:
    """Those of :func:`tetrahedra` that lie in cells whose eight corners are not all on one side of the surface.

    The surface passes through no others, and a grid of 128 has twelve million.
    """
    side, count = inside.shape[0], torch.zeros_like(inside[1:, 1:, 1:], dtype=torch.uint8)
    ends = slice(None, -1), slice(1, None)
    for x in ends:
        for y in ends:
            for z in ends:
                count += inside[x, y, z]
    cells = ((count > 0) & (count < 8)).nonzero()
    return _split((cells[:, 0] * side + cells[:, 1]) * side + cells[:, 2], side)


def _split(start: Int[Tensor, " c"], side: int) -> Int[Tensor, "k 4"]:
    """The six tetrahedra of each cell, by the number of its first corner: one for each order of the axes."""
    step = side * side, side, 1
    parts = []
    for order in permutations(range(3)):
        path = [start]
        for axis in order:
            path.append(path[-1] + step[axis])
        odd = sum(order[i] > order[j] for i, j in combinations(range(3), 2)) % 2
        parts.append(torch.stack([path[0], path[2], path[1], path[3]] if odd else path, -1))
    return torch.cat(parts)


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
    one, other = (take(level[:, None], x) for x in (a, b))
    share = one / (one - other)
    start = take(positions, a)
    vertices = start + share * (take(positions, b) - start)
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
