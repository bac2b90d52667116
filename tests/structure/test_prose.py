"""Figures in our prose are those of the stored results: sentences are written here again, their numbers filled in."""

from pathlib import Path

import numpy as np
import pytest

from esd_bench import agreement, published
from esd_bench.cameras import protocol
from esd_bench.formats import to_frame
from esd_bench.gather import gather
from esd_bench.metrics.fid import frechet_distance
from esd_bench.metrics.inception import quality, variety
from esd_bench.validation import assets, body

ROOT = Path(__file__).parents[2]
VALIDATION = "reports/validation/README.md"


def said(page: str, *sentences: str) -> None:
    """Each stands in the page, wherever its lines break."""
    text = " ".join((ROOT / page).read_text().replace("\n* ", "\n").split())
    for sentence in sentences:
        assert sentence in text, sentence


def short(x: float, digits: int) -> str:
    """As prose writes it: .016."""
    return f"{abs(x):.{digits}f}".removeprefix("0")


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
