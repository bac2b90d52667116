"""Intervals and tests on simulated data of known truth: a wrong formula covers too rarely or too often.

Bands leave four standard errors of a count over so many simulations beside what the formula is known to do.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from esd_bench import agreement, stats
from esd_bench.metrics import Inputs, Score
from esd_bench.metrics.cmmd import cmmd
from esd_bench.metrics.kid import kid

DRAWS = 400
"""Resamples in each simulated study: enough for the coverage to move by less than half a per cent."""


def covers(interval, truth) -> bool:
    return bool(interval[0] <= truth <= interval[1])


def bootstrap_coverage(n: int, studies: int, draws: int = DRAWS) -> float:
    rng = np.random.default_rng(n)
    made = (stats.bootstrap_interval(rng.normal(size=n), resamples=draws) for _ in range(studies))
    return float(np.mean([covers(x, 0.0) for x in made]))


@pytest.mark.parametrize("n", [24, 120])
def test_the_bootstrap_over_prompts(n):
    assert 0.91 < bootstrap_coverage(n, 1000) < 0.975


def nested(rng, prompts: int, between: float, within: float) -> np.ndarray:
    """(prompts, 3) numbers of mean 0: three seeds a prompt."""
    return rng.normal(0, between, (prompts, 1)) + rng.normal(0, within, (prompts, 3))


@pytest.mark.parametrize(("between", "within"), [(1.0, 0.3), (1.0, 1.0)])
def test_the_hierarchical_bootstrap_with_three_seeds(between, within):
    rng = np.random.default_rng(5)
    made = [
        stats.hierarchical_interval(nested(rng, 24, between, within), resamples=DRAWS)
        for _ in range(1000)
    ]
    assert 0.91 < np.mean([covers(x, 0.0) for x in made]) < 0.985


def test_seeds_taken_for_prompts_would_cover_too_rarely():
    """The error that the prompt as unit avoids; the band above would see it."""
    rng = np.random.default_rng(6)
    flat = [nested(rng, 24, 1.0, 0.3).ravel() for _ in range(500)]
    made = [stats.bootstrap_interval(x, resamples=DRAWS) for x in flat]
    assert np.mean([covers(x, 0.0) for x in made]) < 0.85


def test_students_interval():
    rng = np.random.default_rng(7)
    made = [stats.t_interval(rng.normal(size=24)) for _ in range(2000)]
    assert 0.93 < np.mean([covers(x, 0.0) for x in made]) < 0.97


@pytest.mark.parametrize(("n", "share"), [(24, 0.5), (120, 0.15), (120, 0.5583)])
def test_wilson(n, share):
    rng = np.random.default_rng(n)
    counts = rng.binomial(n, share, 4000)
    ends = {k: stats.wilson(int(k), n) for k in set(counts)}
    assert 0.93 < np.mean([covers(ends[k], share) for k in counts]) < 0.975


PROMPTS, ASSETS = 24, 8


def assets(rng, spread: float = 1.0) -> np.ndarray:
    """(prompts, assets) numbers of variance 1 and ``spread`` within and between prompts."""
    return rng.normal(0, spread, (PROMPTS, 1)) + rng.normal(size=(PROMPTS, ASSETS))


CLUSTERS = np.repeat(np.arange(PROMPTS), ASSETS)


def test_the_area_under_a_roc_curve_over_prompts(monkeypatch):
    """Half of each prompt's assets score higher by 1; of the pairs one in so many prompts is of one prompt."""
    monkeypatch.setattr(agreement, "RESAMPLES", DRAWS)
    rng, truth = np.random.default_rng(21), np.tile([True, False], (PROMPTS, ASSETS // 2))
    within, between = norm.cdf(1 / np.sqrt([2, 4]))
    wanted = (within + (PROMPTS - 1) * between) / PROMPTS
    made = [
        agreement.auc((assets(rng) + truth).ravel(), truth.ravel(), CLUSTERS) for _ in range(400)
    ]
    assert abs(np.mean([x.value for x in made]) - wanted) < 0.01
    assert 0.89 < np.mean([covers(x.interval, wanted) for x in made]) < 0.98


def test_assets_taken_for_prompts_would_cover_too_rarely(monkeypatch):
    """The error that the clusters avoid, here of tau; the band below would see it."""
    assert tau_coverage(monkeypatch, np.arange(PROMPTS * ASSETS), 40) < 0.85


def test_kendalls_tau_over_prompts(monkeypatch):
    assert 0.89 < tau_coverage(monkeypatch, CLUSTERS, 400) < 0.98


def tau_coverage(monkeypatch, clusters: np.ndarray, studies: int) -> float:
    """Of two normal numbers with a correlation of .5, within prompts as between them."""
    monkeypatch.setattr(agreement, "RESAMPLES", DRAWS)
    rng, wanted = np.random.default_rng(22), 2 / np.pi * np.arcsin(0.5)
    found = []
    for _ in range(studies):
        x, noise = assets(rng, 2), assets(rng, 2)
        y = 0.5 * x + np.sqrt(0.75) * noise
        found.append(agreement.tau(x.ravel(), y.ravel(), clusters).interval)
    return float(np.mean([covers(x, wanted) for x in found]))


@pytest.mark.parametrize(
    ("metric", "role", "output"), [(kid, "features", "features"), (cmmd, "clip", "image")]
)
def test_kernel_distances_of_independent_pictures(metric, role, output):
    """Two laws of features, a little apart; the truth is what very many pictures give."""
    rng, compute = np.random.default_rng(23), metric().compute

    def found(n: int, m: int) -> Score:
        x, y = (
            torch.from_numpy(rng.normal(*law, (k, 8))) for k, law in ((n, (0, 1)), (m, (0.4, 1.2)))
        )
        at = torch.zeros(n)
        return compute(Inputs({role: {output: x}}, at, at, reference={role: {output: y}}))[0]

    wanted = np.mean([found(1000, 1000).value for _ in range(8)])
    made = [found(60, 48).interval for _ in range(400)]
    assert 0.89 < np.mean([covers(x, wanted) for x in made]) < 0.98


def two_methods(rng, n: int, shift: float) -> tuple[pd.Series, pd.Series]:
    """Prompts differ far more than methods: the pairing is what counts."""
    hard = rng.normal(0, 5, n)
    return pd.Series(hard + shift + rng.normal(0, 1, n)), pd.Series(hard + rng.normal(0, 1, n))


def test_paired_differences_cover_and_hold_their_level(monkeypatch):
    from esd_bench.stats import pairs

    few = dict.fromkeys(("resamples",), DRAWS)
    monkeypatch.setattr(
        pairs, "bootstrap_interval", lambda x, c, _: stats.bootstrap_interval(x, c, **few)
    )
    monkeypatch.setattr(pairs, "sign_flip", lambda x: stats.sign_flip(x, **few))
    rng = np.random.default_rng(8)
    found = [stats.paired(*two_methods(rng, 24, 0.0)) for _ in range(500)]
    assert 0.90 < np.mean([covers(x.interval, 0.0) for x in found]) < 0.975
    assert 0.02 < np.mean([x.p <= 0.05 for x in found]) < 0.08


def test_exact_sign_flips_hold_their_level():
    rng = np.random.default_rng(9)
    p = np.array([stats.sign_flip(rng.normal(size=8)) for _ in range(1000)])
    assert 0.02 < (p <= 0.05).mean() < 0.075


def test_mcnemar_never_exceeds_its_level():
    """An exact test of whole numbers falls short of its level: by how much is known."""
    rng = np.random.default_rng(10)
    first, second = rng.binomial(1, [[0.3]], (2, 1000, 120))
    only = (first > second).sum(1), (first < second).sum(1)
    p = np.array([stats.mcnemar(int(a), int(b)) for a, b in zip(*only, strict=True)])
    assert 0.015 < (p <= 0.05).mean() < 0.06
    assert 0.045 < (p <= 0.1).mean() < 0.12


def raters(rng, assets: int, slip: float) -> np.ndarray:
    """Three raters, who each give another of two labels with a chance; a tenth of the cells is missing."""
    truth = rng.integers(0, 2, assets)
    seen = np.where(rng.random((3, assets)) < slip, 1 - truth, truth).astype(object)
    seen[rng.random((3, assets)) < 0.1] = None
    return seen


def test_alpha_and_its_interval():
    """Of balanced labels alpha is (1 - 2 slip)^2: two raters disagree with chance 2 slip (1 - slip), by chance with 1/2."""
    rng, slip = np.random.default_rng(11), 0.1
    truth = (1 - 2 * slip) ** 2
    found = [stats.krippendorff_alpha(raters(rng, 60, slip), resamples=200) for _ in range(500)]
    assert np.mean([x for x, _ in found]) == pytest.approx(truth, abs=0.015)
    assert 0.90 < np.mean([covers(ends, truth) for _, ends in found]) < 0.98


@pytest.mark.parametrize(("n", "sd"), [(8, 1.0), (24, 0.02), (120, 1.0)])
def test_the_minimum_detectable_effect_is_detected_four_times_out_of_five(n, sd):
    rng = np.random.default_rng(n)
    gaps = rng.normal(stats.detectable(sd, n), sd, (4000, n))
    t = gaps.mean(1) / (gaps.std(1, ddof=1) / np.sqrt(n))
    from scipy.special import stdtrit

    assert 0.77 < (np.abs(t) > stdtrit(n - 1, 0.975)).mean() < 0.83


def test_the_detectable_share_is_detected_about_as_often():
    rng, n, share = np.random.default_rng(12), 120, 0.5
    higher = share + stats.detectable_share(share, n)
    a, b = rng.binomial(n, share, 4000), rng.binomial(n, higher, 4000)
    pool = (a + b) / (2 * n)
    z = (b - a) / n / np.sqrt(pool * (1 - pool) * 2 / n)
    assert 0.76 < (np.abs(z) > 1.96).mean() < 0.84


def test_equal_methods_share_the_first_place_and_a_better_one_takes_it():
    rng, tied, first = np.random.default_rng(13), [], []
    for k in range(500):
        hard = rng.normal(0, 5, (24, 1))
        frame = pd.DataFrame(hard + rng.normal(0, 1, (24, 2)), columns=["a", "b"])
        found = stats.ranks(frame, higher=True, resamples=DRAWS)
        tied.append(found["a"].rank == found["b"].rank)
        first.append(found["a"].first)
        if k < 20:
            three = stats.ranks(frame.assign(good=frame["a"] + rng.normal(3, 1, 24)), True)
            assert [three[x].rank > 1 for x in ("a", "b", "good")] == [True, True, False]
    assert 0.90 < np.mean(tied) < 0.975
    assert 0.44 < np.mean(first) < 0.56


def test_strengths_lie_in_their_intervals():
    """Forty prompts of three choices between each of four items."""
    rng, truth = np.random.default_rng(14), np.array([-0.9, -0.3, 0.3, 0.9])
    chance = 1 / (1 + np.exp(truth[None] - truth[:, None]))
    hits = []
    for _ in range(100):
        upper = np.triu(rng.binomial(3, chance, (40, 4, 4)), 1)
        wins = upper + np.swapaxes(np.triu(3 - upper, 1) * np.triu(np.ones((4, 4)), 1), 1, 2)
        low, high = stats.bradley_terry_intervals(wins, resamples=200)
        hits.append((low <= truth) & (truth <= high))
    assert 0.90 < np.mean(hits) < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("n", [24, 120])
def test_the_bootstrap_over_prompts_closely(n):
    """Of a normal mean the percentile bootstrap is z with n in place of n - 1: its coverage is known."""
    from scipy.stats import t

    wanted = 1 - 2 * t.sf(1.959964 * np.sqrt((n - 1) / n), n - 1)
    assert bootstrap_coverage(n, 5000, 2000) == pytest.approx(wanted, abs=0.013)
