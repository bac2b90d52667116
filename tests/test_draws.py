import hashlib
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.draws import Draws

pytestmark = pytest.mark.usefixtures("no_global_rng")
MASK = (1 << 64) - 1


def draws(*seeds: int, step: int = 0) -> Draws:
    return Draws(torch.tensor(seeds), torch.tensor(step))


def slow_bits(seed: int, step: int, purpose: str, position: int) -> int:
    """Squares (arXiv 2004.06278, section 4) keyed by SplitMix64, in Python's integers; written apart from the code."""

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def swapped(z: int) -> int:
        return ((z >> 32) | (z << 32)) & MASK

    name = int(hashlib.sha256(purpose.encode()).hexdigest()[:16], 16)
    key = mix((mix(seed & MASK) + name) & MASK) | 1
    counter = (step * 2**32 + position) & MASK
    x = y = (counter * key) & MASK
    z = (y + key) & MASK
    for term in (y, z, y):
        x = swapped((x * x + term) & MASK)
    return ((x * x + z) & MASK) >> 32


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**31 - 1),
    st.text(max_size=12),
    st.integers(1, 9),
)
def test_bits_equal_an_independent_implementation(seed, step, purpose, count):
    found = draws(seed, step=step).bits(purpose, count)[0].tolist()
    assert found == [slow_bits(seed, step, purpose, i) for i in range(count)]


def test_golden_numbers():
    """These are in every stored record: they may change only with a note under Numbers in the changelog."""
    golden = [3102471119, 3713292960, 27700856, 3111703110]
    assert draws(7, step=3).bits("noise", 4).tolist() == [golden]
    assert [slow_bits(7, 3, "noise", i) for i in range(4)] == golden


def test_a_member_gets_the_same_bits_at_any_width_and_in_any_slot():
    alone = draws(5, step=9)
    for pack, slot in [((5, 6, 7), 0), ((6, 5), 1), ((1, 2, 3, 5), 3)]:
        for kind in ("bits", "uniform", "normal"):
            together = getattr(draws(*pack, step=9), kind)("x", 3, 4)
            assert torch.equal(together[slot], getattr(alone, kind)("x", 3, 4)[0])


def test_a_longer_draw_begins_with_the_shorter_one():
    assert torch.equal(draws(1).uniform("x", 10)[:, :4], draws(1).uniform("x", 4))


def test_the_shape_only_folds_the_numbers():
    flat = draws(1, 2).normal("x", 24)
    assert torch.equal(draws(1, 2).normal("x", 2, 3, 4).reshape(2, 24), flat)
    assert draws(1, 2).bits("x").shape == (2,)


def test_uniform_numbers_have_the_moments_of_the_uniform_law():
    u = draws(*range(8)).uniform("moments", 50_000).double()
    assert u.min() >= 0
    assert u.max() < 1
    assert float(u.mean()) == pytest.approx(1 / 2, abs=0.002)
    assert float(u.var()) == pytest.approx(1 / 12, abs=0.001)
    counts = torch.histc(u, 100, 0, 1)
    chi2 = float(((counts - u.numel() / 100) ** 2 / (u.numel() / 100)).sum())
    assert 55 < chi2 < 155, "99 degrees of freedom"


def test_normal_numbers_have_the_moments_of_the_normal_law():
    x = draws(*range(8)).normal("moments", 50_000).double()
    assert torch.isfinite(x).all()
    for power, moment in [(1, 0), (2, 1), (3, 0), (4, 3)]:
        spread = math.sqrt(math.prod(range(1, 2 * power, 2)) / x.numel())
        assert float((x**power).mean()) == pytest.approx(moment, abs=5 * spread)


def test_seeds_steps_purposes_and_neighbours_are_independent():
    base = draws(0).normal("a", 40_000)[0]
    others = {
        "seed": draws(1).normal("a", 40_000)[0],
        "step": draws(0, step=1).normal("a", 40_000)[0],
        "purpose": draws(0).normal("b", 40_000)[0],
        "neighbour": base.roll(1),
        "half": base.roll(20_000),
    }
    for what, other in others.items():
        correlation = float((base * other).mean())
        assert abs(correlation) < 5 / math.sqrt(40_000), what
        squares = float(((base**2 - 1) * (other**2 - 1)).mean()) / 2
        assert abs(squares) < 5 / math.sqrt(40_000), what


def test_no_number_comes_twice_in_the_steps_of_a_run():
    seen = torch.cat([draws(3, step=i).bits("noise", 64)[0] for i in range(400)])
    # 25,600 draws of 32 bits: 0.08 repetitions are expected by chance.
    assert len(seen.unique()) >= len(seen) - 2


def test_a_step_is_read_when_a_number_is_drawn():
    """So that a captured graph can count."""
    step = torch.tensor(0)
    ahead = Draws(torch.tensor([4]), step)
    first = ahead.uniform("x", 3)
    step.fill_(5)
    assert torch.equal(ahead.uniform("x", 3), draws(4, step=5).uniform("x", 3))
    assert not torch.equal(first, ahead.uniform("x", 3))
