"""Intervals and tests against scipy, statsmodels and closed forms; coverage on data of known truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from esd_bench import stats


def test_seeds_are_averaged_inside_a_prompt_first():
    scores = pd.DataFrame({"prompt": ["a", "a", "b"], "value": [0.0, 1.0, 4.0]})
    assert stats.over_seeds(scores).to_dict() == {"a": 0.5, "b": 4.0}


def test_undefined_values_are_left_out():
    scores = pd.DataFrame({"prompt": ["a", "a", "b"], "value": [np.nan, 1.0, np.nan]})
    assert stats.over_seeds(scores).to_dict() == {"a": 1.0}


@pytest.mark.parametrize("n", [2, 24, 120])
def test_the_bootstrap_interval_is_scipys(n):
    values = np.random.default_rng(n).gamma(2, size=n)
    ours = stats.bootstrap_interval(values)
    theirs = scipy_stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=stats.RESAMPLES,
        method="percentile",
        batch=max(1, stats.BLOCK // n),
        rng=np.random.default_rng(stats.SEED),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_an_interval_needs_two_prompts():
    assert stats.bootstrap_interval([1.0]) is None
    assert stats.bootstrap_interval([]) is None
    assert stats.bootstrap_interval([1.0, 1.0]) == (1.0, 1.0)


def test_the_same_numbers_give_the_same_interval(no_global_rng):
    values = [0.1, 0.5, 0.9, 0.2]
    assert stats.bootstrap_interval(values) == stats.bootstrap_interval(values)


def test_bootstrap_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    intervals = [stats.bootstrap_interval(rng.normal(size=40), resamples=500) for _ in range(400)]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert 0.90 < covered < 0.97


@given(st.integers(1, 200), st.data())
def test_wilson_is_statsmodels(n, data):
    k = data.draw(st.integers(0, n))
    assert stats.wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)
    ours = scipy_stats.binomtest(k, n).proportion_ci(method="wilson")
    assert stats.wilson(k, n) == pytest.approx((ours.low, ours.high), abs=1e-12)


@pytest.mark.parametrize(
    ("k", "low", "high"), [(18, 9.7, 22.5), (23, 13.1, 27.1), (67, 46.9, 64.4)]
)
def test_wilson_of_the_papers_success_rates(k, low, high):
    found = stats.wilson(k, 120)
    assert [round(100 * x, 1) for x in found] == [low, high]


def test_wilson_of_nothing_and_of_nonsense():
    assert stats.wilson(0, 0) is None
    with pytest.raises(ValueError, match="5 successes of 4"):
        stats.wilson(5, 4)


def test_shares_of_several_seeds_lie_between_whole_counts():
    low, high = stats.wilson(2.5, 10)
    assert stats.wilson(2, 10)[0] < low < stats.wilson(3, 10)[0]
    assert stats.wilson(2, 10)[1] < high < stats.wilson(3, 10)[1]


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels(b, c):
    theirs = reference_mcnemar([[5, b], [c, 7]], exact=True).pvalue
    assert stats.mcnemar(b, c) == pytest.approx(min(theirs, 1.0), abs=1e-12)
    assert stats.mcnemar(b, c) == stats.mcnemar(c, b)


def test_mcnemar_bounds_the_papers_success_rates():
    assert stats.mcnemar(0, 5) == pytest.approx(0.0625)
    assert stats.mcnemar(18, 23) == pytest.approx(0.53, abs=0.005)
    assert max(stats.mcnemar(k, 44 + k) for k in range(24)) < 4e-6


# statsmodels collects garbage in every call, so three lists must do.
@pytest.mark.parametrize("p", [[0.03], [0.04, 0.01, 0.04, 0.2], [0.5, 0.001, 0.9, 0.001, 0.02, 0]])
def test_holm_is_statsmodels(p):
    assert stats.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers_a_p(p):
    found = np.array(stats.holm(p))
    assert (found >= p).all()
    assert (found <= 1).all()
    assert (np.diff(found[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize("n", [2, 5, 14])
def test_sign_flips_of_few_pairs_are_exact(n):
    gap = np.random.default_rng(n).normal(0.3, 1, n)
    theirs = scipy_stats.permutation_test(
        (gap, np.zeros(n)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    assert stats.sign_flip(gap) == pytest.approx(theirs, abs=1e-12)


def test_sign_flips_of_many_pairs_agree_with_the_exact_answer():
    # 20 equal gaps: only all plus or all minus are as extreme, but for whole numbers ties matter.
    gap = np.array([1.0] * 15 + [-1.0] * 5)
    exact = scipy_stats.binomtest(15, 20).pvalue
    assert stats.sign_flip(gap) == pytest.approx(exact, abs=0.005)
    assert stats.sign_flip(np.ones(40)) == 1 / (stats.RESAMPLES + 1)


def test_sign_flips_hold_their_level():
    rng = np.random.default_rng(3)
    p = [stats.sign_flip(rng.normal(size=10)) for _ in range(400)]
    assert np.mean(np.array(p) <= 0.05) < 0.08


def test_pairs_are_matched_by_prompt():
    first = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "only": 9.0})
    second = pd.Series({"c": 3.0, "b": 1.0, "a": 3.0, "other": -9.0})
    found = stats.paired(first, second)
    assert (found.n, found.wins, found.ties, found.losses) == (3, 1, 1, 1)
    assert found.difference == pytest.approx(-1 / 3)
    assert found.interval[0] <= found.difference <= found.interval[1]
    with pytest.raises(ValueError, match="share no prompt"):
        stats.paired(first, pd.Series({"x": 1.0}))


def test_pairing_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(5)
    prompts = [f"p{i}" for i in range(24)]
    hard = rng.normal(0, 5, 24)
    first = pd.Series(hard + 0.4 + rng.normal(0, 0.2, 24), prompts)
    second = pd.Series(hard + rng.normal(0, 0.2, 24), prompts)
    assert stats.paired(first, second).p < 0.001
    assert scipy_stats.ttest_ind(first, second).pvalue > 0.3
