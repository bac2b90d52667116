"""Intervals and tests against scipy, statsmodels and closed forms; coverage on data of known truth."""

import dataclasses

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


@pytest.mark.parametrize(("n", "within"), [(20, 1e-12), (31, 1e-12), (40, 0.01)])
def test_sign_flips_of_equal_gaps_are_the_binomial_test(n, within):
    """Whole numbers tie often; of more than 32 signs are drawn."""
    ups = 3 * n // 5
    gap = np.array([1.0] * ups + [-1.0] * (n - ups))
    exact = scipy_stats.binomtest(ups, n).pvalue
    assert stats.sign_flip(gap) == pytest.approx(exact, abs=within)


def test_the_least_p():
    assert stats.sign_flip(np.ones(32)) == 2**-31
    assert stats.sign_flip(np.ones(40)) == 1 / (stats.RESAMPLES + 1)


@pytest.mark.parametrize("times", [1, 6])
def test_gaps_that_cancel_are_no_difference_although_their_sum_is_rounded(times):
    gap = np.array([0.1, 0.2, -0.3] * times)
    assert gap.sum() != 0
    assert stats.sign_flip(gap) == 1
    assert stats.sign_flip(gap) == stats.sign_flip(10 * gap.round(1))


@pytest.mark.parametrize("n", [9, 30])
def test_ties_survive_that_scores_are_stored_with_nine_digits(n):
    """Rates of 23 views over three seeds: many signed sums are the same number, whatever the last digit stored."""
    rng = np.random.default_rng(n)
    views = rng.integers(1, 8, (2, n, 3))
    views[1, : n // 3] = views[0, : n // 3] + [2, -1, -1]
    stored = np.vectorize(lambda x: float(f"{x / 23:.9g}"))(views)
    first, second = (pd.Series(x.mean(1)) for x in stored)
    whole = views[0].sum(1) - views[1].sum(1)
    assert stats.sign_flip(first - second) == stats.sign_flip(whole)
    made = stats.paired(first, second)
    assert (made.wins, made.losses) == ((whole > 0).sum(), (whole < 0).sum())


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


def test_an_interval_that_is_not_asked_for_is_left_out():
    one, two = (pd.Series([x, 2.0 * x, 5.0]) for x in (1.0, 3.0))
    with_, without = stats.paired(one, two), stats.paired(one, two, resamples=0)
    assert with_.interval is not None
    assert without == dataclasses.replace(with_, interval=None)


def test_pairing_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(5)
    prompts = [f"p{i}" for i in range(24)]
    hard = rng.normal(0, 5, 24)
    first = pd.Series(hard + 0.4 + rng.normal(0, 0.2, 24), prompts)
    second = pd.Series(hard + rng.normal(0, 0.2, 24), prompts)
    assert stats.paired(first, second).p < 0.001
    assert scipy_stats.ttest_ind(first, second).pvalue > 0.3


# ---- seeds inside prompts ------------------------------------------------------------------------------------------


def test_one_seed_makes_the_hierarchical_interval_the_bootstrap():
    values = np.random.default_rng(1).normal(size=9)
    nested = [[x] for x in values]
    assert stats.hierarchical_interval(nested) == stats.bootstrap_interval(values)


def test_the_hierarchical_interval_is_a_slow_loops():
    """Two prompts with other numbers of seeds: the same law by drawing one at a time."""
    seeds, rng = [[0.0, 3.0, 6.0], [10.0, 11.0], [20.0], []], np.random.default_rng(0)

    def once() -> float:
        picked = [seeds[i] for i in rng.integers(0, 3, 3)]
        return np.mean([np.mean(rng.choice(x, len(x))) for x in picked])

    slow = np.quantile([once() for _ in range(4000)], [0.025, 0.25, 0.5])
    found = [stats.hierarchical_interval(seeds, confidence)[0] for confidence in (0.95, 0.5, 1e-9)]
    assert found == pytest.approx(slow, abs=0.6)
    assert stats.hierarchical_interval([[1.0, 2.0]]) is None
    assert stats.hierarchical_interval([[1.0, np.nan], [1.0, 1.0]]) == (1.0, 1.0)


@pytest.mark.parametrize(("prompts", "seeds"), [(48, 3), (5, 1), (2, 7), (300, 2)])
@pytest.mark.parametrize("holes", [False, True])
def test_intervals_of_many_scores_are_those_of_each(prompts, seeds, holes):
    """Also where a seed or a whole prompt lacks, and where draws take several blocks."""
    values = np.random.default_rng(prompts).normal(size=(prompts, seeds, 3))
    if holes and prompts > 2:
        values[0, 0] = values[3] = np.nan
    each = [stats.hierarchical_interval(values[..., k]) for k in range(3)]
    np.testing.assert_allclose(stats.hierarchical_intervals(values).T, each, rtol=1e-10)


def test_intervals_of_many_scores_need_the_same_seeds_and_two_prompts():
    values = np.ones((3, 2, 2))
    values[1, 0, 1] = np.nan
    with pytest.raises(ValueError, match="same seeds"):
        stats.hierarchical_intervals(values)
    with pytest.raises(ValueError, match="needs two"):
        stats.hierarchical_intervals(values[:1])


def test_the_second_draw_adds_what_the_docstring_says():
    """Variance of a prompt's mean: 1 + 1/3; the draw of seeds adds 2/9."""
    assert np.sqrt((1 + 1 / 3 + 2 / 9) / (1 + 1 / 3)) == pytest.approx(1.08, abs=0.002)
    rng = np.random.default_rng(2)
    seeds = rng.normal(0, 1, (300, 1)) + rng.normal(0, 1, (300, 3))
    widths = [
        np.diff(stats.hierarchical_interval(seeds, resamples=8000))[0],
        np.diff(stats.bootstrap_interval(seeds.mean(1), resamples=8000))[0],
    ]
    assert widths[0] / widths[1] == pytest.approx(1.08, abs=0.05)


def test_students_interval_is_scipys():
    values = np.random.default_rng(3).normal(size=7)
    theirs = scipy_stats.ttest_1samp(values, 0).confidence_interval()
    assert stats.t_interval(values) == pytest.approx((theirs.low, theirs.high))
    assert stats.t_interval([1.0]) is None


@pytest.mark.parametrize("kind", stats.INTERVALS)
def test_intervals_by_name(kind):
    found = stats.interval_of(kind, [0.0, 1.0, 2.0])
    assert (found is None) == (kind == "none")
    with pytest.raises(ValueError, match="use bootstrap, hierarchical, t, none"):
        stats.interval_of("exact", [0.0])


# ---- many tests, small differences, ranks --------------------------------------------------------------------------


@pytest.mark.parametrize("p", [[0.03], [0.04, 0.01, 0.04, 0.2], [0.5, 0.001, 0.9, 0.001, 0.02, 0]])
def test_benjamini_hochberg_is_statsmodels_and_scipys(p):
    found = stats.benjamini_hochberg(p)
    assert found == pytest.approx(list(multipletests(p, method="fdr_bh")[1]), abs=1e-12)
    assert found == pytest.approx(list(scipy_stats.false_discovery_control(p)), abs=1e-12)


def test_primary_tests_are_a_family_of_their_own():
    found = stats.corrected({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.5}, ("b", "a", "none"))
    assert found == pytest.approx({"a": 0.02, "b": 0.02, "c": 0.06, "d": 0.5})


@pytest.mark.parametrize("n", [3, 24, 120])
def test_the_detectable_effect_is_statsmodels(n):
    from statsmodels.stats.power import TTestPower

    theirs = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert stats.detectable(2.0, n) == pytest.approx(2 * theirs, rel=1e-4)
    assert stats.detectable(1.0, 1) is None


def test_the_detectable_effects_of_the_papers_size():
    assert stats.detectable(1.0, 120) == pytest.approx(0.26, abs=0.005)
    assert stats.detectable_share(0.5, 120) == pytest.approx(0.18, abs=0.005)
    assert stats.detectable_share(0.95, 24) is None


def test_the_detectable_share_is_statsmodels():
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    higher = 0.15 + stats.detectable_share(0.15, 120)
    power = NormalIndPower().power(proportion_effectsize(higher, 0.15), 120, 0.05)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_success_by_whole_numbers_is_mcnemars():
    first, second = pd.Series([1.0, 1, 1, 0, 0]), pd.Series([0.0, 0, 1, 1, 0])
    found = stats.paired(first, second, binary=True)
    assert (found.test, found.p) == ("McNemar", stats.mcnemar(2, 1))
    assert (found.first, found.second) == (0.6, 0.4)
    assert stats.paired(first, second / 2, binary=True).test == "sign flips"
    assert stats.paired(first, first, binary=True).detectable is None


def test_few_signs_flipped_are_mcnemars():
    """On 0 and 1 the exact permutation test and the binomial test of the discordant pairs are one."""
    first, second = pd.Series([1.0] * 7 + [0] * 4), pd.Series([0.0] * 6 + [1] * 3 + [0] * 2)
    assert stats.paired(first, second).p == pytest.approx(
        stats.paired(first, second, binary=True).p
    )


def test_mcnemar_bounds_of_the_papers_totals():
    assert stats.mcnemar_bounds(18, 23, 120) == pytest.approx((0.0625, 0.53), abs=0.005)
    assert stats.mcnemar_bounds(67, 23, 120)[1] < 4e-6
    assert stats.mcnemar_bounds(3, 3, 4) == (1.0, 1.0)
    with pytest.raises(ValueError, match="5 and 1 successes of 4"):
        stats.mcnemar_bounds(5, 1, 4)


def test_ranks_by_hand():
    rng = np.random.default_rng(4)
    hard = rng.normal(0, 5, 30)
    noise = rng.normal(0, 0.1, (4, 30))
    frame = pd.DataFrame({"a": hard, "b": hard + noise[0], "c": hard - 1, "d": hard + noise[1] - 3})
    found = stats.ranks(frame, higher=True)
    assert [found[x].rank for x in "abcd"] == [1, 1, 3, 4]
    assert [found[x].rank for x in "abcd"] == [x.rank for x in stats.ranks(-frame, False).values()]
    assert sum(x.first for x in found.values()) == pytest.approx(1)
    assert found["d"].first == 0
    twins = stats.ranks(frame[["a"]].assign(b=frame["a"], c=np.nan).drop(columns="c"), True)
    assert (twins["a"].first, twins["b"].first) == (0.5, 0.5)
    assert stats.ranks(frame.assign(e=np.nan), True) == {}


def test_one_prompt_puts_nothing_beyond_doubt():
    found = stats.ranks(pd.DataFrame({"a": [1.0], "b": [2.0]}), higher=True)
    assert [(x.rank, x.n) for x in found.values()] == [(1, 1), (1, 1)]
    assert np.isnan([x.first for x in found.values()]).all()


# ---- raters --------------------------------------------------------------------------------------------------------

KRIPPENDORFF = [
    [None, None, None, None, None, 3, 4, 1, 2, 1, 1, 3, 3, None, 3],
    [1, None, 2, 1, 3, 3, 4, 3, None, None, None, None, None, None, None],
    [None, None, 2, 1, 3, 4, 4, None, 2, 1, 1, 3, 3, None, 4],
]
"""His own example, of nominal alpha .691."""


def test_alpha_of_krippendorffs_example():
    value, interval = stats.krippendorff_alpha(KRIPPENDORFF)
    assert value == pytest.approx(0.691, abs=5e-4)
    assert interval[0] < value < interval[1]


@given(st.lists(st.lists(st.sampled_from("abc-"), min_size=3, max_size=3), min_size=2, max_size=9))
def test_alpha_is_the_librarys(columns):
    krippendorff = pytest.importorskip("krippendorff")
    labels = np.array([[None if x == "-" else x for x in column] for column in columns]).T
    value, _ = stats.krippendorff_alpha(labels, resamples=0)
    codes = np.array([[np.nan if x is None else "abc".index(x) for x in row] for row in labels])
    paired = codes[:, (~np.isnan(codes)).sum(0) > 1]
    if len(set(paired[~np.isnan(paired)])) < 2:
        assert value is None
        return
    theirs = krippendorff.alpha(codes, level_of_measurement="nominal")
    assert value == pytest.approx(theirs, abs=1e-9)


def test_agreement_without_gaps_is_fleiss_numerator():
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    labels = np.random.default_rng(6).integers(0, 3, (4, 30))
    table = aggregate_raters(labels.T)[0]
    chance = ((table.sum(0) / table.sum()) ** 2).sum()
    kappa = (stats.percent_agreement(labels) - chance) / (1 - chance)
    assert kappa == pytest.approx(fleiss_kappa(table))


def test_agreement_of_nothing_is_nothing():
    assert stats.krippendorff_alpha([[1, None], [None, 2]]) == (None, None)
    assert stats.krippendorff_alpha([[1, 1], [1, 1]]) == (None, None)
    assert stats.percent_agreement([[1, None], [None, 2]]) is None
    assert stats.percent_agreement([[True, False], [True, True]]) == 0.5
    with pytest.raises(ValueError, match=r"labels are \(raters, assets\)"):
        stats.krippendorff_alpha([1, 2])


def test_a_rater_agrees_with_himself():
    assert stats.self_agreement([1, 0, None, 1], [1, 1, 1, None]) == (0.5, 2)
    assert stats.self_agreement([None], [1]) == (None, 0)


def test_strengths_are_choixs():
    choix = pytest.importorskip("choix")
    wins = np.random.default_rng(7).integers(1, 9, (4, 4))
    np.fill_diagonal(wins, 0)
    pairs = [(i, j) for i in range(4) for j in range(4) for _ in range(wins[i, j])]
    theirs = choix.mm_pairwise(4, pairs, tol=1e-12)
    assert stats.bradley_terry(wins, prior=0) == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_strengths_of_two_are_the_log_odds():
    found = stats.bradley_terry(np.array([[0, 3], [1, 0]]), prior=0)
    assert found[0] - found[1] == pytest.approx(np.log(3))


def test_one_who_never_loses_needs_a_prior():
    wins = np.array([[0, 3], [0, 0]])
    assert np.isfinite(stats.bradley_terry(wins)).all()
    with pytest.raises(ValueError, match="never lost"):
        stats.bradley_terry(wins, prior=0)
