"""Figures in our prose are those of the stored results: sentences are written here again, their numbers filled in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from esd_bench import agreement, published
from esd_bench.cameras import protocol
from esd_bench.formats import to_frame
from esd_bench.gather import gather
from esd_bench.metrics.fid import frechet_distance
from esd_bench.metrics.inception import quality, variety
from esd_bench.report import build, find_table
from esd_bench.validation import assets, body

ROOT = Path(__file__).parents[2]
EMBEDDED = "reports/embedded/README.md"
VALIDATION = "reports/validation/README.md"
ARMS = ("ESD (λ = 0.5)", "ESD (λ = 1)")
WORDED = (("view words", 4), ("no view words", 3))


def said(page: str, *sentences: str) -> None:
    """Each stands in the page, wherever its lines break."""
    text = " ".join((ROOT / page).read_text().replace("\n* ", "\n").split())
    for sentence in sentences:
        assert sentence in text, sentence


def short(x: float, digits: int) -> str:
    """As prose writes it: .016."""
    return f"{abs(x):.{digits}f}".removeprefix("0")


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return gather(ROOT / "reports/embedded/scores.csv.gz")


@pytest.fixture(scope="module")
def differences(scores) -> pd.DataFrame:
    """The paired table, a row a cell that has an interval, by (wording, method, score)."""
    found = to_frame(build(scores, find_table("paired"))).dropna(subset="low")
    return found.set_index(["prompts_with", "method", "score"])


def against_vsd(scores: pd.DataFrame, arm: str) -> pd.DataFrame:
    """What ``compare`` prints, by (wording, score) and column."""
    made = build(scores, find_table("versus", {"first": arm, "second": "vsd"}))
    frame = to_frame(made).assign(
        measure=lambda x: x["measure"].str.split(" [(↓↑]", regex=True).str[0]
    )
    return frame.pivot_table("value", ["prompts_with", "measure"], "column", sort=False)


def test_the_benchmarks_counts(scores, differences):
    runs, prompts = scores["run"].nunique(), scores["prompt"].nunique()
    said(EMBEDDED, f"{runs} assets, all from noise", f"on {prompts} prompts that no setting")
    said(EMBEDDED, f"One seed, {len(differences)} intervals")
    said("README.md", f"{prompts} held-out prompts, one seed", f"of the {prompts} objects")
    assert scores["seed"].nunique() == 1


def test_esd_against_vsd(differences):
    clear = differences[differences["low"] * differences["high"] > 0]["value"]
    own = {key: value for key, value in clear.items() if key[1] in ARMS}
    with_, without = "view words", "no view words"
    half, one = ARMS
    named = [(with_, half, "janus_rate"), (with_, one, "janus_rate"), (with_, one, "iv")]
    named += [(without, one, "consistency"), (without, half, "iv"), (without, one, "iv")]
    assert set(own) == set(named), "other intervals leave out 0 than the page says"
    a, b, c, d, e, f = (short(own[key], 3) for key in named)
    said(
        EMBEDDED,
        f"a Janus rate lower by {a} (λ = .5) and {b} (λ = 1) and IV higher by {c} (λ = 1); "
        f"without, R higher by {d} (λ = 1) and IV by {e} and {f}.",
    )
    assert own[named[0]] < 0 < own[named[2]]
    (rate,) = {short(own[key], 2) for key in named[:2]}
    said("README.md", f"ESD's Janus rate is lower by {rate} with view words, not without")


def test_esd_against_vsd_by_permutation(scores):
    found = [against_vsd(scores, arm) for arm in ARMS]
    raw, adjusted = (
        [x.loc["view words", "Janus rate"][p] for x in found] for p in ("p", "p adjusted")
    )
    mi = [short(x.loc[y, "MI"]["p adjusted"], k) for y, k in WORDED for x in found]
    assert mi[0] == mi[1]
    said(
        EMBEDDED,
        f"p = {short(raw[0], 4)} and {short(raw[1], 3)}, adjusted {short(adjusted[0], 2)} and {short(adjusted[1], 3)}. "
        f"Only MI (IV − IQ) is: p = {mi[0]} adjusted with view words, for both λ; without, {mi[2]} for λ = .5 but {mi[3]} for λ = 1.",
    )
    below = [list(x.index[x["p adjusted"] < 0.05]) for x in found]
    assert below == [[("view words", "MI"), ("no view words", "MI")], [("view words", "MI")]]


def test_the_other_methods(scores, differences):
    means = scores.pivot_table("value", "label", "score")
    words = means[~means.index.str.endswith("no view words")]
    without = means.drop(words.index)
    bounded = words.index.str.startswith("Debiased")
    assert words["janus_rate"].idxmin() == words["consistency"].idxmax() == "Perp-Neg"
    assert (words.loc[bounded, "success"] < words.loc["SDS", "success"]).all()
    assert (without["success"] == 0).all()
    fewer = without["front_share"] < without.loc["SDS, no view words", "front_share"]
    assert fewer[without.index.str.startswith("Debiased")].all()
    low, high = differences.loc[("view words", "Perp-Neg", "success"), ["low", "high"]]
    assert low < 0 < high
    shared = [x.removesuffix(", no view words") for x in without.index]
    assert (without["fid"].to_numpy() < words.loc[shared, "fid"].to_numpy()).all()
    assert (without["ig"].to_numpy() < words.loc[shared, "ig"].to_numpy()).all()
    gains = scores.loc[scores["score"] == "ig", "value"]
    said(
        "docs/metrics_traps.md", f"IG goes from {short(gains.min(), 2)} to {short(gains.max(), 2)}"
    )


def test_the_paper_in_the_prose():
    rows = published.load(1).set_index(["method", "score"])["printed"]
    page = (ROOT / "docs/reproduce.md").read_text()
    for method in ("sds", "vsd", "esd"):
        iq, iv, ig, rate = (float(rows[method, x]) for x in ("iq", "iv", "ig", "success_rate"))
        assert f"| {method.upper()} | {iq:.3f} | {iv:.3f} | {short(ig, 3)} | {rate:.1f} % |" in page
    ratio = float(rows["esd", "success_rate"]) / float(rows["vsd", "success_rate"])
    assert 2.8 < ratio < 3, "nearly trebles"


# ---- the detectors -------------------------------------------------------------------------------------------------


def test_the_fixtures_prose(monkeypatch):
    """The intervals are but compared: a tenth of the resamples will do."""
    monkeypatch.setattr(agreement, "RESAMPLES", 1000)
    frame = gather(ROOT / "reports/validation/fixtures.csv.gz")
    wide = assets(frame)
    things = int((wide["amount"] == 0).sum())
    kinds = wide.loc[wide["amount"] > 0, "prompt"].nunique()
    ways = wide["wording"].nunique()
    said(
        VALIDATION,
        f"{(len(wide) - things) // ways} figures of {kinds} kinds",
        f"and {things // ways} things without any",
    )
    made = to_frame(body(frame))
    areas = made[made["column"].str.startswith("AUC, ")]
    each = areas[areas["column"] != "AUC, all"].pivot_table("value", "score", "column")
    width = (areas["high"] - areas["low"]).groupby(areas["score"]).max()
    assert ((each.max(axis=1) - each.min(axis=1)) < width).all(), "size and background"
    blind = each.loc[["fid", "kid", "cmmd"]]
    assert (each.loc[["ig", "iq", "clip_distance"]] > 0.7).all(axis=None)
    assert (blind < 0.56).all(axis=None)
    assert (each.loc["iv"] < 0.4).all()
    found = made.pivot_table("value", "score", "column")["Found"]
    peaks = [f"{found[x]:.0f}" for x in ("front_peaks", "pose_peaks")]
    rest = ["fronts_elsewhere", "front_elsewhere", "self_similarity", "self_similarity_clip"]
    low, high = f"{found[rest].min():.0f}", f"{found[rest].max():.0f}"
    said(VALIDATION, f"in {' and '.join(peaks)} % of the figures", f"in {low} to {high} %;")


# ---- what needs no stored result -----------------------------------------------------------------------------------


def test_the_traps_numbers():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(1000, 0.005), 4000)
    a, b, c = (
        f"{np.mean([variety(p[rng.integers(0, len(p), n)]) for _ in range(100)]):.1f}"
        for n in (4, 40, 120)
    )
    wanted = f"IQ {quality(p):.1f}) IV is {a} at 4 views, {b} at 40 and {c} at 120"
    elevation = np.rad2deg(protocol("sphere:120").elevation.numpy())
    seen = int(((elevation >= -10) & (elevation <= 45)).sum())
    share = (np.sin(np.deg2rad(45)) + np.sin(np.deg2rad(10))) / 2
    said(
        "docs/metrics_traps.md",
        wanted,
        f"{seen} of 120",
        f"only {share:.0%} lies".replace("%", " %"),
    )


def test_most_of_a_small_samples_distance_is_bias():
    rng, scale = np.random.default_rng(0), np.arange(1, 2049) ** -0.5
    x, y = rng.normal(size=(2, 6, 120, 2048)) * scale
    biases = [frechet_distance(*pair) / (scale**2).sum() for pair in zip(x, y, strict=True)]
    assert np.mean(biases) == pytest.approx(0.81, abs=0.02)
    said("docs/metrics_traps.md", "it is .81 of the total variance")


def test_the_bootstraps_coverage_of_normal_data():
    """To second order the percentile interval is the mean ± 1.96 of the population's deviation over the root of n."""
    from scipy.stats import norm, t

    n = 24
    covers = 1 - 2 * t.sf(norm.ppf(0.975) * np.sqrt((n - 1) / n), n - 1)
    said("docs/statistics.md", f"covers {covers:.0%} at n = {n}".replace("%", " %"))
