"""Bilinear lookup against a slow one, texel by texel, and textures out of files."""

import io
import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image

from esd_bench.adapters import Refused
from esd_bench.adapters._stills import read
from esd_bench.adapters._texture import bilinear
from esd_bench.adapters._texture_files import picture

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


def encoded(values, form):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, form)
    return stream.getvalue()


def test_deep_grey_is_rounded_as_in_folders_of_pictures(tmp_path):
    deep = np.array([[0, 127, 128, 129], [384, 385, 386, 65535]], np.uint16)
    for form in ("PNG", "TIFF"):
        made = picture(encoded(deep, form), "a", 99)
        assert made[..., 0].tolist() == [[0, 0, 0, 1], [1, 1, 2, 255]]
        assert (made[..., 3] == 255).all()
    (tmp_path / "a.png").write_bytes(encoded(deep, "PNG"))
    assert read(tmp_path / "a.png").tolist() == picture(encoded(deep, "PNG"), "a", 99).tolist()


def test_textures_of_fractions_are_not_the_methods_fault():
    with pytest.raises(Refused, match="kind F"):
        picture(encoded(np.ones((2, 2), np.float32), "TIFF"), "a", 99)
    with pytest.raises(ValueError, match="can't be decoded") as caught:
        picture(encoded(np.ones((9, 9, 3), np.uint8), "PNG")[:-30], "a", 99)
    assert not isinstance(caught.value, Refused)
