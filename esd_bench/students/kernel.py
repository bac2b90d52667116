"""Views that look alike from afar repel each other, at every noise level: weights of coarse latents, a force on the full ones.

Differs from ESD (arXiv 2401.00909), whose entropy is that of the noised views: there the bandwidth is sigma_t / alpha_t in
latent pixels, so that below t = 600 or so every view is told apart from every other and nothing repels. Here coarse latents
decide which views are the same, with a bandwidth that noise does not change (a kernel density, as in SVGD, arXiv 1608.04471):

    w_i = softmax_i(-|pool(z) - pool(z_i)|^2 / 2 h^2),  h = bandwidth * root mean square distance between the pooled views.

The force sum_i w_i (z - z_i) is not pooled: views that are coarsely alike are driven apart in every detail as well. So it is
the gradient of a kernel density's logarithm only where nothing is pooled (``side`` the latents' own), and of no entropy else.
"""

from functools import partial
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from esd_bench.priors import Prior
from esd_bench.students import Noised
from esd_bench.students._mixture import Mixture


def kernel(
    prior: Prior,
    seeds: Int[Tensor, " p"],
    /,
    *,
    views: int = 16,
    bank: Literal["fresh", "ring"] = "fresh",
    bandwidth: float = 0.5,
    side: int = 4,
) -> Mixture:
    """A kernel density over M views of the member, the views of the step among them.

    Args:
        prior: answers base rows.
        seeds: one per member.
        views: M, at least the views of a step.
        bank: as the student ``exact`` has it.
        bandwidth: of the kernel, in root mean squares of the distance between the member's pooled views.
        side: to which latents are averaged before they are compared.
    """
    if views < 2 or bandwidth <= 0 or side < 1:
        raise ValueError("kernel wants views from 2, a bandwidth above 0 and a side from 1")
    alike = partial(likeness, bandwidth=bandwidth, side=side)
    return Mixture(prior, len(seeds), views, bank == "ring", alike)


def likeness(
    noised: Noised,
    bank: Float[Tensor, "p m c h w"],
    alpha: Float[Tensor, "p v 1 1 1"],
    sigma: Float[Tensor, "p v 1 1 1"],
    *,
    bandwidth: float,
    side: int,
) -> Float[Tensor, "p v m"]:
    """Logarithm of the kernel between each view of the step and each of the bank."""
    own, others = (
        adaptive_avg_pool2d(x.flatten(0, 1), side).unflatten(0, x.shape[:2]).flatten(2)
        for x in (noised.latent, bank)
    )
    squared = (own[:, :, None] - others[:, None]).square().sum(-1)
    mean = squared.flatten(1).mean(1)[:, None, None].clamp_min(1e-12)
    return -squared / (bandwidth**2 * mean) / 2
