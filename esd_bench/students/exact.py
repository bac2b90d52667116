"""The exact score of a member's rendered views: a mixture over their latents, no network.

With M views z_i, all equally likely, q_t(x_t) is a mixture of Gaussians round alpha_t z_i, and

    zbar = sum_i softmax_i(-|x_t - alpha_t z_i|^2 / 2 sigma_t^2) z_i,
    eps(x_t | no camera) = (x_t - alpha_t zbar) / sigma_t = eps + (alpha_t / sigma_t) (z - zbar).

It tells a method's principle from the approximation by a network.
"""

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.priors import Prior
from esd_bench.students import Noised
from esd_bench.students._mixture import Mixture


def exact(
    prior: Prior,
    seeds: Int[Tensor, " p"],
    /,
    *,
    views: int = 16,
    bank: Literal["fresh", "ring"] = "fresh",
) -> Mixture:
    """The closed-form mixture over M views of the member, the views of the step among them.

    Args:
        prior: answers base rows.
        seeds: one per member.
        views: M, at least the views of a step.
        bank: ``fresh`` renders the others anew each step, from the training distribution; ``ring`` keeps those of the
            last steps, which is free but late by :attr:`Mixture.age` steps.
    """
    if views < 1:
        raise ValueError("exact.views is at least 1")
    return Mixture(prior, len(seeds), views, bank == "ring", posterior)


def posterior(
    noised: Noised,
    bank: Float[Tensor, "p m c h w"],
    alpha: Float[Tensor, "p v 1 1 1"],
    sigma: Float[Tensor, "p v 1 1 1"],
) -> Float[Tensor, "p v m"]:
    """Log-probability, up to a constant, that x_t was made of each view."""
    away = noised.noised[:, :, None] - alpha[:, :, None] * bank[:, None]
    return -(away / sigma[:, :, None]).square().flatten(3).sum(-1) / 2
