import pytest
import torch

from esd_bench.schedules.annealed import annealed
from esd_bench.schedules.uniform import uniform

ABAR = torch.linspace(1, 0, 1000)
ENDS = torch.tensor([[0.0, 1 - 2**-24]])


def bounds(schedule, progress):
    return schedule(ENDS, torch.tensor(progress), ABAR).flatten().tolist()


def test_threestudios_jump():
    """[5000, 0.98, 0.5, 5001] of 25,000 steps: step 5000 itself still has .98."""
    jump = annealed(start=0.2, length=0.0)
    assert bounds(jump, 0.0) == [20, 980]
    assert bounds(jump, 5000 / 25000) == [20, 980]
    assert bounds(jump, 5001 / 25000) == [20, 500]
    assert bounds(jump, 0.9999) == [20, 500]


def test_linear_fall():
    fall = annealed(start=0.25, length=0.5)
    expected = {0.0: 980, 0.25: 980, 0.5: 740, 0.75: 500, 1.0: 500}
    assert {at: bounds(fall, at)[1] for at in expected} == expected


def test_all_levels_are_drawn_alike():
    numbers = (torch.arange(48100) / 48100).reshape(1, -1)
    t = annealed(length=0.0)(numbers, torch.tensor(0.5), ABAR)
    counts = torch.bincount(t.flatten())
    assert counts[:20].sum() == 0
    assert (counts[20:501] - 100).abs().max() <= 1


def test_before_it_starts_it_is_uniform():
    numbers = torch.rand(4, 100)
    zero = torch.tensor(0.0)
    assert torch.equal(annealed(start=0.1)(numbers, zero, ABAR), uniform()(numbers, zero, ABAR))


def test_the_top_of_the_range_is_a_level():
    assert bounds(annealed(low=0.0, high=1.0, end=1.0), 0.5) == [0, 999]


def test_bad_bounds_are_refused():
    with pytest.raises(ValueError, match="0 <= low"):
        annealed(low=0.6)
