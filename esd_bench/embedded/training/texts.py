"""Captions of a whole training set, each distinct one kept once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Texts:
    """Distinct captions, and for each example the index of its caption; index 0 is the empty caption."""

    distinct: list[str]
    index: Int[Tensor, "*n"]


def distinct(texts: Sequence[str], shape: tuple[int, ...], device: str) -> Texts:
    """Groups equal captions."""
    number: dict[str, int] = {"": 0}
    index = [number.setdefault(text, len(number)) for text in texts]
    return Texts(list(number), torch.tensor(index, device=device).reshape(shape))
