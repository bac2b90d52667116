"""Axes that people name."""

import pytest
import torch

from esd_bench.axes import axes, axis


def test_axes_are_right_handed_and_move_our_axes_to_the_files():
    for up, front in (("+y", "+z"), ("+z", "-y"), ("-x", "y"), ("z", "+X")):
        turn = axes(up, front)
        assert torch.linalg.det(turn) == pytest.approx(1)
        assert torch.equal(turn[:, 1], axis(up))
        assert torch.equal(turn[:, 2], axis(front))
    assert torch.equal(axes("+y", "+z"), torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (("+y", "-y"), "not square"),
        (("up", "+z"), "an axis is"),
        (("", "+z"), "an axis is"),
        (("+w", "+z"), "an axis is"),
        (("--z", "+x"), "an axis is"),
    ],
)
def test_what_is_no_axis_is_said(bad, said):
    with pytest.raises(ValueError, match=said):
        axes(*bad)
