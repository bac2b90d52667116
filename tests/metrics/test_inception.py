"""IQ, IV and IG: fixtures with known answers and the inequalities that hold for every asset."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esd_bench.metrics import Inputs
from esd_bench.metrics.inception import (
    gain,
    gain_jackknife,
    inception,
    information,
    quality,
    variety,
    variety_jackknife,
)


def softmax(seed: int, n: int, k: int, sharp: float) -> np.ndarray:
    x = np.exp(np.random.default_rng(seed).normal(size=(n, k)) * sharp)
    return x / x.sum(1, keepdims=True)


def test_identical_views_gain_nothing() -> None:
    p = np.tile(softmax(0, 1, 10, 2.0), (120, 1))
    assert gain(p) == pytest.approx(0, abs=1e-12)
    assert information(p) == pytest.approx(0, abs=1e-12)
    assert variety(p) == pytest.approx(quality(p), rel=1e-12)


def test_distinct_sure_views_have_all_variety_and_an_undefined_gain() -> None:
    p = np.eye(36)
    assert quality(p) == 0
    assert variety(p) == pytest.approx(np.log(36), rel=1e-12)
    assert information(p) == pytest.approx(np.log(36), rel=1e-12)
    assert gain(p) is None


@given(st.integers(0, 9999), st.integers(1, 50), st.integers(1, 30), st.floats(0, 30))
@settings(max_examples=40)
def test_bounds_and_invariances(seed: int, n: int, k: int, sharp: float) -> None:
    p = softmax(seed, n, k, sharp)
    iq, iv, mi = quality(p), variety(p), information(p)
    assert -1e-12 <= iq <= np.log(k) + 1e-9
    assert iq - 1e-9 <= iv <= np.log(k) + 1e-9
    assert -1e-12 <= mi <= min(np.log(n), np.log(k)) + 1e-9
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(rng.permutation(p), axis=1)
    assert (quality(shuffled), variety(shuffled)) == pytest.approx((iq, iv), abs=1e-9)
    twice = np.concatenate([p, p])
    assert (quality(twice), variety(twice)) == pytest.approx((iq, iv), abs=1e-9)
    ig = gain(p)
    assert ig is None or ig * iq == pytest.approx(mi, abs=1e-9)


def test_equals_torch_fidelitys_inception_score_of_one_split() -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 12)) * 2)
    theirs = isc_features_to_metric(logits, splits=1, shuffle=False)["inception_score_mean"]
    assert np.exp(information(logits.softmax(-1))) == pytest.approx(theirs, rel=1e-9)


def test_jackknife_removes_most_of_the_bias() -> None:
    rng = np.random.default_rng(2)
    aspects = softmax(3, 4, 60, 2.0)
    truth = variety(aspects)
    plain, corrected = [], []
    for _ in range(200):
        p = (
            softmax(int(rng.integers(1 << 30)), 30, 60, 1.0) * 0.5
            + aspects[rng.integers(4, size=30)] * 0.5
        )
        plain.append(variety(p))
        corrected.append(variety_jackknife(p))
    many = variety(
        np.concatenate([softmax(i, 100, 60, 1.0) * 0.5 for i in range(40)])
        + np.tile(aspects, (1000, 1)) * 0.5
    )
    assert truth > 0
    assert abs(np.mean(corrected) - many) < abs(np.mean(plain) - many) / 4


def test_the_corrected_gain_moves_less_with_n() -> None:
    """Four aspects seen at random: the gain at 20 views is nearer to that at 4000 with the jackknife than without."""
    aspects, rng = softmax(3, 4, 60, 2.0), np.random.default_rng(5)

    def mean(f, n: int, times: int) -> float:
        return float(np.mean([f(aspects[rng.integers(4, size=n)]) for _ in range(times)]))

    truth = mean(gain, 4000, 5)
    plain, corrected = mean(gain, 20, 200), mean(gain_jackknife, 20, 200)
    assert plain < truth
    assert abs(corrected - truth) < abs(plain - truth) / 3


def test_float32_probabilities_do_not_break_the_inequality() -> None:
    p = torch.softmax(torch.randn(1, 1000) * 8, -1).repeat(120, 1)
    assert information(p) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("bad", [np.array([[2.0, -1.0]]), np.array([[0.5, 0.2]]), np.zeros((0, 3))])
def test_refuses_what_is_no_probability(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"softmax|rows"):
        quality(bad)


def test_plugin_gives_all_scores() -> None:
    p = torch.from_numpy(softmax(5, 12, 6, 1.0))
    scores = {
        s.name: s
        for s in inception().compute(
            Inputs({"classifier": {"probs": p}}, torch.zeros(12), torch.zeros(12))
        )
    }
    assert list(scores) == ["iq", "iv", "ig", "mi", "iv_jackknife", "ig_jackknife"]
    assert scores["iq"].better == "lower"
    assert len(scores["iq"].per_view) == 12
    assert np.mean(scores["iq"].per_view) == pytest.approx(scores["iq"].value)
    corrected = (variety_jackknife(p) - quality(p)) / quality(p)
    assert scores["ig_jackknife"].value == pytest.approx(corrected, rel=1e-12)
    sure = {
        s.name: s
        for s in inception().compute(
            Inputs({"classifier": {"probs": torch.eye(4)}}, torch.zeros(4), torch.zeros(4))
        )
    }
    for name in ("ig", "ig_jackknife"):
        assert sure[name].value is None
        assert "undefined" in sure[name].note
