"""View words on rings of which we know what each view shows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.cameras import ring
from esd_bench.metrics import Inputs
from esd_bench.metrics._words import TEXTS
from esd_bench.metrics.view_words import (
    front_elsewhere,
    fronts_elsewhere,
    off_front,
    right_words,
    view_words,
)

AZIMUTH = ring(15.0, 36).azimuth.double().numpy()


def seen(azimuth: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """Front within 45 degrees of azimuth 0, back within 45 of 180, side between."""
    off = np.abs((np.rad2deg(azimuth) + 180) % 360 - 180).round(6)
    word = np.where(off < 45, 0, np.where(off > 135, 2, 1))
    return np.eye(3)[word] * (sure - (1 - sure) / 2) + (1 - sure) / 2


CORRECT, TWO, ALL, NONE = seen(AZIMUTH), seen(2 * AZIMUTH), seen(0 * AZIMUTH), seen(0 * AZIMUTH + 3)


@pytest.mark.parametrize(
    ("p", "elsewhere", "right"),
    [(CORRECT, 0.0, 0.9), (TWO, 5 / 23, None), (ALL, 1.0, None), (NONE, 0.0, None)],
    ids=["correct", "two fronts", "front all round", "back all round"],
)
def test_known_objects(p, elsewhere, right):
    assert fronts_elsewhere(p, AZIMUTH) == pytest.approx(elsewhere)
    mean = right_words(p, AZIMUTH).mean()
    assert mean == pytest.approx(right) if right else mean < 0.6


def test_the_mean_probability_needs_no_threshold():
    weak = CORRECT.copy()
    weak[9:28, 0] += 0.2
    weak /= weak.sum(1, keepdims=True)
    assert fronts_elsewhere(weak, AZIMUTH) == 0
    assert front_elsewhere(weak, AZIMUTH) > front_elsewhere(CORRECT, AZIMUTH) == pytest.approx(0.05)


@given(st.integers(0, 35), st.integers(0, 99))
def test_turning_the_object_and_shuffling_views_change_nothing(turn, seed):
    order = np.random.default_rng(seed).permutation(36)
    for p in (CORRECT, TWO):
        q = np.roll(p, turn, 0)[order]
        assert fronts_elsewhere(q, AZIMUTH[order]) == pytest.approx(fronts_elsewhere(p, AZIMUTH))
        assert right_words(q, AZIMUTH[order]).mean() == pytest.approx(
            right_words(p, AZIMUTH).mean()
        )


def test_the_own_front_is_the_middle_of_the_fronts():
    assert off_front(np.roll(CORRECT, 9, 0), AZIMUTH).argmin() == 9


def test_views_of_the_front_alone_can_t_be_judged():
    with pytest.raises(ValueError, match="round the object"):
        fronts_elsewhere(CORRECT[:4], AZIMUTH[:4])


def test_plugin_reads_the_worded_texts():
    """Orthogonal texts, and images that are one of them: CLIP's answer is the text."""
    metric = view_words()
    assert metric.texts == ("{}, front view", "{}, side view", "{}, back view")
    at = ring(15.0, 36)
    texts = {text: torch.eye(3)[i : i + 1] for i, text in enumerate(TEXTS)}
    images = torch.eye(3)[torch.from_numpy(CORRECT.argmax(1))]
    found = metric.compute(
        Inputs({"clip": {"image": images}}, at.azimuth, at.elevation, worded=texts)
    )
    assert {x.name: x.value for x in found} == pytest.approx(
        {"fronts_elsewhere": 0.0, "front_elsewhere": 0.0, "right_word": 1.0}
    )
    same = Inputs({"clip": {"image": torch.ones(36, 3)}}, at.azimuth, at.elevation, worded=texts)
    assert all(x.value is None and x.note for x in metric.compute(same))
