"""Contract of a renderer: how a field or a mesh becomes pictures.

``renderers/NAME.py`` holds a function ``NAME(...)`` that makes the renderer. A field maps points to density and colour,
pack member by pack member: ``(p, n, 3) -> (p, n), (p, n, 3)``; a scene of a field and a renderer is two lines. A mesh has
no pack: its rasteriser says what every pixel sees, and shading is the caller's (``docs/decisions/006-meshes.md``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.meshes import Mesh, take
from esd_bench.scenes import Render

Field: TypeAlias = Callable[[Float[Tensor, "p n 3"]], tuple[Tensor, ...]]
"""Points in the cube [-1, 1]^3 to density ``(p, n)`` (per world unit), colour ``(p, n, 3)`` in [0, 1] and, where the
field has them, unit normals ``(p, n, 3)``."""


@runtime_checkable
class Renderer(Protocol):
    """Pictures of a field from ``p v`` cameras."""

    def __call__(
        self,
        field: Field,
        cameras: Cameras,
        members: int,
        draws: Draws | None,
        occupied: Callable[[Float[Tensor, "p n 3"]], Bool[Tensor, "p n"]] | None = None,
    ) -> Render:
        """Pictures, member by member; without draws nothing is jittered. What is not ``occupied`` may be skipped."""
        ...


@dataclass(frozen=True)
class Fragments:
    """What the pixels of n pictures see of a mesh.

    Attributes:
        face: number of the nearest face at each pixel's centre; -1 is none.
        weights: of the face's three corners at the point seen, summing to 1; zeros where there is none.
        depth: distance of that point from the camera; 0 where there is none.
        smooth: pictures ``(n, c, h, w)`` of these fragments with the silhouettes' edges antialiased. Only here do the
            corners learn where a silhouette is.
    """

    face: Int[Tensor, "n h w"]
    weights: Float[Tensor, "n h w 3"]
    depth: Float[Tensor, "n h w"]
    smooth: Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n c h w"]]

    @property
    def mask(self) -> Float[Tensor, "n 1 h w"]:
        """1 where there is a face."""
        return (self.face >= 0).to(self.weights.dtype)[:, None]

    def interpolate(
        self, values: Float[Tensor, "k c"], faces: Int[Tensor, "m 3"]
    ) -> Float[Tensor, "n c h w"]:
        """Values of corners at the points seen; ``faces`` says which rows a face's corners have (a mesh's, or a UV map's)."""
        if len(faces) == 0:
            return values.new_zeros(*self.face.shape, values.shape[1]).movedim(-1, 1)
        corners = take(values, faces[self.face.clamp_min(0)])
        return (corners * self.weights[..., None]).sum(-2).movedim(-1, 1)


@runtime_checkable
class Rasteriser(Protocol):
    """Which face every pixel sees, and where on it; differentiable in the mesh's vertices."""

    def __call__(self, mesh: Mesh, cameras: Cameras) -> Fragments:
        """The same mesh from every camera."""
        ...
