"""The mixture over a member's rendered views: no network, nothing learned.

With M views z_i and weights w_i that say which of them x_t may have been made of,

    eps(x_t | no camera) = eps + (alpha_t / sigma_t) sum_i w_i (z - z_i),
    eps(x_t | camera)    = eps,

because q(x_t | c) is a Gaussian round the view's own latent z. z is among the z_i: without it the difference does not vanish
where the view is told apart from all others. Which w_i are meant is the student's own affair: they may come of other features
than the latents, but it is whole latents that the difference moves.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.methods import Row
from esd_bench.priors import Prior
from esd_bench.students import Noised

Kernel: TypeAlias = Callable[[Noised, Tensor, Tensor, Tensor], Tensor]
"""Logits (p, v, m) of a bank's latents (p, m, c, h, w) for each view, from alpha and sigma, (p, v, 1, 1, 1) both."""


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


class Mixture:
    """The contract is :class:`esd_bench.students.Student`.

    Args:
        prior: answers base rows.
        members: of the pack.
        views: M.
        ring: whether views of earlier steps serve.
        kernel: which views are alike.

    Attributes:
        entropy: (p,) nats of the weights, averaged over the step's views; at most ln M.
        age: (p,) mean age in steps of the views in the bank; 0 where they are fresh.
    """

    every = 1
    renders = True

    def __init__(self, prior: Prior, members: int, views: int, ring: bool, kernel: Kernel) -> None:
        self.prior, self.views, self.ring, self.kernel = prior, views, ring, kernel
        zeros = torch.zeros(members, dtype=prior.dtype, device=prior.device)
        self.entropy, self.age = zeros, zeros.clone()
        self.notes = {"entropy": self.entropy, "age": self.age}
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
        logits = self.kernel(noised, bank.latent, alpha, sigma)
        weights = torch.where(bank.step[:, None] >= 0, logits, -math.inf).softmax(-1)
        self.entropy.copy_(torch.special.entr(weights).sum(-1).mean(1))
        held = bank.step >= 0
        self.age.copy_(((noised.draws.step - bank.step) * held).sum(1) / held.sum(1))
        apart = noised.latent[:, :, None] - bank.latent[:, None]
        # Written with differences, the term is exactly zero where the view is told apart from all others.
        return noised.noise + alpha / sigma * torch.einsum("pvm,pvmchw->pvchw", weights, apart)

    def _around(self, noised: Noised) -> _Bank:
        """The step's own views and the others."""
        views = noised.latent.shape[1]
        if self.views < views:
            raise ValueError(f"{self.views} views can't hold the {views} views of a step")
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
