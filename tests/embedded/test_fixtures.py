"""Fixtures have the fronts that they say: checked on pictures, not on the code that made them."""

import math

import numpy as np
import pytest
import torch

from esd_bench.embedded import raycast
from esd_bench.embedded.fixtures import FIGURES, FLAT, SYMMETRIC, counts, faced, symmetric
from esd_bench.embedded.kinds import NAMES
from esd_bench.embedded.objects import assemble
from esd_bench.embedded.parts import COLOURS


def pictures(fixture, name="ring:15:12", size=24) -> np.ndarray:
    return fixture.views(name, size).over("white").numpy()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two sets of pictures, as a share of what a set differs from its own mean picture."""
    spread = np.abs(one - one.mean(0)).mean()
    return float(np.abs(one - other).mean() / spread)


def test_a_flat_kind_with_one_front_is_the_world_s_own_object():
    made = faced("clock", 1, "blue", seed=3)
    which = torch.tensor([[NAMES.index("clock")], [list(COLOURS).index("blue")], [0]])
    plain = assemble(*which, torch.Generator().manual_seed(3))
    views = made.views("ring:15:2", 24)
    rgba = raycast.cast(plain[torch.zeros(2, dtype=torch.long)], views.cameras)
    assert torch.equal(views.rgba, (rgba * 255 + 0.5).floor().to(torch.uint8))
    assert made.text == "a blue clock"


@pytest.mark.parametrize(("kind", "k"), [("pig", 2), ("pig", 4), ("clock", 2)])
def test_k_fronts_fall_onto_themselves_by_a_kth_turn(kind, k):
    views = pictures(faced(kind, k))
    assert apart(views, np.roll(views, 12 // k, 0)) < 0.35
    assert apart(views, np.roll(views, 1, 0)) > 0.5


@pytest.mark.parametrize("kind", ["pig", "clock"])
def test_one_front_does_not(kind):
    views = pictures(faced(kind, 1))
    assert min(apart(views, np.roll(views, lag, 0)) for lag in range(2, 11)) > 0.5


def test_fronts_share_the_body_and_the_front_view():
    """From the front all numbers of fronts look much the same; from behind two fronts look like the front."""
    one, two = (pictures(faced("owl", k), "ring:15:2") for k in (1, 2))
    same = np.abs(one[0] - two[0]).mean()
    assert np.abs(two[1] - two[0]).mean() < 0.5 * np.abs(one[1] - one[0]).mean()
    assert same < 0.5 * np.abs(one[1] - two[1]).mean()


@pytest.mark.parametrize("kind", SYMMETRIC)
def test_symmetric_things_are_as_symmetric_as_they_say(kind):
    made = symmetric(kind, "green")
    views = pictures(made, size=16)
    assert made.fronts == 0
    if made.fold == 0:
        assert np.abs(views - views[:1]).mean() < 0.01
    elif made.fold > 1:
        assert np.abs(views - np.roll(views, 12 // made.fold, 0)).mean() < 0.01
        assert np.abs(views - np.roll(views, 1, 0)).mean() > 0.015
    else:
        assert min(np.abs(views - np.roll(views, i, 0)).mean() for i in range(1, 12)) > 0.015


def test_a_turned_fixture_is_seen_earlier_on_the_ring():
    """A front at +30 degrees is what the second of twelve cameras looks at."""
    still, moved = (pictures(faced("dog", 1, turn=t)) for t in (0.0, math.radians(30)))
    np.testing.assert_allclose(moved, np.roll(still, 1, 0), atol=0.3)
    assert np.abs(moved - np.roll(still, 1, 0)).mean() < 0.002


def test_every_kind_can_be_made_and_others_are_refused():
    for kind in (*FIGURES, *FLAT):
        most = max(counts(kind))
        assert faced(kind, most).fold == most
    for kind, k in (("car", 3), ("cat", 5), ("unicorn", 1)):
        with pytest.raises(ValueError, match="no '"):
            faced(kind, k)


def test_a_seed_is_a_variant():
    one, again, other = (pictures(faced("cat", 2, seed=s), "ring:15:2") for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
