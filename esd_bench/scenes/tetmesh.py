"""A mesh out of signed levels on a grid (DMTet, arXiv 2111.04276): the geometry stage, seen as a picture of normals.

As in threestudio's ``prolificdreamer-geometry``: world-space normals mapped to [0, 1], black behind them, levels from the
density of the scene before. Ours is a grid of cubes cut into six; DMTet's, from a mesh generator, has 1.5 million
tetrahedra where it is called 128, as many as ours of 64.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.meshes import Mesh, lattice, take, without_outliers
from esd_bench.renderers import Fragments, Rasteriser
from esd_bench.renderers.raster import raster
from esd_bench.scenes import Beginning, Render, Scene
from esd_bench.scenes._levels import ball, levels, sample, surface

PIECE = 2**18
"""Points of the pack whose density is asked for together."""


def tetmesh(
    seeds: Int[Tensor, " p"],
    /,
    *,
    resolution: int = 32,
    threshold: float = 25.0,
    radius: float = 0.5,
    noise: float = 0.01,
    learning_rate: float = 0.005,
) -> Scene:
    """A pack of meshes, one per seed: noisy balls unless they begin from the scene of another stage.

    Args:
        seeds: the noise of a member depends on its seed alone.
        resolution: cells per side of the grid.
        threshold: density per world unit at the surface when it begins from a density. Where that leaves no surface, it
            is halved, or doubled, until there is one; the state keeps what was found.
        radius: of the ball, in world units.
        noise: standard deviation of the ball's levels.
        learning_rate: of levels and deformations.
    """
    return TetMesh(seeds, resolution, threshold, radius, noise, learning_rate)


class TetMesh(nn.Module):
    """See :func:`tetmesh`. ``level`` is ``(p, n)``, positive inside; ``deformation`` ``(p, n, 3)``, before its tanh."""

    capturable = False
    corners: Tensor
    threshold: Tensor

    def __init__(
        self,
        seeds: Int[Tensor, " p"],
        resolution: int,
        threshold: float,
        radius: float,
        noise: float,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.members, self.resolution = len(seeds), resolution
        self.wanted, self.learning_rate = threshold, learning_rate
        self.rasterise: Rasteriser = raster()
        corners = lattice(resolution, seeds.device)
        self.register_buffer("corners", corners, persistent=False)
        draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=seeds.device))
        level = ball(corners, radius) + noise * draws.normal("tetmesh", len(corners))
        self.level = nn.Parameter(level)
        self.deformation = nn.Parameter(level.new_zeros(*level.shape, 3))
        self.register_buffer("threshold", level.new_zeros(self.members))

    @torch.no_grad()
    def begin(self, before: Scene) -> Beginning:
        """The surface of another scene's density; where no threshold leaves one, a member stays empty."""
        piece = max(1, PIECE // self.members)
        parts = (x.expand(self.members, -1, -1) for x in self.corners.split(piece))
        density = torch.cat([before.field(x)[0] for x in parts], 1)  # type: ignore[attr-defined]
        level, found = levels(density, self.corners, self.wanted)
        self.level.copy_(level)
        self.deformation.zero_()
        self.threshold.copy_(found.nan_to_num(0.0))
        return Beginning(found.isnan(), {"threshold": self.threshold})

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """Pictures of the normals; see :class:`esd_bench.scenes.Scene`."""
        count = len(cameras) // self.members
        meshes = tuple(self.surface(i) for i in range(self.members))
        parts = [
            _normals(mesh, self.rasterise(mesh, cameras[slice(i * count, (i + 1) * count)]))
            for i, mesh in enumerate(meshes)
        ]
        rgb, opacity, depth = torch.cat(parts).split([3, 1, 1], 1)
        return Render(rgb, opacity, depth, meshes=meshes)

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """Normal consistency and Laplacian, per member."""
        return {
            "normal_consistency": torch.stack([normal_consistency(x) for x in render.meshes]),
            "laplacian": torch.stack([laplacian(x) for x in render.meshes]),
        }

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """Levels and deformations learn at one rate."""
        return [([self.level, self.deformation], self.learning_rate)]

    def surface(self, member: int) -> Mesh:
        """The surface as it is trained, small parts and all."""
        return surface(self.level[member], self.deformation[member], self.corners)

    @torch.no_grad()
    def mesh(self, member: int = 0) -> Mesh:
        """The surface without parts of less than 1 % of the largest one's faces, as threestudio leaves them out."""
        return without_outliers(self.surface(member))

    @torch.no_grad()
    def field(self, points: Float[Tensor, "p n 3"]) -> tuple[Tensor, ...]:
        """Level, and the colour that the pictures have there: the direction in which the level falls."""
        rise = []
        for axis in range(3):
            step = points.new_zeros(3)
            step[axis] = 1 / self.resolution
            ends = [sample(self.level, (points + s * step).clamp(-1, 1)) for s in (1, -1)]
            rise.append(ends[0] - ends[1])
        normal = -functional.normalize(torch.stack(rise, -1), dim=-1)
        return sample(self.level, points), (normal + 1) / 2


def _normals(mesh: Mesh, fragments: Fragments) -> Float[Tensor, "n 5 h w"]:
    """Normals in [0, 1], opacity and depth, silhouettes smoothed."""
    normal = functional.normalize(fragments.interpolate(mesh.normals, mesh.faces), dim=1)
    mask = fragments.mask
    pictures = torch.cat([(normal + 1) / 2 * mask, mask, fragments.depth[:, None]], 1)
    # An empty mesh's pictures depend on its vertices, too, so that a step through them is a step.
    return fragments.smooth(pictures) + 0 * mesh.vertices.sum()


def normal_consistency(mesh: Mesh) -> Float[Tensor, ""]:
    """Mean over edges of one minus the cosine between the normals of their ends; 0 of an empty mesh."""
    a, b = take(mesh.normals, mesh.edges).unbind(1)
    return (1 - (a * b).sum(-1)).sum() / max(1, len(a))


def laplacian(mesh: Mesh) -> Float[Tensor, ""]:
    """Mean length of ``L v``, L being each vertex's number of neighbours minus the adjacency; 0 of an empty mesh."""
    edges = mesh.edges
    a, b = take(mesh.vertices, edges).unbind(1)
    sums = torch.zeros_like(mesh.vertices)
    sums = sums.index_add(0, edges[:, 0], a - b).index_add(0, edges[:, 1], b - a)
    return sums.norm(dim=-1).sum() / max(1, len(sums))
