"""Bilinear lookup against a slow one, texel by texel."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from esd_bench.adapters._texture import bilinear

COORDINATES = st.floats(-3, 3, width=32)


def texel(picture, column, row, wrap):
    def inside(i, size, how):
        if how == "repeat":
            return i % size
        if how == "mirror":
            i %= 2 * size
            return i if i < size else 2 * size - 1 - i
        return min(max(i, 0), size - 1)

    height, width = picture.shape[:2]
    return picture[inside(row, height, wrap[1]), inside(column, width, wrap[0])].double() / 255


def slowly(picture, u, v, wrap):
    x, y = u * picture.shape[1] - 0.5, v * picture.shape[0] - 0.5
    column, row = math.floor(x), math.floor(y)
    total = torch.zeros(4, dtype=torch.float64)
    for i, share in ((0, 1 - (x - column)), (1, x - column)):
        for j, other in ((0, 1 - (y - row)), (1, y - row)):
            total += share * other * texel(picture, column + i, row + j, wrap)
    return total


@settings(max_examples=60)
@given(
    u=COORDINATES,
    v=COORDINATES,
    wrap=st.tuples(*[st.sampled_from(["repeat", "mirror", "clamp"])] * 2),
    shape=st.sampled_from([(1, 1), (2, 3), (5, 4)]),
)
def test_against_a_slow_lookup(u, v, wrap, shape):
    draw = torch.Generator().manual_seed(7)
    picture = torch.randint(0, 256, (*shape, 4), generator=draw, dtype=torch.uint8)
    found = bilinear(picture, torch.tensor([[u, v]]), wrap)[0].double()
    # A texel's width in float32 at 3 picture sides.
    torch.testing.assert_close(found, slowly(picture, u, v, wrap), atol=2e-5, rtol=0)


@pytest.mark.parametrize("wrap", ["repeat", "mirror", "clamp"])
def test_any_number_is_a_place(wrap):
    picture = torch.full((3, 2, 4), 51, dtype=torch.uint8)
    wild = torch.tensor([0.0, -1e30, 1e30, math.inf, -math.inf, math.nan, 1 - 1e-8, -1e-8])
    uv = torch.cartesian_prod(wild, wild)
    torch.testing.assert_close(bilinear(picture, uv, (wrap, wrap)), torch.full((64, 4), 0.2))
