"""Adam for packs: every tensor's first axis is the pack, and nothing is ever summed over it.

AdamW (arXiv 1711.05101) with three additions: a floor under its denominator, members that can be frozen, and a step
count that is handed in as a tensor, so that a step can be captured in a CUDA graph and a checkpoint holds moments only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Groups = Sequence[tuple[Sequence[Tensor], float]]
"""Tensors with the learning rate of each set, as :meth:`esd_bench.scenes.Scene.learning_rates` returns them."""


class PackAdam:
    """Adam or, with weight decay, AdamW over all members of a pack at once.

    The moments of all tensors lie side by side in two ``(p, values)`` tensors, and tensors of one rate are updated
    together: a dozen operations for a student of a thousand small matrices.

    Args:
        groups: tensors ``(p, ...)`` of one type and device, with the learning rate of each set.
        betas, eps: as Adam's.
        weight_decay: decoupled; a step first multiplies a value by ``1 - rate * weight_decay``.
        floor: the denominator is ``sqrt(v + floor * mean(v))``, the mean over one tensor of one member, so that values
            that hardly ever get a gradient do not take full steps on noise (0.03 removes floaters from voxel grids).
        warmup: steps over which the rate rises linearly; step 0 already takes ``1 / warmup`` of it.
        total: steps over which the rate falls linearly to ``final`` of itself; None keeps it.
        final: share of the rate left at ``total``.

    Raises:
        ValueError: when the tensors do not share the size of their first axis.
    """

    def __init__(
        self,
        groups: Groups,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-15,
        weight_decay: float = 0.0,
        floor: float = 0.0,
        warmup: int = 0,
        total: int | None = None,
        final: float = 0.1,
    ) -> None:
        self.tensors = [x for tensors, _ in groups for x in tensors]
        widths = {len(x) for x in self.tensors}
        if len(widths) != 1:
            raise ValueError(f"a pack's tensors share their first axis, not {sorted(widths)}")
        self.betas, self.eps, self.weight_decay, self.floor = betas, eps, weight_decay, floor
        self.warmup, self.total, self.final = warmup, total, final
        # A floor's mean is over one tensor; without it all tensors of one rate are updated together.
        sets = [([x], rate) for xs, rate in groups for x in xs] if floor else groups
        sizes = [sum(x[0].numel() for x in xs) for xs, _ in sets]
        self.m = self.tensors[0].new_zeros(widths.pop(), sum(sizes), requires_grad=False)
        self.v = torch.zeros_like(self.m)
        columns = zip(self.m.split(sizes, 1), self.v.split(sizes, 1), strict=True)
        self._blocks = [
            _Block(list(xs), rate, *mv) for (xs, rate), mv in zip(sets, columns, strict=True)
        ]

    @torch.no_grad()
    def step(self, count: Int[Tensor, ""], alive: Bool[Tensor, " p"] | None = None) -> None:
        """One update from the gradients, which are then dropped; a tensor without one counts as having zeros.

        Args:
            count: updates done before this one.
            alive: members to update; the others keep every bit, whatever their gradients are.
        """
        multiplier = self.multiplier(count)
        first, second = (1 - torch.pow(b, (count + 1).to(self.m.dtype)) for b in self.betas)
        for block in self._blocks:
            block.learn(self.betas, alive)
            direction = block.direction(first, second, self.floor, self.eps)
            block.move(direction, multiplier * block.rate, self.weight_decay, alive)

    def multiplier(self, count: Int[Tensor, ""]) -> Float[Tensor, ""]:
        """What the learning rates are multiplied by at a step: linear warm-up times linear decay."""
        step = count.to(self.m.dtype)
        value = torch.ones_like(step)
        if self.warmup:
            value = value * ((step + 1) / self.warmup).clamp(max=1)
        if self.total:
            value = value * (1 - (1 - self.final) * (step / self.total).clamp(max=1))
        return value

    def state(self) -> dict[str, Float[Tensor, "p values"]]:
        """Both moments, the pack first; the tensors themselves, not copies."""
        return {"m": self.m, "v": self.v}

    def restore(self, state: dict[str, Float[Tensor, "p values"]]) -> None:
        """Take up the moments of :meth:`state`, in place."""
        self.m.copy_(state["m"])
        self.v.copy_(state["v"])


@dataclass(frozen=True)
class _Block:
    """Tensors that are updated together, and their columns of both moments."""

    tensors: list[Tensor]
    rate: float
    m: Float[Tensor, "p columns"]
    v: Float[Tensor, "p columns"]

    def learn(self, betas: tuple[float, float], alive: Tensor | None) -> None:
        """Take the gradients into the moments."""
        gradient = self._gradient()
        if alive is None:
            self.m.lerp_(gradient, 1 - betas[0])
            self.v.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
            return
        # Not a product with the mask: zero times NaN is NaN.
        gradient.masked_fill_(~alive[:, None], 0.0)
        live = alive[:, None].to(gradient.dtype)
        self.m.lerp_(gradient, live * (1 - betas[0]))
        self.v.mul_(1 - live * (1 - betas[1])).addcmul_(gradient, gradient, value=1 - betas[1])

    def direction(self, first: Tensor, second: Tensor, floor: float, eps: float) -> Tensor:
        """Adam's step before the learning rate; ``first`` and ``second`` correct the moments' bias."""
        if floor:
            mean = self.v.mean(1, keepdim=True) * (floor / second)
            under = torch.addcmul(mean, self.v, 1 / second)
        else:
            under = self.v / second
        under.sqrt_().add_(eps).mul_(first)
        return torch.div(self.m, under, out=under)

    def move(self, direction: Tensor, rate: Tensor, decay: float, alive: Tensor | None) -> None:
        """Update the tensors."""
        rates = rate.expand(len(self.m)) if alive is None else rate * alive
        if decay:
            kept = 1 - decay * rates
            if len(kept) == 1:  # all tensors in a few kernels, not in one each
                torch._foreach_mul_(self.tensors, kept[0])
            else:
                for x in self.tensors:
                    x.mul_(kept.reshape(-1, *[1] * (x.ndim - 1)))
        steps = direction.mul_(rates[:, None]).split([x[0].numel() for x in self.tensors], 1)
        shaped = [y.reshape(x.shape) for x, y in zip(self.tensors, steps, strict=True)]
        torch._foreach_sub_(self.tensors, shaped)

    def _gradient(self) -> Float[Tensor, "p columns"]:
        parts = [x.grad if x.grad is not None else torch.zeros_like(x) for x in self.tensors]
        for x in self.tensors:
            x.grad = None
        rows = [x.reshape(len(self.m), -1) for x in parts]
        return rows[0] if len(rows) == 1 else torch.cat(rows, 1)


def finite_members(tensors: Iterable[Tensor]) -> Bool[Tensor, " p"]:
    """Which members have only finite values in all tensors ``(p, ...)``; to be joined with ``alive``."""
    # Zero times a value is zero if it is finite and NaN if not: half the memory traffic of isfinite().all().
    return torch.stack([(x.reshape(len(x), -1) * 0).sum(1) == 0 for x in tensors]).all(0)
