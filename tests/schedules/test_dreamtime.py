import pytest
import torch

from esd_bench.schedules.dreamtime import dreamtime

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ABAR = torch.cumprod(1 - BETAS, 0).float()
N = 25000
TABLE = {
    "v1": {2500: 929, 5000: 864, 10000: 742, 12500: 681, 15000: 620, 20000: 497, 22500: 431},
    "iclr": {2500: 720, 5000: 664, 10000: 588, 12500: 556, 15000: 524, 20000: 449, 22500: 394},
}
"""t(i) of public implementations for 25,000 steps without clipping W."""


def at(schedule, progress):
    return schedule(torch.zeros(1, 1), torch.tensor(progress, dtype=torch.float64), ABAR).item()


@pytest.mark.parametrize("form", TABLE)
def test_published_schedules(form):
    schedule = dreamtime(form, low=0.0, high=1.0)
    assert {i: at(schedule, i / N) for i in TABLE[form]} == TABLE[form]


def slow(form, progress, low, high):
    """argmin over t' of |S(t') - progress|, written out."""
    t = torch.arange(1000, dtype=torch.float64)
    if form == "iclr":
        w = ((1 - ABAR) / ABAR).double().sqrt() * torch.exp(-((t - 500) ** 2) / (2 * 125**2))
    else:
        w = torch.where(t > 800, torch.exp(-((t - 800) ** 2) / (2 * 300**2)), 1.0)
        w = torch.where(t < 500, torch.exp(-((t - 500) ** 2) / (2 * 100**2)), w)
    w = torch.where((t >= low) & (t <= high), w, 0.0)
    above = w.flip(0).cumsum(0).flip(0) / w.sum()
    apart = (above - progress).abs()
    apart[(t < low) | (t > high)] = torch.inf
    return apart.argmin().item()


@pytest.mark.parametrize("form", TABLE)
def test_against_the_definition(form):
    schedule = dreamtime(form)
    for progress in torch.linspace(0, 0.999, 37, dtype=torch.float64).tolist():
        assert abs(at(schedule, progress) - slow(form, progress, 20, 980)) <= (progress == 0)


@pytest.mark.parametrize("form", TABLE)
def test_monotone_and_inside_its_bounds(form):
    schedule = dreamtime(form)
    levels = [at(schedule, i / 500) for i in range(500)]
    assert levels == sorted(levels, reverse=True)
    assert 20 <= levels[-1] <= levels[0] <= 980


def test_one_level_for_all_and_no_randomness():
    schedule = dreamtime()
    a, b = (schedule(torch.rand(3, 4), torch.tensor(0.3), ABAR) for _ in range(2))
    assert a.shape == (3, 4)
    assert torch.equal(a, b)
    assert a.unique().numel() == 1


def test_bad_bounds_are_refused():
    with pytest.raises(ValueError, match="0 <= low"):
        dreamtime(low=0.9, high=0.5)
