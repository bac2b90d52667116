"""The exact score of a member's rendered views: a mixture over their latents, no network.

With M views z_i, all equally likely, q_t(x_t) is a mixture of Gaussians round alpha_t z_i, and

    zbar = sum_i softmax_i(-|x_t - alpha_t z_i|^2 / 2 sigma_t^2) z_i,
    eps(x_t | no camera) = (x_t - alpha_t zbar) / sigma_t = eps + (alpha_t / sigma_t) (z - zbar),
    eps(x_t | camera)    = eps,

because q(x_t | c) is a Gaussian round the view's own latent z. z is among the z_i: without it the difference does not
vanish at low noise. It tells a method's principle from the approximation by a network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.methods import Row
from esd_bench.priors import Prior
from esd_bench.students import Noised


def exact(
    prior: Prior,
    seeds: Int[Tensor, " p"],
    /,
    *,
    views: int = 16,
    bank: Literal["fresh", "ring"] = "fresh",
) -> "Exact":
    """The closed-form mixture over M views of the member, the views of the step among them.

    Args:
        prior: answers base rows.
        seeds: one per member.
        views: M, at least the views of a step.
        bank: ``fresh`` renders the others anew each step, from the training distribution; ``ring`` keeps those of the
            last steps, which is free but late by :attr:`Exact.age` steps.
    """
    if views < 1:
        raise ValueError("exact.views is at least 1")
    return Exact(prior, len(seeds), views, bank == "ring")


@dataclass(frozen=True)
class _Bank:
    """Latents of views of each member, with the step of each; -1 marks a place that is still empty."""

    latent: Float[Tensor, "p m c h w"]
    step: Int[Tensor, "p m"]

    def later(self, latent: Float[Tensor, "p v c h w"], step: Int[Tensor, ""]) -> "_Bank":
        """The bank with the step's views in front and its oldest dropped."""
        kept = self.step.shape[1] - latent.shape[1]
        now = step.expand(self.step.shape[0], latent.shape[1])
        return _Bank(
            torch.cat([latent, self.latent[:, :kept]], 1), torch.cat([now, self.step[:, :kept]], 1)
        )


class Exact:
    """The contract is :class:`esd_bench.students.Student`; nothing is learned.

    Args:
        prior: answers base rows.
        members: of the pack.
        views: M.
        ring: whether views of earlier steps serve.

    Attributes:
        entropy: (p,) nats of the mixture's weights given x_t, averaged over the step's views; at most ln M.
        age: (p,) mean age in steps of the views in the bank; 0 where they are fresh.
    """

    every = 1
    renders = True

    def __init__(self, prior: Prior, members: int, views: int, ring: bool) -> None:
        self.prior, self.views, self.ring = prior, views, ring
        zeros = torch.zeros(members, dtype=prior.dtype, device=prior.device)
        self.entropy, self.age = zeros, zeros.clone()
        self._bank = _Bank(
            zeros.new_zeros(members, views if ring else 0, *prior.latent),
            torch.full((members, views if ring else 0), -1, device=prior.device),
        )

    @torch.no_grad()
    def predict(
        self, noised: Noised, rows: Sequence[Row], dropout: float = 0.0
    ) -> Float[Tensor, "p v k c h w"]:
        """The eps of every row; student rows last."""
        first = sum(row.state == "base" for row in rows)
        states = {row.state for row in rows[first:]}
        base = noised.only(0, first)
        answers = [self.prior.eps(base.rows, base.t, base.text, ["base"] * first)] if first else []
        answer = {"camera": noised.noise}
        if "anywhere" in states:
            answer["anywhere"] = self._anywhere(noised)
        return torch.cat([*answers, *(answer[row.state][:, :, None] for row in rows[first:])], 2)

    def _anywhere(self, noised: Noised) -> Float[Tensor, "p v c h w"]:
        bank = self._around(noised)
        alpha, sigma = (
            s[noised.t][:, :, None, None, None].to(noised.latent.dtype)
            for s in (self.prior.alpha, self.prior.sigma)
        )
        weights = self._weights(noised, bank, alpha, sigma)
        self.entropy.copy_(torch.special.entr(weights).sum(-1).mean(1))
        held = bank.step >= 0
        self.age.copy_(((noised.draws.step - bank.step) * held).sum(1) / held.sum(1))
        apart = noised.latent[:, :, None] - bank.latent[:, None]
        # Written with differences, the term is exactly zero where the view is told apart from all others.
        return noised.noise + alpha / sigma * torch.einsum("pvm,pvmchw->pvchw", weights, apart)

    def _weights(
        self, noised: Noised, bank: _Bank, alpha: Tensor, sigma: Tensor
    ) -> Float[Tensor, "p v m"]:
        """How likely x_t was made of each view."""
        away = noised.noised[:, :, None] - alpha[:, :, None] * bank.latent[:, None]
        logits = -(away / sigma[:, :, None]).square().flatten(3).sum(-1) / 2
        return torch.where(bank.step[:, None] >= 0, logits, -math.inf).softmax(-1)

    def _around(self, noised: Noised) -> _Bank:
        """The step's own views and the others."""
        views = noised.latent.shape[1]
        if self.views < views:
            raise ValueError(f"exact.views={self.views} can't hold the {views} views of a step")
        if self.ring:
            return self._bank.later(noised.latent.to(self._bank.latent.dtype), noised.draws.step)
        others = self.views - views
        latent = torch.cat([noised.latent, noised.others(others)], 1) if others else noised.latent
        return _Bank(latent, noised.draws.step.expand(latent.shape[:2]))

    def fit(
        self, noised: Noised, dropout: float, alive: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """Keeps the step's views, in a ring; no loss."""
        if self.ring:
            later, live = self._around(noised), alive > 0
            self._bank.latent.copy_(
                torch.where(live[:, None, None, None, None], later.latent, self._bank.latent)
            )
            self._bank.step.copy_(torch.where(live[:, None], later.step, self._bank.step))
        return torch.zeros_like(alive)

    def state(self) -> dict[str, Tensor]:
        """The ring."""
        return {"latent": self._bank.latent, "step": self._bank.step} if self.ring else {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Copy a state into the present ring."""
        if self.ring:
            self._bank.latent.copy_(state["latent"])
            self._bank.step.copy_(state["step"])
