"""Random numbers as a pure function of (seed, step, purpose, position); nothing to checkpoint, no global state.

The generator is Squares (Widynski, arXiv 2004.06278): four rounds of squaring a counter times a key. Every operation is
an element-wise int64 tensor operation, so a draw gives the same bits at every pack width and can be captured in a CUDA
graph. Each seed and purpose has a key of its own (SplitMix64 of both); the counter is ``step * 2**32 + position``.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_LOW32 = 0xFFFFFFFF


def _signed(value: int) -> int:
    """The int64 that has the bits of an unsigned 64-bit number."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's own is arithmetic)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser, a bijection of 64-bit numbers."""
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _swap(x: Tensor) -> Tensor:
    """Exchange the two 32-bit halves."""
    return _shift(x, 32) | (x << 32)


def _squares(counter: Tensor, key: Tensor) -> Tensor:
    """32 random bits per counter, as int64 in [0, 2**32)."""
    y = x = counter * key
    z = y + key
    x = _swap(x * x + y)
    x = _swap(x * x + z)
    x = _swap(x * x + y)
    return _shift(x * x + z, 32)


def _purpose(name: str) -> int:
    return _signed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


@dataclass(frozen=True)
class Draws:
    """All random numbers of one step of a pack.

    Attributes:
        seeds: one integer seed per pack member.
        step: the step number, a tensor without axes (so that a captured graph reads its present value).
    """

    seeds: Int[Tensor, " p"]
    step: Int[Tensor, ""]

    def bits(self, purpose: str, *shape: int) -> Int[Tensor, "p *shape"]:
        """Integers in [0, 2**32), ``shape`` of them for each member."""
        count = math.prod(shape)
        key = _mix(_mix(self.seeds.long()) + _purpose(purpose)) | 1
        counter = (self.step.long() << 32) + torch.arange(count, device=self.seeds.device)
        return _squares(counter[None], key[:, None]).reshape(len(self.seeds), *shape)

    def uniform(self, purpose: str, *shape: int) -> Float[Tensor, "p *shape"]:
        """Numbers in [0, 1) on a grid of 2**-24, exactly representable in float32."""
        return (self.bits(purpose, *shape) >> 8).float() * 2.0**-24

    def normal(self, purpose: str, *shape: int) -> Float[Tensor, "p *shape"]:
        """Standard normal numbers (Box-Muller)."""
        count = math.prod(shape)
        radius, angle = self.uniform(purpose, 2, count).unbind(1)
        # 1 - u lies in (0, 1]: its logarithm is finite.
        values = torch.sqrt(-2 * torch.log(1 - radius)) * torch.cos(2 * math.pi * angle)
        return values.reshape(len(self.seeds), *shape)
