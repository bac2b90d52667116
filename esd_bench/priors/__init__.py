"""Contract of a prior: a text-conditional diffusion model, always asked for eps.

``priors/NAME.py`` holds a function ``NAME(device, /, *, ...) -> Prior``. One call of ``eps`` answers every row of a step,
base and student alike: rows are the third axis of (p, v, k) blocks (pack member, view, row), student rows last, so that
an adapter's low-rank terms are added to a slice and base rows keep their bits.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esd_bench.methods import State
from esd_bench.types import Images


@runtime_checkable
@runtime_checkable
class Adapter(Protocol):
    """Low-rank updates and a camera embedding for each pack member: the first axis of every parameter is the pack.

    An ``nn.Module``. Its ``camera`` network maps 16 numbers to the width of the time embedding and has a bias, so the
    sixteen zeros of an "anywhere" row are not nothing.
    """

    members: int

    def parameters(self, recurse: bool = True) -> Any:
        """As an ``nn.Module``'s."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """As an ``nn.Module``'s."""
        ...

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> Any:
        """As an ``nn.Module``'s."""
        ...


@runtime_checkable
class Prior(Protocol):
    """A frozen diffusion model with its codec and its text encoder.

    Attributes:
        name: how reports call it.
        digest: SHA-256 over everything that changes an answer: weights of all parts, scheduler, prediction type.
        files: file name -> SHA-256 of what was loaded.
        device, dtype: where and in which precision latents are exchanged.
        alpha, sigma: (t,) float32 tensors on the device; alpha^2 + sigma^2 = 1.
        latent: (c, h, w) of a latent.
        resolution: side in pixels of the pictures that ``encode`` wants; others are resized bilinearly.
    """

    name: str
    digest: str
    files: dict[str, str]
    device: torch.device
    dtype: torch.dtype
    alpha: Float[Tensor, " t"]
    sigma: Float[Tensor, " t"]
    latent: tuple[int, int, int]
    resolution: int

    def encode(
        self, rgb: Images, noise: Float[Tensor, "n c y x"] | None = None
    ) -> Float[Tensor, "n c y x"]:
        """Differentiable latents, scaled: the posterior's mean or, if the prior is set to sample it, mean + std noise."""
        ...

    def decode(self, latent: Float[Tensor, "n c y x"]) -> Images:
        """Pictures of latents, clamped to [0, 1]."""
        ...

    def words(self, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
        """Encoded texts."""
        ...

    def eps(
        self,
        noised: Float[Tensor, "p v k c h w"],
        t: Int[Tensor, "p v"],
        text: Float[Tensor, "p v k l d"],
        states: Sequence[State],
        adapter: Adapter | None = None,
        camera: Float[Tensor, "p v 16"] | None = None,
    ) -> Float[Tensor, "p v k c h w"]:
        """Noise predictions of all rows in one forward; ``states`` says who answers each of the k rows."""
        ...

    def error_scale(self, t: Int[Tensor, "p v"]) -> Float[Tensor, "p v"]:
        """Error of what the network itself predicts per error of eps (1, or 1/alpha for v): what a student is fitted in."""
        ...

    def adapter(self, seeds: Int[Tensor, " p"], **options: Any) -> "nn.Module":
        """A fresh :class:`Adapter`, one member per seed; its first answers equal the base's."""
        ...

    def sample(
        self, texts: Sequence[str], seeds: Sequence[int], scale: float = 7.5, steps: int = 25
    ) -> Images:
        """Pictures of texts, one seed each, by DDIM with guidance ``scale``."""
        ...
