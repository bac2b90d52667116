"""t uniform over a fixed range of noise levels (DreamFusion, arXiv 2209.14988)."""

from jaxtyping import Float
from torch import Tensor

from esd_bench.schedules import Schedule
from esd_bench.types import PerView, Timesteps


def uniform(low: float = 0.02, high: float = 0.98) -> Schedule:
    """t uniform over the integers from ``low T`` to ``high T``, both included, as threestudio draws.

    Args:
        low: least share of T.
        high: greatest share of T.
    """

    def timesteps(
        numbers: PerView, progress: Float[Tensor, ""], abar: Float[Tensor, " t"]
    ) -> Timesteps:
        first, last = round(low * len(abar)), min(round(high * len(abar)), len(abar) - 1)
        return first + (numbers * (last - first + 1)).long()

    return timesteps
