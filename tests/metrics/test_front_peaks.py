"""Fronts counted round a ring: k for k, whatever the turn and the noise, and on rendered fixtures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esd_bench import plugins
from esd_bench.cameras import ring
from esd_bench.embedded.fixtures import faced
from esd_bench.metrics import Inputs
from esd_bench.metrics._ring import count_fronts, in_order, peaks, smoothed
from esd_bench.metrics._words import TEXTS, word_probabilities
from esd_bench.metrics.front_peaks import front_peaks
from esd_bench.metrics.pose_peaks import clearly_front, pose_peaks

ANGLE = np.arange(36) * 2 * np.pi / 36


def fronts(k: int, turn: float = 0.0, sharp: float = 6.0) -> np.ndarray:
    """P(front) of a figure with k of them: a bump at each."""
    return sum(
        np.exp(sharp * (np.cos(ANGLE - turn - 2 * np.pi * i / k) - 1)) for i in range(k)
    ).clip(0, 1)


@given(st.integers(1, 4), st.floats(0, 6.3), st.integers(0, 99))
def test_k_fronts_are_k_peaks(k, turn, seed):
    noise = np.random.default_rng(seed).standard_normal(36) * 0.03
    assert count_fronts((fronts(k, turn, 8.0) + noise).clip(0, 1)) == k


def test_a_peak_that_the_cut_goes_through_counts_once():
    for shift in range(36):
        assert len(peaks(np.roll(fronts(1), shift), 0.2, 40)) == 1


def test_smoothing_keeps_the_mean_and_is_the_gaussian_of_its_name():
    curve = np.cos(ANGLE) + 3
    assert smoothed(curve, 10).mean() == pytest.approx(3)
    factor = np.exp(-(np.deg2rad(10) ** 2) / 2)
    np.testing.assert_allclose(smoothed(curve, 10) - 3, factor * np.cos(ANGLE), atol=1e-12)


def test_views_are_put_in_order_also_across_the_seam():
    azimuth = ring(15.0, 36).azimuth.numpy()
    order = np.random.default_rng(0).permutation(36)
    assert (order[in_order(azimuth[order])] == in_order(azimuth)).all()
    nearly = np.where(azimuth == 0, -1e-7, azimuth)
    assert in_order(nearly)[0] == 0
    with pytest.raises(ValueError, match="evenly spaced"):
        in_order(azimuth[:30])


def by_oracle(likeness: np.ndarray) -> Inputs:
    """An oracle that puts so much on the front and the rest on the back."""
    p = np.zeros((36, 24))
    p[:, 0], p[:, 12] = likeness, 1 - likeness
    at = ring(15.0, 36)
    return Inputs({"oracle": {"azimuth": torch.from_numpy(p)}}, at.azimuth, at.elevation)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_oracle_s_fronts(k):
    (score,) = pose_peaks().compute(by_oracle(fronts(k)))
    assert (score.name, score.value, score.note) == ("pose_peaks", k, "")
    np.testing.assert_allclose(score.per_view, fronts(k))


@pytest.mark.parametrize(("level", "said"), [(0.95, "like a front"), (0.02, "like no front")])
def test_no_peak_says_which_collapse_it_is(level, said):
    (score,) = pose_peaks().compute(by_oracle(np.full(36, level)))
    assert score.value == 0
    assert said in score.note


def by_words(likeness: np.ndarray) -> Inputs:
    """Images whose cosine with the front text makes P(front) the given curve."""
    logit = np.log(likeness.clip(0.01, 0.99) / (1 - likeness.clip(0.01, 0.99)) * 2) / 100
    other = np.sqrt((1 - logit**2).clip(0))
    images = np.stack([logit, np.zeros(36), np.zeros(36), other], 1)
    texts = {text: torch.eye(4)[i : i + 1] for i, text in enumerate(TEXTS)}
    at = ring(15.0, 36)
    return Inputs(
        {"clip": {"image": torch.from_numpy(images)}}, at.azimuth, at.elevation, worded=texts
    )


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_fronts_of_view_words(k):
    inputs = by_words(fronts(k))
    p = word_probabilities(inputs.outputs["clip"]["image"], inputs.worded)
    np.testing.assert_allclose(p[:, 0], fronts(k).clip(0.01, 0.99), atol=1e-9)
    np.testing.assert_allclose(p.sum(1), 1)
    (score,) = front_peaks().compute(inputs)
    assert score.value == k


def test_blank_views_have_no_count():
    (score,) = front_peaks().compute(by_words(np.full(36, 0.3)))
    assert score.value is None
    assert "alike" in score.note


def test_clearly_front_is_within_37_degrees():
    assert clearly_front(np.eye(24)).nonzero()[0].tolist() == [0, 1, 2, 22, 23]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_oracle_counts_the_fronts_of_rendered_bears(k):
    views = faced("bear", k, turn=0.2 * k).views("ring:15:18")
    oracle = plugins.load("embedders", "embedded")(torch.device("cpu"))
    at = views.cameras
    seen = Inputs({"oracle": oracle.images(views.over("white"))}, at.azimuth, at.elevation)
    assert pose_peaks().compute(seen)[0].value == k
