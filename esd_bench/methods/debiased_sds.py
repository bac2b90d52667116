"""Debiased-SDS (arXiv 2303.15413): a bound on the score that grows, and prompts without words that contradict the view."""

from jaxtyping import Float
from torch import Tensor

from esd_bench.methods import NULL, TEXT, Method, Predictions, cfg
from esd_bench.types import Latent


def debiased_sds(
    scale: float = 100.0,
    low: float = 0.5,
    high: float = 2.0,
    until: float = 1.0,
    leave_out: bool = True,
) -> Method:
    """Debiased-SDS: SDS whose weighted residual is clipped, element by element, to a bound that grows linearly.

    Its authors give 2 to 8 for Stable Diffusion and .5 to 2 for DeepFloyd-IF over 10,000 steps; the ESD paper (arXiv
    2401.00909, appendix C) took .5 to 2 and does not say until when.

    Args:
        scale: guidance.
        low: the bound at first.
        high: the bound at last.
        until: share of the run at which it is reached.
        leave_out: use the prompt without the words that contradict a view (see :mod:`esd_bench.debias`), if it has any.
    """
    if not 0 < low <= high or not 0 < until <= 1:
        raise ValueError(f"needs 0 < low <= high and 0 < until <= 1, not {low}, {high}, {until}")

    def residual(eps: Predictions) -> Latent:
        return cfg(eps.text, eps.null, scale) - eps.noise

    def bound(progress: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return low + (high - low) * (progress / until).clamp(max=1)

    return Method(residual, rows=(TEXT, NULL), bound=bound, leaves_out=leave_out)
