import pytest
import torch

from esd_bench.schedules.hifa import hifa

ABAR = torch.linspace(1, 0.01, 1000)


def at(progress, **given):
    return hifa(**given)(torch.zeros(2, 3), torch.tensor(progress), ABAR)


def test_t_falls_with_the_square_root_of_progress():
    found = [at(x, low=0.3, high=0.98)[0, 0].item() for x in (0.0, 0.25, 0.81, 1.0)]
    assert found == [980, 640, 368, 300]
    assert at(0.5).shape == (2, 3)
    assert at(0.0, high=1.0).max() == 999


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="low < high"):
        hifa(low=0.5, high=0.4)
