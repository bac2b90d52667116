"""Contract of a renderer: how a field or a mesh becomes pictures.

``renderers/NAME.py`` holds a function ``NAME(...)`` that makes the renderer. A field maps points to density and colour,
pack member by pack member: ``(p, n, 3) -> (p, n), (p, n, 3)``; a scene of a field and a renderer is two lines.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.scenes import Render

Field: TypeAlias = Callable[[Float[Tensor, "p n 3"]], tuple[Tensor, ...]]
"""Points in the cube [-1, 1]^3 to density ``(p, n)`` (per world unit), colour ``(p, n, 3)`` in [0, 1] and, where the
field has them, unit normals ``(p, n, 3)``."""


@runtime_checkable
class Renderer(Protocol):
    """Pictures of a field from ``p v`` cameras."""

    def __call__(self, field: Field, cameras: Cameras, members: int, draws: Draws | None) -> Render:
        """Pictures, member by member; without draws nothing is jittered."""
        ...
