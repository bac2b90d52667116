"""No student: the prior's rows alone, for methods such as SDS."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.methods import Row
from esd_bench.priors import Prior
from esd_bench.students import Noised


def frozen(prior: Prior, seeds: Int[Tensor, " p"], /) -> "Frozen":
    """Answers base rows and learns nothing."""
    return Frozen(prior)


class Frozen:
    """The contract is :class:`esd_bench.students.Student`."""

    every = 1
    renders = False
    notes: Mapping[str, Tensor] = MappingProxyType({})

    def __init__(self, prior: Prior) -> None:
        self.prior = prior

    @torch.no_grad()
    def predict(
        self, noised: Noised, rows: Sequence[Row], dropout: float = 0.0
    ) -> Float[Tensor, "p v k c h w"]:
        """The prior's eps of every row.

        Raises:
            ValueError: when a row asks for a student.
        """
        asked = [row.name for row in rows if row.state != "base"]
        if asked:
            raise ValueError(f"the row {asked[0]!r} needs a student; use lora or exact, not frozen")
        return self.prior.eps(noised.rows, noised.t, noised.text, [row.state for row in rows])

    def fit(
        self, noised: Noised, dropout: float, alive: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """Nothing; zeros."""
        return torch.zeros_like(alive, dtype=noised.latent.dtype)

    def state(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""
