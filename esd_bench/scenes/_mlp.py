"""Small networks with weights of their own for every member of a pack, and the directions' spherical harmonics."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from esd_bench.draws import Draws


class PackMLP(nn.Module):
    """Linear layers without biases and ReLUs between them, as in tiny-cuda-nn's and threestudio's networks.

    Args:
        name: purpose of the random numbers of the initial weights (Xavier uniform).
        draws: one seed per member.
        widths: of the input, the hidden layers and the output.
    """

    def __init__(self, name: str, draws: Draws, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.weights = nn.ParameterList()
        for k, (inside, outside) in enumerate(pairwise(widths)):
            reach = math.sqrt(6 / (inside + outside))
            uniform = draws.uniform(f"{name} {k}", outside, inside)
            self.weights.append((2 * uniform - 1) * reach)

    def forward(self, x: Float[Tensor, "p inside n"]) -> Float[Tensor, "p outside n"]:
        """The channels come before the samples: the hash encoding writes them so."""
        return _Network.apply(x, *self.weights)


class _Network(torch.autograd.Function):
    """Batched products with ReLUs between them; the hidden values are computed again for the backward pass.

    Of a million samples they would be four fifths of what a render keeps, and cost one small product each. The gradient
    of a matrix sums over all samples: made member by member, one product at a time, it leaves the library free to split
    the sum over the whole GPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, *weights)
        return torch.bmm(weights[-1], _inputs(x, weights)[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        inputs, found = _inputs(x, weights), []
        while weights:
            weight, y = weights.pop(), inputs.pop()
            products = [g @ h.T for g, h in zip(gradient, y, strict=True)]
            found.append(torch.stack(products))
            if weights or ctx.needs_input_grad[0]:
                gradient = torch.bmm(weight.transpose(1, 2), gradient)
            if weights:
                gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        return gradient if ctx.needs_input_grad[0] else None, *reversed(found)


def _inputs(x: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """What each layer is given."""
    found = [x]
    for weight in weights[:-1]:
        found.append(torch.bmm(weight, found[-1]).relu_())
    return found


def harmonics(direction: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 9"]:
    """Real spherical harmonics up to the second order of unit vectors."""
    x, y, z = direction.unbind(-1)
    values = [
        torch.full_like(x, 0.5 / math.sqrt(math.pi)),
        *(math.sqrt(0.75 / math.pi) * v for v in (y, z, x)),
        *(math.sqrt(3.75 / math.pi) * v for v in (x * y, y * z)),
        math.sqrt(0.3125 / math.pi) * (3 * z**2 - 1),
        math.sqrt(3.75 / math.pi) * x * z,
        math.sqrt(0.9375 / math.pi) * (x**2 - y**2),
    ]
    return torch.stack(values, -1)
