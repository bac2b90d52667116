"""Contract of a scene: what is optimised; one module holds a whole pack, side by side.

``scenes/NAME.py`` holds a function ``NAME(seeds, /, *, ...) -> Scene``. Every parameter and buffer has the pack as its
first axis, so a member is a slice of the state and a pack is a concatenation of members.

A scene that a later stage goes on with, such as a mesh, also has ``begin(before) -> Beginning``, which takes up the scene of
the stage before. One whose shapes depend on its values says ``capturable = False``: no CUDA graph can hold its steps. One
that has a surface has ``mesh(member) -> Mesh``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.meshes import Mesh


@dataclass(frozen=True)
class Render:
    """Pictures of a pack, ``n = p v`` of them, member by member.

    Attributes:
        rgb: premultiplied colour of the object alone.
        opacity: in [0, 1].
        depth: expected distance along the ray, weighted by opacity.
        background: what a scene's own background shows, or None where it has none.
        normals: unit normals weighted by opacity in world axes, or None.
        orientation: (n,) penalty of normals that face away from the camera, or None.
        meshes: what was seen, one of each member, where the scene is a mesh.
    """

    rgb: Float[Tensor, "n 3 h w"]
    opacity: Float[Tensor, "n 1 h w"]
    depth: Float[Tensor, "n 1 h w"]
    background: Float[Tensor, "n 3 h w"] | None = None
    normals: Float[Tensor, "n 3 h w"] | None = None
    orientation: Float[Tensor, " n"] | None = None
    meshes: tuple[Mesh, ...] = ()

    def over(self, background: Float[Tensor, "#n 3 #h #w"]) -> Float[Tensor, "n 3 h w"]:
        """The object in front of a background, such as ``(n, 3, 1, 1)``; the scene's own wins if it has one."""
        behind = self.background if self.background is not None else background
        return self.rgb + (1 - self.opacity) * behind


@dataclass(frozen=True)
class Beginning:
    """How a scene began from another.

    Attributes:
        empty: which members found nothing to begin from.
        notes: numbers for the log of each member.
    """

    empty: Bool[Tensor, " p"]
    notes: Mapping[str, Float[Tensor, " p"]] = field(default_factory=dict)


@runtime_checkable
class Scene(Protocol):
    """A differentiable pack of scenes; an ``nn.Module``.

    Scenes of a density field also have ``field(points (p, n, 3)) -> (density (p, n), rgb (p, n, 3), ...)``.
    """

    members: int

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """Pictures from ``p v`` cameras, member by member.

        Args:
            cameras: their number is a multiple of the pack.
            progress: share of training done, for coarse-to-fine scenes; None is the finished scene.
            draws: jitters the samples along rays; None takes their middles (evaluation).
        """
        ...

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """Penalties per member by name, without their weights: sparsity, opaque, orientation ..."""
        ...

    def learning_rates(self) -> list[tuple[list[torch.nn.Parameter], float]]:
        """Groups of parameters with the learning rate of each."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, as nn.Module has it; so are the next two."""
        ...

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> Any:
        """Take up the state of a scene of the same pack width and options."""
        ...

    def to(self, device: torch.device | str) -> Any:
        """Move to a device, in place."""
        ...
