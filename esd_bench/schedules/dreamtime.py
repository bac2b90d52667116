"""Time-prioritised distillation: t falls once from high to low, lingering where it matters (DreamTime, arXiv 2306.12422)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.schedules import Schedule
from esd_bench.types import PerView, Timesteps


def dreamtime(
    form: Literal["v1", "iclr"] = "v1",
    low: float = 0.02,
    high: float = 0.98,
    plateau: tuple[float, float] = (0.5, 0.8),
    flanks: tuple[float, float] = (0.1, 0.3),
    centre: float = 0.5,
    width: float = 0.125,
) -> Schedule:
    """One t for all views, never rising: the t' whose S(t') = sum_{t >= t'} W(t) / sum W is nearest to progress.

    w(t) of the method stays as it is. All numbers are shares of T. ``v1`` is the form of the first preprint, which ESD
    cites: W = 1 on the plateau, Gaussian flanks beside it. ``iclr``: W = sqrt((1 - abar) / abar) times a Gaussian.
    Authors' code restricts W to [low, high], and so do we; constants are those of public implementations.

    Args:
        form: which W.
        low: least share of T.
        high: greatest share of T.
        plateau: of v1.
        flanks: standard deviations of v1 below and above the plateau.
        centre: of iclr.
        width: standard deviation of iclr.
    """
    if not 0 <= low < high <= 1:
        raise ValueError(f"dreamtime needs 0 <= low < high <= 1, not {low} and {high}")

    def importance(share: Tensor, abar: Tensor) -> Tensor:
        if form == "iclr":
            return ((1 - abar) / abar).sqrt() * torch.exp(-(((share - centre) / width) ** 2) / 2)
        below = (plateau[0] - share).clamp(min=0) / flanks[0]
        above = (share - plateau[1]).clamp(min=0) / flanks[1]
        return torch.exp(-(below**2 + above**2) / 2)

    def timesteps(
        numbers: PerView, progress: Float[Tensor, ""], abar: Float[Tensor, " t"]
    ) -> Timesteps:
        first, last = round(low * len(abar)), min(round(high * len(abar)), len(abar) - 1)
        # From the highest t down, so that the sums rise and progress can be looked up in them.
        falling = torch.arange(last, first - 1, -1, device=abar.device)
        weights = importance(falling.double() / len(abar), abar.double()[falling])
        sums = weights.cumsum(0) / weights.sum()
        wanted = progress.double().reshape(1)
        after = torch.searchsorted(sums, wanted).clamp(1, len(sums) - 1)
        nearest = torch.where(wanted - sums[after - 1] <= sums[after] - wanted, after - 1, after)
        return falling[nearest].expand(numbers.shape)

    return timesteps
