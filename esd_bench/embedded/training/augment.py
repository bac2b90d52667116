"""What separates generated views from clean renders, for the models that judge."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

from esd_bench.embedded.networks import AutoencoderKL


def augment(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Zoom and shift, blur, contrast, tint and noise."""
    n = len(x)
    x = moved(x)
    u = torch.rand(n, 1, 1, 1, device=x.device)
    coarse = interpolate(avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    soft = avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.where(u < 0.25, coarse, torch.where(u < 0.5, soft, x))
    contrast = 1 + 0.25 * torch.randn(n, 1, 1, 1, device=x.device)
    x = (x - 0.5) * contrast + 0.5 + 0.05 * torch.randn(n, 3, 1, 1, device=x.device)
    return (x + 0.04 * torch.rand_like(u) * torch.randn_like(x)).clamp(0, 1)


def moved(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Zoomed by about 15 % and shifted by about 4 % of the picture."""
    n, device = len(x), x.device
    scale = 1 + 0.15 * torch.randn(n, device=device)
    shift = 0.08 * torch.randn(n, 2, device=device)
    zero = torch.zeros_like(scale)
    rows = [torch.stack([scale, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)]
    grid = affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)


@torch.no_grad()
def round_trip(vae: AutoencoderKL, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Through the autoencoder, with up to .3 of latent noise, as samples of a prior come."""
    scaling = vae.config.scaling_factor
    z = vae.encode(x * 2 - 1).latent_dist.mean * scaling
    z = z + 0.3 * torch.rand(len(z), 1, 1, 1, device=z.device) * torch.randn_like(z)
    return ((vae.decode(z / scaling).sample.float() + 1) / 2).clamp(0, 1)
