"""A low-rank student on the prior's own network (ProlificDreamer, arXiv 2305.16213; ESD, arXiv 2401.00909, Algorithm 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.methods import Row, State
from esd_bench.optim import PackAdam
from esd_bench.priors import Prior
from esd_bench.students import Noised

_GAIN = 1024.0
"""The loss is multiplied by it before going backward and gradients are divided after: small ones survive float16.

A power of two, so that float32 keeps its bits."""


def lora(
    prior: Prior,
    seeds: Int[Tensor, " p"],
    /,
    *,
    rank: int = 8,
    targets: Literal["attention", "all"] = "all",
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    warmup: int = 0,
    fit: Literal["fresh", "same"] = "fresh",
    fits: int = 1,
    every: int = 1,
    base: str = "",
    camera_width: int = 0,
) -> "Lora":
    """A LoRA and a camera network for each member, fitted to the noise of the rendered views.

    threestudio's setting is ``rank=4, targets="attention", learning_rate=1e-4, weight_decay=0.01``. Unlike there, the
    camera is dropped per view and not per batch, and a fresh student answers exactly like the prior.

    Args:
        prior: whose network the student shares.
        seeds: one per member.
        rank: of every update.
        targets: ``attention`` (to_q, to_k, to_v, to_out.0) or ``all`` (every Linear and Conv2d).
        learning_rate: of AdamW, betas (0.9, 0.99), eps 1e-15.
        weight_decay: of AdamW.
        warmup: fits over which the learning rate rises linearly.
        fit: ``fresh`` draws a new t in [0, T) and new noise (the authors' code); ``same`` trains the prediction's own
            row at its t and noise (Algorithm 1 as printed), which saves a forward.
        fits: updates per step; all but the first are fresh.
        every: fit in every n-th step only.
        base: folder or hub id of the student's own U-Net and schedule; empty shares the prior's (threestudio: SD-2.1
            with v-prediction under SD-2.1-base).
        camera_width: hidden width of the camera network; 0 takes that of the time embedding.
    """
    if min(fits, every) < 1:
        raise ValueError("lora.fits and lora.every are at least 1")
    source: Any = prior.sibling(base) if base else prior  # type: ignore[attr-defined]
    adapter = source.adapter(seeds, rank=rank, targets=targets, camera_width=camera_width)
    optimiser = PackAdam(
        [(list(adapter.parameters()), learning_rate)],
        weight_decay=weight_decay,
        warmup=warmup,
    )
    return Lora(prior, source, adapter, optimiser, same=fit == "same", fits=fits, every=every)


@dataclass(frozen=True)
class _Trial:
    """A prediction made with grad for the fit of the same step, and the dropout that it was made with."""

    eps: Float[Tensor, "p v c h w"]
    dropout: float


class Lora:
    """The contract is :class:`esd_bench.students.Student`.

    Args:
        prior: answers base rows.
        source: whose network carries the adapter: the prior itself, or one on another base.
        adapter: one member per pack member.
        optimiser: over the adapter's parameters.
        same, fits, every: as in :func:`lora`.
    """

    renders = False
    notes: Mapping[str, Tensor] = MappingProxyType({})

    def __init__(
        self,
        prior: Prior,
        source: Prior,
        adapter: Any,
        optimiser: PackAdam,
        *,
        same: bool = False,
        fits: int = 1,
        every: int = 1,
    ) -> None:
        self.prior, self.source, self.adapter, self.optimiser = prior, source, adapter, optimiser
        self.same, self.fits, self.every = same, fits, every
        members = next(adapter.parameters()).shape[0]
        self._updates = torch.zeros(members, dtype=torch.long, device=prior.device)
        self._trial: _Trial | None = None

    @torch.no_grad()
    def predict(
        self, noised: Noised, rows: Sequence[Row], dropout: float = 0.0
    ) -> Float[Tensor, "p v k c h w"]:
        """The eps of every row, detached: one forward; with ``fit="same"`` the fitted row's forward is one of its own."""
        states = [row.state for row in rows]
        if self.same and set(states) != {"base"}:
            return self._predict_same(noised, states, dropout)
        return self._predict(noised, states, noised.camera)

    def _predict(self, noised: Noised, states: list[State], camera: Tensor) -> Tensor:
        """All rows in one forward where the student shares the prior's network, else one for each network."""
        first = states.count("base")
        if self.source is self.prior or first == len(states):
            return self._answers(self.prior, noised, states, camera)
        base = self._answers(self.prior, noised.only(0, first), states[:first], camera)
        rest = noised.only(first, len(states))
        return torch.cat([base, self._answers(self.source, rest, states[first:], camera)], 2)

    def _answers(self, prior: Prior, noised: Noised, states: list[State], camera: Tensor) -> Tensor:
        return prior.eps(noised.rows, noised.t, noised.text, states, self.adapter, camera)

    def _predict_same(self, noised: Noised, states: list[State], dropout: float) -> Tensor:
        """The row that is to be fitted runs alone, with grad; all others run together, without.

        A dropped view is fitted in its camera-free row, if the method names both; if it names only one, all views are
        fitted in that one, since nobody reads the other.
        """
        first, asked = states.count("base"), set(states) - {"base"}
        both = len(asked) == 2
        told = ~_dropped(noised, 0, dropout if both else float("anywhere" in asked))[:, :, None]
        with torch.enable_grad():
            eps = self._own(noised.noised, noised.t, noised, noised.camera * told)
        self._trial = _Trial(eps, dropout)
        own = eps.detach()
        if not both:
            base = self._predict(noised.only(0, first), states[:first], noised.camera)
            return torch.cat([base, own[:, :, None]], 2)
        rest = self._predict(
            noised.only(0, first + 1), [*states[:first], "camera"], noised.camera * ~told
        )
        base, other, told = rest[:, :, :first], rest[:, :, first], told[..., None, None]
        answer = {
            "camera": torch.where(told, own, other),
            "anywhere": torch.where(told, other, own),
        }
        return torch.cat([base, *(answer[state][:, :, None] for state in states[first:])], 2)

    def _own(
        self, x: Tensor, t: Tensor, noised: Noised, camera: Tensor
    ) -> Float[Tensor, "p v c h w"]:
        """The student's eps on its own text; cameras of zeros are no cameras."""
        text = noised.plain[:, None, None].expand(-1, x.shape[1], -1, -1, -1)
        return self.source.eps(x[:, :, None], t, text, ("camera",), self.adapter, camera)[:, :, 0]

    def fit(
        self, noised: Noised, dropout: float, alive: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """``fits`` updates; the mean squared error per member, in what the network predicts, averaged over them."""
        losses = []
        for turn in range(self.fits):
            if self.same and turn == 0:
                loss = self._same_loss(noised, dropout)
            else:
                loss = self._fresh_loss(noised, dropout, turn)
            losses.append(loss.detach())
            self._update(loss, alive)
        return torch.stack(losses).mean(0)

    def _fresh_loss(self, noised: Noised, dropout: float, turn: int) -> Float[Tensor, " p"]:
        draws, (views, *shape) = noised.draws, noised.latent.shape[1:]
        t = (draws.uniform(f"student {turn} t", views) * len(self.source.alpha)).long()
        noise = draws.normal(f"student {turn} noise", views, *shape).to(noised.latent.dtype)
        alpha, sigma = (
            s[t][:, :, None, None, None] for s in (self.source.alpha, self.source.sigma)
        )
        told = ~_dropped(noised, turn, dropout)[:, :, None]
        eps = self._own(alpha * noised.latent + sigma * noise, t, noised, noised.camera * told)
        return self._error(eps, noise, t)

    def _same_loss(self, noised: Noised, dropout: float) -> Float[Tensor, " p"]:
        trial, self._trial = self._trial, None
        if trial is None or trial.dropout != dropout:
            raise ValueError(
                'a student with fit="same" needs predict(..., dropout) before fit(..., dropout)'
            )
        return self._error(trial.eps, noised.noise, noised.t)

    def _error(self, eps: Tensor, noise: Tensor, t: Tensor) -> Float[Tensor, " p"]:
        error = (eps - noise) * self.source.error_scale(t)[:, :, None, None, None]
        return error.square().flatten(1).mean(1)

    def _update(self, loss: Float[Tensor, " p"], alive: Float[Tensor, " p"]) -> None:
        """Members share the sum, so each gets its own loss's gradient; no norm is taken over the pack."""
        (loss.sum() * _GAIN).backward()
        torch._foreach_div_(
            [x.grad for x in self.adapter.parameters() if x.grad is not None], _GAIN
        )
        self.optimiser.step(self._updates.amax(), alive > 0)
        self._updates += 1

    def state(self) -> dict[str, Tensor]:
        """Adapter, moments and number of updates."""
        return {
            **{f"adapter.{name}": x for name, x in self.adapter.state_dict().items()},
            **{f"adam.{name}": x for name, x in self.optimiser.state().items()},
            "updates": self._updates,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Copy a state into the present tensors."""
        with torch.no_grad():
            for name, x in self.adapter.state_dict().items():
                x.copy_(state[f"adapter.{name}"])
        self.optimiser.restore({name: state[f"adam.{name}"] for name in self.optimiser.state()})
        self._updates.copy_(state["updates"])


def _dropped(noised: Noised, turn: int, dropout: float) -> Bool[Tensor, "p v"]:
    """Views that are fitted without their camera."""
    return noised.draws.uniform(f"student {turn} dropout", noised.t.shape[1]) < dropout
