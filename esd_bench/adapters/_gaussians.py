"""Splats as tensors: the usual activations of 3D Gaussian splatting (Kerbl et al., arXiv 2308.04079), and what is left out.

Letters: ``k`` splats, ``d`` coefficients of spherical harmonics for each colour: 1, 4, 9 or 16.
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

FAR = 1e4
"""Splats that lie farther out, or are larger, than this many times the asset's radius are left out."""
FAINT = 1 / 255
"""Opacity below which a splat shows nothing, as in the authors' renderer."""


@dataclass(frozen=True)
class Gaussians:
    """``k`` splats, activated.

    Attributes:
        mean: centres.
        scale: standard deviations along the splat's own axes.
        rotation: unit quaternions (w, x, y, z).
        opacity: in [0, 1].
        harmonics: colour as coefficients; 0.5 is added to their sum.
    """

    mean: Float[Tensor, "k 3"]
    scale: Float[Tensor, "k 3"]
    rotation: Float[Tensor, "k 4"]
    opacity: Float[Tensor, " k"]
    harmonics: Float[Tensor, "k d 3"]

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: Tensor) -> "Gaussians":
        return Gaussians(*(getattr(self, x.name)[index] for x in fields(self)))

    def to(self, device: torch.device) -> "Gaussians":
        """The same splats on another device."""
        return Gaussians(*(getattr(self, x.name).to(device) for x in fields(self)))

    def degree(self, most: int) -> "Gaussians":
        """The same splats with harmonics up to a degree only."""
        return replace(self, harmonics=self.harmonics[:, : (most + 1) ** 2].contiguous())

    @property
    def radius(self) -> float:
        """Of the ball round the median that nine tenths of the centres lie in; at least the median splat's size."""
        apart = (self.mean - self.mean.median(0).values).double().norm(dim=1)
        most = apart.kthvalue(max(1, int(0.9 * len(apart)))).values
        return max(float(most), float(self.scale.median()))

    def axes(self) -> Float[Tensor, "k 3 3"]:
        """Columns are the splats' own axes, as long as their standard deviations."""
        w, x, y, z = self.rotation.unbind(1)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        return torch.stack([torch.stack(row, 1) for row in rows], 1) * self.scale[:, None]


def activated(
    mean: Float[Tensor, "k 3"],
    log_scale: Float[Tensor, "k 3"],
    rotation: Float[Tensor, "k 4"],
    logit: Float[Tensor, " k"],
    harmonics: Float[Tensor, "k d 3"],
) -> Gaussians:
    """Splats from the numbers that are optimised and stored."""
    return Gaussians(mean, log_scale.exp(), unit(rotation), logit.sigmoid(), harmonics)


def unit(rotation: Float[Tensor, "k 4"]) -> Float[Tensor, "k 4"]:
    """Normalised quaternions; zero gives NaN, which :func:`sound` leaves out."""
    return rotation / rotation.norm(dim=1, keepdim=True)


def sound(splats: Gaussians) -> tuple[Gaussians, dict[str, int]]:
    """The splats that can be drawn, perhaps none, and how many were left out for which reason."""
    parts = (
        getattr(splats, x.name).flatten(1 if x.name != "opacity" else 0) for x in fields(splats)
    )
    finite = torch.stack([_finite(part) for part in parts]).all(0)
    kept = splats[finite & (splats.opacity >= FAINT)]
    left_out = {
        "not finite": int((~finite).sum()),
        "transparent": int((finite & (splats.opacity < FAINT)).sum()),
    }
    if len(kept):
        near = _near(kept)
        left_out["far away or huge"] = int((~near).sum())
        kept = kept[near]
    return kept, {reason: count for reason, count in left_out.items() if count}


def _finite(part: Tensor) -> Tensor:
    found = part.isfinite()
    return found.all(1) if part.dim() == 2 else found


def _near(splats: Gaussians) -> Tensor:
    limit = FAR * splats.radius
    apart = (splats.mean - splats.mean.median(0).values).double().norm(dim=1)
    return (apart <= limit) & (splats.scale.amax(1) <= limit)
