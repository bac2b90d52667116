"""Self-similarity: against its definition in loops, and on rings that we know to repeat."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.cameras import ring
from esd_bench.metrics import Inputs
from esd_bench.metrics.self_similarity import (
    from_best_axis,
    mirrored,
    repetition,
    self_similarity,
    still,
    turned,
)

ANGLE = np.arange(36) * 2 * np.pi / 36


def bumps(angle: np.ndarray, *centres: float) -> np.ndarray:
    """How much of a face one sees from each side, in 24 directions: a face at each centre."""
    seen = np.linspace(-np.pi, np.pi, 24, endpoint=False)
    return sum(np.exp(6 * (np.cos(angle[:, None] - c - seen[None] / 3) - 1)) for c in centres)


def ring_of(fronts: int, turn: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Features of a figure with k fronts, and of its mirrored pictures: a view from -a with left and right exchanged."""
    centres = [turn + 2 * np.pi * i / fronts for i in range(fronts)]
    seen = bumps(ANGLE, *centres)
    return seen, seen[:, ::-1]


def test_it_is_its_definition():
    random = np.random.default_rng(0)
    z, w = random.standard_normal((2, 12, 5))
    a, b = z - z.mean(0), w - w.mean(0)
    plain = [sum(a[i] @ a[(i + m) % 12] for i in range(12)) / (a * a).sum() for m in range(12)]
    flipped = [sum(a[i] @ b[(m - i) % 12] for i in range(12)) for m in range(12)]
    flipped = np.array(flipped) / np.sqrt((a * a).sum() * (b * b).sum())
    np.testing.assert_allclose(turned(z), plain, atol=1e-12)
    np.testing.assert_allclose(mirrored(z, w), flipped, atol=1e-12)
    far = [m for m in range(12) if 60 <= 30 * m <= 300]
    best = int(np.argmax(flipped))
    expected = max([plain[m] for m in far] + [flipped[(best + m) % 12] for m in far])
    assert repetition(z, w) == pytest.approx(expected, abs=1e-12)


def test_similarities_of_all_turns_cancel():
    """Centred features sum to zero, so what is alike at some lags is unlike at others: no common content counts."""
    z = np.random.default_rng(1).standard_normal((18, 4)) + 100
    assert turned(z).sum() == pytest.approx(0, abs=1e-9)
    assert turned(z)[0] == 1


@pytest.mark.parametrize("fronts", [2, 3, 4])
def test_several_fronts_repeat_and_one_does_not(fronts):
    one, several = ring_of(1), ring_of(fronts)
    assert repetition(*several) > 0.99
    assert repetition(*one) < 0.3
    lag = 36 // fronts
    assert turned(several[0])[lag] == pytest.approx(1)


def test_the_mirror_of_a_figure_that_is_the_same_left_and_right_is_no_second_front():
    z, w = ring_of(1)
    assert mirrored(z, w).max() > 0.95
    assert from_best_axis(mirrored(z, w))[0] == mirrored(z, w).max()
    assert repetition(z, w) < 0.3


def test_a_front_that_comes_again_as_its_mirror_image_is_found_by_mirroring_only():
    random = np.random.default_rng(2)
    half = random.standard_normal((18, 6))
    # View a + 180 is the mirror of view -a: features 3 to 5 are those of 0 to 2 on the other side.
    flip = [3, 4, 5, 0, 1, 2]
    z = np.concatenate([half, half[(-np.arange(18)) % 18][:, flip]])
    w = z[:, flip]
    assert repetition(z) < 0.6
    assert repetition(z, w) > repetition(z)


@given(st.integers(1, 4), st.integers(0, 35), st.integers(0, 9))
def test_turning_the_asset_changes_nothing(fronts, turn, seed):
    z, w = ring_of(fronts)
    noise = np.random.default_rng(seed).standard_normal((2, *z.shape)) / 10
    z, w = z + noise[0], w + noise[1]
    # Mirrored pictures of a turned asset: each view's own mirror image goes with it.
    assert repetition(np.roll(z, turn, 0), np.roll(w, turn, 0)) == pytest.approx(repetition(z, w))


def inputs(z: np.ndarray, w: np.ndarray, n: int = 36) -> Inputs:
    both = ({r: {o: torch.from_numpy(x).float() for o in ("features", "image")} for r in ("features", "clip")} for x in (z, w.copy()))  # fmt: skip
    outputs, mirror = both
    at = ring(15.0, n)
    return Inputs(outputs, at.azimuth, at.elevation, mirrored=mirror)


def test_blank_views_have_no_self_similarity():
    blank = np.ones((36, 8))
    assert still(blank)
    scores = self_similarity().compute(inputs(blank, blank))
    assert all(x.value is None and x.note for x in scores)
    z, w = ring_of(2)
    found = {x.name: x for x in self_similarity().compute(inputs(z, w))}
    assert found["self_similarity"].value > 0.99
    assert found["opposite_clip"].value > 0.99
    assert found["quarter"].value < 0
    assert found["self_similarity"].better == "lower"
    assert found["opposite"].better is None


def test_views_that_do_not_go_round_are_refused():
    z, w = ring_of(1)
    whole = inputs(z, w)
    half = Inputs(whole.outputs, whole.azimuth / 2, whole.elevation, mirrored=whole.mirrored)
    with pytest.raises(ValueError, match="evenly spaced"):
        self_similarity().compute(half)
