"""A Gaussian as a diffusion model: every answer in closed form, for tests and for Figure 3 of ESD (arXiv 2401.00909)."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.draws import Draws
from esd_bench.methods import State


def gaussian(
    device: torch.device,
    /,
    *,
    mean: tuple[float, ...] = (0.5, 0.5, 0.5),
    covariance: tuple[float, ...] = (0.04, 0.0, 0.0, 0.0, 0.04, 0.0, 0.0, 0.0, 0.04),
    dtype: Literal["float32", "float64"] = "float64",
) -> "Gaussian":
    """N(mean, covariance) over latents of shape (d, 1, 1): with d = 3, over the mean colour of a picture.

    Texts are ignored, so guidance changes nothing. The noise schedule is Stable Diffusion's.

    Args:
        device: where tensors lie.
        mean: d numbers.
        covariance: d x d numbers, row by row; symmetric, eigenvalues not negative.
        dtype: precision of everything.
    """
    kind = {"float32": torch.float32, "float64": torch.float64}[dtype]
    d = len(mean)
    if len(covariance) != d * d:
        raise ValueError(
            f"gaussian.covariance needs {d * d} numbers for {d} of the mean, not {len(covariance)}"
        )
    matrix = torch.tensor(covariance, dtype=kind, device=device).reshape(d, d)
    if not torch.equal(matrix, matrix.T) or torch.linalg.eigvalsh(matrix).min() < 0:
        raise ValueError("gaussian.covariance must be symmetric without negative eigenvalues")
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    abar = torch.cumprod(1 - betas, 0)
    alpha, sigma = (x.to(device, kind) for x in (abar.sqrt(), (1 - abar).sqrt()))
    return Gaussian(torch.tensor(mean, dtype=kind, device=device), matrix, alpha, sigma)


@dataclass(frozen=True)
class Gaussian:
    """The contract is :class:`esd_bench.priors.Prior`; ``replace(prior, mean=..., covariance=...)`` is another one.

    Attributes:
        mean: one, or one for each pack member.
        covariance: likewise.
        alpha, sigma: of every t.
    """

    mean: Float[Tensor, "*p d"]
    covariance: Float[Tensor, "*p d d"]
    alpha: Float[Tensor, " t"]
    sigma: Float[Tensor, " t"]
    name = "gaussian"
    resolution = 1

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.mean.device

    @property
    def dtype(self) -> torch.dtype:
        """Of latents."""
        return self.mean.dtype

    @property
    def latent(self) -> tuple[int, int, int]:
        """(d, 1, 1)."""
        return (self.mean.shape[-1], 1, 1)

    @property
    def files(self) -> dict[str, str]:
        """Nothing is loaded."""
        return {}

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers."""
        numbers = [*self.mean.flatten().tolist(), *self.covariance.flatten().tolist()]
        return hashlib.sha256(repr(numbers).encode()).hexdigest()

    def noise_in(
        self,
        noised: Float[Tensor, "*p n d"],
        alpha: Float[Tensor, "*p n"],
        sigma: Float[Tensor, "*p n"],
    ) -> Float[Tensor, "*p n d"]:
        """E[eps | x_t] = sigma (alpha^2 S + sigma^2 I)^-1 (x_t - alpha mean) at any noise level, in S's own axes."""
        values, axes = torch.linalg.eigh(self.covariance)
        alpha, sigma = alpha[..., None], sigma[..., None]
        centred = (noised - alpha * self.mean[..., None, :]) @ axes
        return sigma * (centred / (alpha**2 * values[..., None, :] + sigma**2)) @ axes.mT

    def encode(
        self, rgb: Float[Tensor, "n c h w"], noise: Float[Tensor, "n c y x"] | None = None
    ) -> Float[Tensor, "n c y x"]:
        """The picture itself if it is one pixel, else its mean colour."""
        return rgb.to(self.dtype).mean((-2, -1), keepdim=True)

    def decode(self, latent: Float[Tensor, "n c y x"]) -> Float[Tensor, "n c y x"]:
        """The latent, clamped to [0, 1]."""
        return latent.clamp(0, 1)

    def words(self, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
        """Zeros: texts mean nothing."""
        return self.mean.new_zeros(len(texts), 1, 1)

    def eps(
        self,
        noised: Float[Tensor, "p v k c h w"],
        t: Int[Tensor, "p v"],
        text: Float[Tensor, "p v k l d"],
        states: Sequence[State],
        adapter: Any = None,
        camera: Float[Tensor, "p v 16"] | None = None,
    ) -> Float[Tensor, "p v k c h w"]:
        """Exact answers of base rows; no adapter fits on a formula."""
        if any(state != "base" for state in states):
            raise ValueError("a Gaussian prior carries no adapter; use the student exact")
        p, v, k = noised.shape[:3]
        alpha, sigma = (
            x[t][:, :, None].expand(p, v, k).flatten(1) for x in (self.alpha, self.sigma)
        )
        return self.noise_in(noised.reshape(p, v * k, -1), alpha, sigma).reshape(noised.shape)

    def error_scale(self, t: Int[Tensor, "p v"]) -> Float[Tensor, "p v"]:
        """Ones: it predicts eps."""
        return torch.ones_like(self.alpha[t])

    def adapter(self, seeds: Int[Tensor, " p"], **options: Any) -> Any:
        """There is none."""
        raise ValueError("a Gaussian prior carries no adapter; use the student exact")

    def sample(
        self, texts: Sequence[str], seeds: Sequence[int], scale: float = 7.5, steps: int = 25
    ) -> Float[Tensor, "n c y x"]:
        """Exact draws, clamped to [0, 1]; ``scale`` and ``steps`` change nothing."""
        zero = torch.zeros((), dtype=torch.long, device=self.device)
        draws = Draws(torch.tensor(seeds, device=self.device), zero)
        values, axes = torch.linalg.eigh(self.covariance)
        normal = draws.normal("sample", math.prod(self.latent)).to(self.dtype)
        return self.decode((self.mean + normal * values.sqrt() @ axes.T)[..., None, None])
