"""Small networks with weights of their own for every member of a pack, and the directions' spherical harmonics."""

import math
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
        for weight in list(self.weights)[:-1]:
            x = torch.relu(_Linear.apply(weight, x))
        return _Linear.apply(self.weights[-1], x)


class _Linear(torch.autograd.Function):
    """A batched product whose weights' gradient is made member by member.

    That gradient sums over a million samples into a small matrix: one product at a time leaves the library free to
    split the sum over the whole GPU.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(weight, x)
        return torch.bmm(weight, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        weight, x = ctx.saved_tensors
        products = [g @ y.T for g, y in zip(gradient, x, strict=True)]
        back = torch.bmm(weight.transpose(1, 2), gradient) if ctx.needs_input_grad[1] else None
        return torch.stack(products), back


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
