"""Cameras round somebody's object: where they stand, and what they make of crumbs."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from esd_bench.axes import axes
from esd_bench.cameras import protocol
from esd_bench.ingest._framing import filled, framed, placed
from esd_bench.views import ViewSet


def ball(count=20000, seed=0):
    draw = torch.Generator().manual_seed(seed)
    points = torch.randn(count, 3, generator=draw, dtype=torch.float64)
    return points / points.norm(dim=1, keepdim=True)


@settings(max_examples=12)
@given(
    place=st.tuples(*[st.floats(-50, 50)] * 3),
    size=st.floats(0.01, 100),
    turn=st.permutations([0, 1, 2]),
)
def test_it_follows_the_object(place, size, turn):
    points, offset = ball(500) * torch.tensor([1.0, 0.5, 0.2]), torch.tensor(place)
    one = framed(points, torch.ones(500))
    other = framed(points[:, turn] * size + offset, torch.ones(500))
    assert other.radius == pytest.approx(one.radius * size, rel=1e-6)
    torch.testing.assert_close(
        other.centre, one.centre[turn] * size + offset, rtol=1e-6, atol=1e-6 * (size + 100)
    )


@pytest.mark.parametrize("far", [3.0, 30.0, 3e4])
def test_crumbs_do_not_shrink_the_object(far):
    points = torch.cat([ball(), far * ball(60, 1)])
    frame = framed(points, torch.ones(len(points)))
    assert frame.radius == pytest.approx(1, abs=0.02)
    assert frame.outside == pytest.approx(60 / 20060)
    assert frame.centre.norm() < 0.02


def test_many_crumbs_of_little_weight_are_crumbs_too():
    points = torch.cat([ball(2000), 5 * ball(5000, 1)])
    weights = torch.cat([torch.ones(2000), torch.full((5000,), 1e-3)])
    assert framed(points, weights).radius == pytest.approx(1, abs=0.02)


def test_a_trail_of_crumbs_ends_somewhere():
    trail = torch.linspace(1, 60, 150, dtype=torch.float64)[:, None] * ball(1)
    assert framed(torch.cat([ball(), trail]), torch.ones(20150)).radius < 2


def test_a_thin_limb_belongs_to_the_object():
    limb = torch.linspace(0.9, 1.9, 40, dtype=torch.float64)[:, None] * torch.tensor([[0.0, 1, 0]])
    frame = framed(torch.cat([ball(), limb]), torch.ones(20040))
    assert frame.outside == 0
    assert frame.centre[1] == pytest.approx(0.45, abs=0.01)
    assert frame.radius == pytest.approx(1.45, abs=0.01)


def test_what_has_no_size_is_empty():
    for points, weights in (
        (torch.zeros(5, 3), torch.ones(5)),
        (ball(5), torch.zeros(5)),
        (ball(5) * math.nan, torch.ones(5)),
        (torch.zeros(0, 3), torch.zeros(0)),
    ):
        with pytest.raises(ValueError, match="empty"):
            framed(points, weights)


def test_a_placed_camera_sees_the_moved_object_as_ours_sees_it():
    cameras, points = protocol("sphere:7", 32), ball(50)
    turn, frame = (
        axes("+z", "-y"),
        framed(ball() * 3 + torch.tensor([5.0, 0, -2]), torch.ones(20000)),
    )
    moved = points @ turn.T * frame.radius + frame.centre
    there = placed(cameras, frame, turn)
    for ours, theirs in zip(cameras.c2w.double(), there.c2w.double(), strict=True):
        one = (points - ours[:3, 3]) @ ours[:3, :3]
        other = (moved - theirs[:3, 3]) @ theirs[:3, :3]
        torch.testing.assert_close(other / frame.radius, one, atol=1e-5, rtol=0)


def test_fill_ratio_and_coverage():
    rgba = torch.zeros(2, 4, 10, 10, dtype=torch.uint8)
    rgba[0, 3, 2:7, 4:6] = 255
    rgba[1, 3, 5, 1:9] = 255
    views = ViewSet(rgba, protocol("ring:0:2", 10), "ring:0:2")
    assert filled(views) == pytest.approx((0.8, 18 / 200))
    assert filled(ViewSet(rgba * 0, views.cameras, "ring:0:2")) == (0, 0)
