"""The counter of objects on pictures whose objects are known."""

import pytest
import torch

from esd_bench import plugins
from esd_bench.cameras import DISTANCE, FOV, orbit
from esd_bench.embedded import raycast
from esd_bench.embedded.objects import NAMES, assemble
from esd_bench.illustrate._objects import THRESHOLD, find_objects

DOG = NAMES.index("dog")
PLACES = [(0, 0), (16, 64), (8, 128)]
"""Rows and columns of top left corners, 64 pixels apart."""


@pytest.fixture(scope="module")
def judge():
    return plugins.load("embedders", "embedded")(torch.device("cpu"))


def pasted(count, kind=DOG, side=64, size=(80, 192)):
    """A pale canvas with some objects of a kind, in different colours, seen from about the front."""
    picture = torch.tensor([0.8, 0.79, 0.81])[:, None, None].repeat(1, *size)
    if count == 0:
        return picture
    random = torch.Generator().manual_seed(count)
    azimuth = (torch.rand(count, generator=random) - 0.5) * 1.5
    things = assemble(
        torch.full((count,), kind), torch.arange(count), torch.zeros(count).long(), random
    )
    cameras = orbit(azimuth, torch.full((count,), 0.25), DISTANCE, FOV, side)
    for (top, left), one in zip(PLACES, raycast.cast(things, cameras), strict=False):
        under = picture[:, top : top + side, left : left + side]
        under.copy_(torch.lerp(under, one[:3], one[3:]))
    return picture


@pytest.fixture(scope="module")
def found(judge):
    """What is found on canvases of 0 to 3 dogs, by their number; also what is too unsure to count."""
    return [find_objects(pasted(count), DOG, judge, THRESHOLD - 2) for count in range(4)]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_known_objects_are_counted_where_they_are(found, count):
    counted = [x for x in found[count] if x.odds >= THRESHOLD]
    assert len(counted) == count
    middles = sorted(x.middle for x in counted)
    for (row, column), (top, left) in zip(middles, sorted(PLACES[:count]), strict=True):
        assert abs(row - top - 32) <= 8
        assert abs(column - left - 32) <= 8


def test_a_lower_threshold_adds_to_what_a_higher_one_keeps(judge, found):
    """So one search serves all thresholds."""
    assert find_objects(pasted(2), DOG, judge) == [x for x in found[2] if x.odds >= THRESHOLD]
    odds = [x.odds for x in found[3]]
    assert odds == sorted(odds, reverse=True)


def test_one_large_object_is_one(judge):
    assert len(find_objects(pasted(1, side=96, size=(96, 112)), DOG, judge)) == 1


def test_objects_of_another_kind_do_not_count(judge):
    assert not find_objects(pasted(2, NAMES.index("car"), size=(80, 144)), DOG, judge)


def test_a_picture_smaller_than_any_window_shows_nothing(judge):
    assert find_objects(torch.ones(3, 32, 32), DOG, judge) == []
