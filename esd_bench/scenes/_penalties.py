"""Penalties on rendered opacity that every volumetric scene shares (threestudio's definitions)."""

from jaxtyping import Float
from torch import Tensor

from esd_bench.scenes import Render


def penalties(render: Render, members: int) -> dict[str, Float[Tensor, " p"]]:
    """Sparsity, opaque and, where the field has normals, orientation: means over a member's views.

    ``sparsity`` is the mean of sqrt(opacity^2 + 0.01); ``opaque`` the mean binary entropy, in nats, of the opacity
    clamped to [1e-3, 1 - 1e-3].
    """
    opacity = render.opacity.reshape(members, -1)
    o = opacity.clamp(1e-3, 1 - 1e-3)
    values = {
        "sparsity": (opacity**2 + 0.01).sqrt().mean(1),
        "opaque": -(o * o.log() + (1 - o) * (1 - o).log()).mean(1),
    }
    if render.orientation is not None:
        values["orientation"] = render.orientation.reshape(members, -1).mean(1)
    return values
