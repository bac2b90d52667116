"""Colours of textures at points: bilinear, with the wrap modes of glTF."""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Wrap: TypeAlias = Literal["repeat", "mirror", "clamp"]
Picture: TypeAlias = UInt8[Tensor, "h w 4"]
"""Straight 8-bit sRGB and opacity, from the upper left corner."""


def bilinear(
    picture: Picture, uv: Float[Tensor, "k 2"], wrap: tuple[Wrap, Wrap]
) -> Float[Tensor, "k 4"]:
    """Colours in [0, 1]; the origin of ``uv`` is the picture's upper left corner, v goes down, as in glTF."""
    height, width = picture.shape[:2]
    (left, right), across = _places(uv[:, 0], width, wrap[0])
    (top, low), down = _places(uv[:, 1], height, wrap[1])
    table = picture.reshape(-1, 4).view(torch.int32)[:, 0]
    above = _mixed(table, top * width + left, top * width + right, across)
    below = _mixed(table, low * width + left, low * width + right, across)
    return torch.lerp(above, below, down[:, None]).mul_(1 / 255)


def _mixed(
    table: Int[Tensor, " t"], a: Int[Tensor, " k"], b: Int[Tensor, " k"], share: Tensor
) -> Float[Tensor, "k 4"]:
    # A texel's four bytes are fetched as one integer.
    one, other = (table.index_select(0, i).view(torch.uint8).reshape(-1, 4).float() for i in (a, b))
    return torch.lerp(one, other, share[:, None])


def _places(
    x: Float[Tensor, " k"], size: int, wrap: Wrap
) -> tuple[tuple[Tensor, Tensor], Float[Tensor, " k"]]:
    """The two texels beside each place, and how far it is from the first to the second."""
    x = torch.nan_to_num(x, 0.0, 0.0, 0.0)
    # Brought near first, because a large float has no whole number of its own.
    if wrap == "clamp":
        x = x.clamp(0, 1)
    else:
        x = x - x.floor() if wrap == "repeat" else x - (x / 2).floor() * 2
    place = x * size - 0.5
    floor = place.floor()
    first = floor.to(torch.int32)
    return (_inside(first, size, wrap), _inside(first + 1, size, wrap)), place - floor


def _inside(i: Int[Tensor, " k"], size: int, wrap: Wrap) -> Int[Tensor, " k"]:
    """Texels of places that are at most one texel before the picture, or after it or its mirror image."""
    if wrap == "repeat":
        i = torch.where(i < 0, i + size, torch.where(i >= size, i - size, i))
    elif wrap == "mirror":
        i = torch.where(i < 0, -1 - i, torch.where(i >= 2 * size, 4 * size - 1 - i, i))
        i = torch.minimum(i, 2 * size - 1 - i)
    return i.clamp(0, size - 1)
