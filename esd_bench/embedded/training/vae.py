"""Trains the autoencoder: 64 pixels to 16x16x4 and back."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.embedded import data, networks
from esd_bench.embedded.fitting import Fit
from esd_bench.embedded.networks import AutoencoderKL
from esd_bench.embedded.training.job import RATE, Job, finish, pick


def vae(job: Job, option: str = "") -> None:
    """L1 + 2 MSE + 5e-4 KL on pictures from everywhere; then latents are made zero-mean and unit-variance."""
    target = job.weights / "embedded" / "vae"
    if target.exists():
        return
    pool, model = job.pool("sphere", "around"), networks.vae().to(job.device)
    report = Fit("vae", model, fidelity(job, model, pool), RATE["vae"], job.budget("vae")).run()
    index = batches(job.examples(16384), 512, job.device)
    sample = torch.cat([moments(model, pool, i)[:, :4].float() for i in index])
    mean = sample.mean((0, 2, 3))
    networks.standardise(model, mean, (sample - mean[:, None, None]).std().item())
    finish(model.half().save_pretrained, target)
    job.note("vae", report)


def fidelity(job: Job, model: AutoencoderKL, pool: data.Pool) -> Callable[[], Tensor]:
    """The objective."""

    def objective() -> Tensor:
        x = pool.images(pick(len(pool), job.batch("vae"), job.device)) * 2 - 1
        posterior = model.encode(x).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        z = mean + torch.randn_like(mean) * torch.exp(logvar / 2)
        error = model.decode(z).sample.float() - x
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return error.abs().mean() + 2 * error.square().mean() + 5e-4 * divergence

    return objective


def batches(n: int, size: int, device: str) -> list[Int[Tensor, " b"]]:
    """Indices 0..n-1 in pieces."""
    return list(torch.arange(n, device=device).split(size))


@torch.no_grad()
def moments(
    model: AutoencoderKL, pool: data.Pool, index: Tensor, backdrop: str = "pale"
) -> Float[Tensor, "b 8 h w"]:
    """Mean and log-variance of latents, unscaled."""
    cuda = pool.rgba.is_cuda
    with torch.autocast(pool.rgba.device.type, torch.bfloat16, enabled=cuda):
        return model.encode(pool.images(index, backdrop) * 2 - 1).latent_dist.parameters.half()
