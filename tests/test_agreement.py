"""AUC and tau against scipy and against resampling done by hand."""

import doctest

import numpy as np
import pytest
from scipy.stats import kendalltau, mannwhitneyu

from esd_bench import agreement
from esd_bench.agreement import auc, roc, tau


def drawn(n: int = 40, seed: int = 0):
    random = np.random.default_rng(seed)
    score = random.integers(0, 8, n).astype(float)
    other = (score + random.integers(0, 9, n)).round()
    return score, other, other > 8, random.integers(0, 6, n).astype(str)


def test_auc_is_mann_whitney_s_u():
    score, _, truth, prompts = drawn()
    found = auc(score, truth, prompts)
    u = mannwhitneyu(score[truth], score[~truth]).statistic
    assert found.value == pytest.approx(u / (truth.sum() * (~truth).sum()))
    assert auc(-score, truth, prompts).value == pytest.approx(1 - found.value)


def test_auc_within_clusters_is_that_of_their_pairs_alone():
    """What knows the cluster and nothing else is at chance there, however well it does over all pairs."""
    rng = np.random.default_rng(4)
    which = np.arange(200) % 5
    truth = rng.random(200) < 0.1 + 0.2 * which
    score = rng.integers(0, 4, 200) + 10.0 * which
    pairs = [
        np.sign(score[i] - score[j]) / 2 + 0.5
        for i in np.flatnonzero(truth)
        for j in np.flatnonzero(~truth & (which == which[i]))
    ]
    found = agreement.auc(score, truth, which, within=True)
    assert found.value == pytest.approx(np.mean(pairs))
    assert found.interval[0] < found.value < found.interval[1]
    assert agreement.auc(which * 1.0, truth, which, within=True).value == 0.5
    assert agreement.auc(which * 1.0, truth, which).value > 0.7
    assert agreement.auc(score, which > 2, which, within=True).value is None


def test_tau_is_kendall_s_tau_b():
    score, other, _, prompts = drawn()
    assert tau(score, other, prompts).value == pytest.approx(kendalltau(score, other).statistic)


def test_auc_is_the_area_under_the_curve():
    score, _, truth, prompts = drawn()
    false, true = roc(score, truth)
    assert np.trapezoid(true, false) == pytest.approx(auc(score, truth, prompts).value)


@pytest.mark.parametrize("measure", ["auc", "tau"])
def test_intervals_are_those_of_resampled_prompts(measure, monkeypatch):
    """The same draws, each carried out: assets of the drawn prompts side by side, the number by scipy."""
    monkeypatch.setattr(agreement, "RESAMPLES", 60)
    score, other, truth, prompts = drawn()
    names = np.unique(prompts)
    found = auc(score, truth, prompts) if measure == "auc" else tau(score, other, prompts)
    draws = np.random.default_rng(agreement.SEED).multinomial(6, np.full(6, 1 / 6), 60)
    values = []
    for draw in draws:
        rows = [i for name, k in zip(names, draw, strict=True) for _ in range(k) for i in np.flatnonzero(prompts == name)]  # fmt: skip
        x, y, t = score[rows], other[rows], truth[rows]
        if measure == "tau":
            values.append(kendalltau(x, y).statistic)
        elif t.any() and not t.all():
            values.append(mannwhitneyu(x[t], x[~t]).statistic / (t.sum() * (~t).sum()))
    assert found.interval == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_thousands_of_assets_cost_no_matrix_of_all_pairs():
    """As by scipy, clusters of unequal size and in any order, named by numbers as well as by words."""
    random = np.random.default_rng(1)
    score, other = random.normal(size=(2, 3000)).round(2)
    prompts = random.integers(0, 40, 3000) ** 2
    truth = other > 0.5
    found = tau(score, other, prompts)
    assert found.value == pytest.approx(kendalltau(score, other).statistic)
    u = mannwhitneyu(score[truth], score[~truth]).statistic
    area = auc(score, truth, prompts)
    assert area.value == pytest.approx(u / (truth.sum() * (~truth).sum()))
    words = [f"{x:06d}" for x in prompts]
    assert (found, area) == (tau(score, other, words), auc(score, truth, words))


def test_undefined_is_none_and_missing_scores_are_left_out():
    score, other, truth, prompts = drawn()
    assert auc(score, np.zeros(40, bool), prompts).value is None
    assert tau(score, np.ones(40), prompts).value is None
    holes = score.copy()
    holes[:7] = np.nan
    found = auc(holes, truth, prompts)
    assert found.n == 33
    assert found == auc(score[7:], truth[7:], prompts[7:])
    one = tau(score, other, ["same"] * 40)
    assert one.value is not None
    assert one.interval is None


def test_examples():
    assert doctest.testmod(agreement).failed == 0
