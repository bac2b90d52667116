"""t uniform below an upper bound that falls once: ProlificDreamer (arXiv 2305.16213), .98 to .5 after 5000 steps."""

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.schedules import Schedule
from esd_bench.types import PerView, Timesteps


def annealed(
    low: float = 0.02, high: float = 0.98, end: float = 0.5, start: float = 0.0, length: float = 0.8
) -> Schedule:
    """Draws t uniformly from the integers from ``low T`` to a bound that goes from ``high T`` to ``end T``, all included.

    threestudio's [5000, 0.98, 0.5, 5001] of 25,000 steps is ``start=0.2, length=0``: step 5000 itself still has .98.

    Args:
        low: least share of T.
        high: greatest share of T at first.
        end: greatest share of T at last.
        start: share of the run after which the bound moves.
        length: share of the run over which it moves linearly; 0 is at once.
    """
    if not 0 <= low <= min(high, end) or max(high, end) > 1:
        raise ValueError(f"annealed needs 0 <= low <= high, end <= 1, not {low}, {high}, {end}")

    def timesteps(
        numbers: PerView, progress: Float[Tensor, ""], abar: Float[Tensor, " t"]
    ) -> Timesteps:
        past = progress - start
        moved = (past / length).clamp(0, 1) if length > 0 else (past > 0).to(numbers.dtype)
        first = round(low * len(abar))
        last = torch.round((high + (end - high) * moved) * len(abar)).clamp(max=len(abar) - 1)
        return first + (numbers * (last - first + 1)).long()

    return timesteps
