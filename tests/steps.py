"""A step of a pack with random contents, for tests of priors and students."""

import torch

from esd_bench.draws import Draws
from esd_bench.methods import Method, View
from esd_bench.priors import Prior
from esd_bench.students import Noised


def step(
    prior: Prior,
    method: Method,
    members: int = 2,
    views: int = 2,
    index: int = 0,
    seed: int = 0,
    level: int | None = None,
    seeds: list[int] | None = None,
) -> Noised:
    """What the loop would hand to a student, with random latents and embeddings; a function of ``seed``.

    ``level`` puts all views at one t; ``seeds`` are the members'.
    """
    draws = Draws(torch.tensor(seeds or range(seed, seed + members)), torch.tensor(index))
    t = (draws.uniform("t", views) * len(prior.alpha)).long()
    if level is not None:
        t = torch.full_like(t, level)
    latent, noise = (
        draws.normal(x, views, *prior.latent).to(prior.dtype) for x in ("latent", "noise")
    )
    alpha, sigma = (x[t][:, :, None, None, None] for x in (prior.alpha, prior.sigma))
    words = prior.words(["plain", "front", "side", "back", "overhead", ""])
    angles = draws.uniform("angles", views, 2) * 2 - 1
    view = View(angles[..., 0] * 3, angles[..., 1], torch.tensor(0.5))
    return Noised(
        latent=latent,
        noised=alpha * latent + sigma * noise,
        noise=noise,
        t=t,
        camera=draws.normal("camera", views, 16),
        texts=words.expand(members, *words.shape),
        mixes=torch.stack([row.mix(view) for row in method.rows], 2).to(prior.dtype),
        draws=draws,
        others=lambda count: draws.normal("others", count, *prior.latent).to(prior.dtype),
    )
