"""A fixed surface with a colour field of its own: the texture stage (threestudio's ``prolificdreamer-texture``)."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.meshes import Mesh, lattice, without_outliers
from esd_bench.renderers import Fragments, Rasteriser
from esd_bench.renderers.raster import raster
from esd_bench.scenes import Beginning, Render, Scene
from esd_bench.scenes._hash import resolutions
from esd_bench.scenes._levels import ball, sample, surface
from esd_bench.scenes._texture import Grids, Hash


def textured(
    seeds: Int[Tensor, " p"],
    /,
    *,
    resolution: int = 32,
    texture: Literal["grids", "hash"] = "grids",
    grids: tuple[int, ...] = (12, 24, 48),
    noise: float = 0.02,
    learning_rate: float = 0.02,
    levels: int = 16,
    base: int = 16,
    finest: int = 4096,
    log2_rows: int = 19,
    hidden: int = 64,
) -> Scene:
    """A pack of textured meshes, one per seed: balls unless they begin from a ``tetmesh``.

    Only the texture learns. Parts of less than 1 % of the largest one's faces are left out, as in threestudio. There is
    no background of its own; threestudio learns one in this stage.

    Args:
        seeds: the initial colours of a member depend on its seed alone.
        resolution: cells per side of the grid that holds the surface; that of the ``tetmesh``.
        texture: ``grids`` is dense grids summed from coarse to fine, ``hash`` a hash grid with a small network.
        grids: cells per side of each grid, growing.
        noise: standard deviation of the grids' initial values.
        learning_rate: of the grids; the hash grid's is 0.01, its network's 0.001.
        levels: of the hash grid.
        base: vertices per side of its coarsest level.
        finest: of its finest.
        log2_rows: logarithm of the most rows that a level has.
        hidden: width of the network's hidden layer.
    """
    draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=seeds.device))
    colours: Grids | Hash
    if texture == "grids":
        colours = Grids(draws, grids, noise, learning_rate)
    else:
        colours = Hash(draws, resolutions(levels, base, finest, log2_rows), hidden)
    return Textured(len(seeds), resolution, colours)


class Textured(nn.Module):
    """See :func:`textured`. The surface is kept as the levels and deformations that it comes from, so members join."""

    capturable = False
    corners: Tensor
    level: Tensor
    deformation: Tensor

    def __init__(self, members: int, resolution: int, colours: Grids | Hash) -> None:
        super().__init__()
        self.members, self.resolution, self.colours = members, resolution, colours
        self.rasterise: Rasteriser = raster()
        corners = lattice(resolution)
        self.register_buffer("corners", corners, persistent=False)
        self.register_buffer("level", ball(corners, 0.5).repeat(members, 1))
        self.register_buffer("deformation", torch.zeros(members, len(corners), 3))
        self._known: tuple[object, tuple[Mesh, ...]] = (None, ())

    @torch.no_grad()
    def begin(self, before: Scene) -> Beginning:
        """The surface of a ``tetmesh`` as it is.

        Raises:
            ValueError: for another kind of scene, or another resolution.
        """
        found = getattr(before, "level", None)
        if found is None or found.shape != self.level.shape:
            raise ValueError(f"textured begins from a tetmesh of resolution {self.resolution}")
        self.level.copy_(found)
        self.deformation.copy_(before.deformation)  # type: ignore[attr-defined]
        bare = [len(mesh.faces) == 0 for mesh in self._meshes()]
        return Beginning(torch.tensor(bare, device=self.level.device))

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """Pictures of the object alone; see :class:`esd_bench.scenes.Scene`."""
        count, meshes = len(cameras) // self.members, self._meshes()
        seen = [
            self.rasterise(mesh, cameras[slice(i * count, (i + 1) * count)])
            for i, mesh in enumerate(meshes)
        ]
        # Every pixel's point, seen or not: a member's shapes, and so its bits, depend on no neighbour.
        places = [x.interpolate(m.vertices, m.faces) for x, m in zip(seen, meshes, strict=True)]
        points = torch.stack([x.movedim(1, -1).reshape(-1, 3) for x in places])
        rgb = self.colours(points).reshape(len(cameras), *places[0].shape[2:], 3).movedim(-1, 1)
        parts = [_shaded(*x) for x in zip(seen, rgb.split(count), strict=True)]
        colour, opacity, depth = torch.cat(parts).split([3, 1, 1], 1)
        return Render(colour, opacity, depth, meshes=meshes)

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """None: the texture stage has no penalties."""
        return {}

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """The texture's."""
        return self.colours.learning_rates()

    def mesh(self, member: int = 0) -> Mesh:
        """The surface that is textured."""
        return self._meshes()[member]

    @torch.no_grad()
    def field(self, points: Float[Tensor, "p n 3"]) -> tuple[Tensor, ...]:
        """Level, positive inside, and colour."""
        return sample(self.level, points), self.colours(points)

    @torch.no_grad()
    def _meshes(self) -> tuple[Mesh, ...]:
        """The surfaces, made anew when another state has been loaded."""
        state = self.level.data_ptr(), self.level._version, self.deformation._version
        if self._known[0] != state:
            both = zip(self.level, self.deformation, strict=True)
            made = tuple(without_outliers(surface(x, y, self.corners)) for x, y in both)
            self._known = state, made
        return self._known[1]


def _shaded(fragments: Fragments, rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 5 h w"]:
    """Premultiplied colour, opacity and depth, silhouettes smoothed."""
    mask = fragments.mask
    return fragments.smooth(torch.cat([rgb * mask, mask, fragments.depth[:, None]], 1))
