"""Shapes, letters and conventions used everywhere in esd-bench.

Letters in shape strings: ``n`` items, ``p`` pack members, ``v`` views per step, ``k`` prediction rows, ``c h w``
channels, height, width, ``d`` feature width, ``l`` tokens, ``t`` timesteps.

Colour   float32 in [0, 1], sRGB, ``(n, 3, h, w)``; stored once as 8-bit RGBA PNG, which every metric reads.
World    right-handed, +y up, object in the unit ball (as glTF). Azimuth 0 is the front: camera on +z; positive
         towards +x. A camera looks along its own -z; matrices are camera-to-world. Radians inside, degrees at the CLI.
Noise    ``x_t = alpha_t x + sigma_t eps``, integer ``t`` in ``[0, T)``; every prior answers in eps.
Guidance ``cfg(pos, null, s) = null + s (pos - null)``; ``s = 1`` is unguided.
lambda   the weight on the camera-free student: 0 is VSD. threestudio's ``guidance_scale_lora`` is ``1 - lambda``.
"""

from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor

Images: TypeAlias = Float[Tensor, "n 3 h w"]
"""RGB in [0, 1]."""
Latent: TypeAlias = Float[Tensor, "*batch c h w"]
"""A prior's latent, or anything of that shape: noise, a prediction, a residual."""
PerView: TypeAlias = Float[Tensor, "p v"]
"""One number per pack member and view."""
Timesteps: TypeAlias = Int[Tensor, "p v"]
"""Integer noise levels in [0, T)."""
Weight: TypeAlias = float | tuple[float, float, float, float]
"""Of a penalty: a number, or (first step, weight until then, weight in the end, last step), linear between."""


@dataclass(frozen=True)
class Symbol:
    """A second name of an option, put into its annotation: ``entropy: Annotated[float, Symbol("lambda", "λ")]``.

    Attributes:
        alias: also accepted on the command line.
        letter: what tables print.
    """

    alias: str
    letter: str
