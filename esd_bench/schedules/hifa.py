"""HiFA's square-root annealing (arXiv 2305.18766): t falls once, fast at first."""

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.schedules import Schedule
from esd_bench.types import PerView, Timesteps


def hifa(low: float = 0.02, high: float = 0.98) -> Schedule:
    """A single t for all views, low + (high - low) (1 - sqrt(progress)) in shares of T.

    threestudio, where it is ``sqrt_anneal``, recommends low = .3.

    Args:
        low: least share of T.
        high: greatest share of T.
    """
    if not 0 <= low < high <= 1:
        raise ValueError(f"hifa needs 0 <= low < high <= 1, not {low} and {high}")

    def timesteps(
        numbers: PerView, progress: Float[Tensor, ""], abar: Float[Tensor, " t"]
    ) -> Timesteps:
        share = low + (high - low) * (1 - progress.sqrt())
        return torch.round(share * len(abar)).long().clamp(max=len(abar) - 1).expand(numbers.shape)

    return timesteps
