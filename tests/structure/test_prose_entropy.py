"""Figures in the prose of the study of entropy are those of its stored results; see ``test_prose``."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

from esd_bench.metrics.janus import front_probability
from tests.structure.test_prose import ROOT, said, short

ENTROPY = "reports/entropy/README.md"


@pytest.fixture(scope="module")
def study():
    path = ROOT / "reports/entropy/table.py"
    spec = importlib.util.spec_from_file_location("entropy_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs(study):
    """(prior, student, lambda) -> the runs of an arm at guidance 7.5."""
    found = study.arms()
    plain = found[(found["guidance"] == 7.5) & (found["note"] == "")]
    return dict(iter(plain.groupby(["prior", "student", "entropy"])))


def signed(x: float) -> str:
    """As prose writes it: −.029."""
    return ("−" if x < 0 else "") + short(x, 3)


def span(found: tuple[float, float, float]) -> str:
    """A difference with its interval."""
    value, low, high = map(signed, found)
    return f"{value} [{low}, {high}]"


def test_entropy_where_the_prior_was_trained_on_all_sides_alike(study, runs):
    def of(score: str, student: str, entropy: float) -> pd.Series:
        return runs["even", student, entropy][score]

    poses, right, rate = [], [], []
    for student in ("exact", "lora"):
        means = [of("consistency", student, x).mean() for x in (0, 1, 4, 16)]
        assert means == sorted(means)
        low = study.gap(*(runs["even", student, x] for x in (16, 0)), "consistency")[1]
        assert low > 0
        poses += [short(means[0], 2), short(means[-1], 2)]
        right += [f"{of('success', student, x).sum():.0f}" for x in (0, 16)]
        rate.append(short(of("janus_rate", student, 0).mean(), 2))
    a, b, c, d = poses
    e, f, g, h = right
    said(
        ENTROPY,
        f"From λ = 0 to 16, R goes from {a} to {b} with the exact student",
        f"and from {c} to {d} with the LoRA; right objects go from {e} to {f} and from {g} to {h} of 12.",
        f"(a rate of {rate[0]} and {rate[1]} at λ = 0)",
    )
    worse = study.gap(runs["even", "exact", 64], runs["even", "exact", 0], "janus_rate")
    assert worse[1] > 0
    said(ENTROPY, f"with the exact student at λ = 64 it rises, by {span(worse)}.")
    said(
        "README.md",
        f"R rises with λ, from {a} at 0 to {b} at 16 (exact student) and from {c} to {d} (LoRA), right objects from {e} to {f} and from {g} to {h} of 12",
        f"at λ = 64 (exact) the Janus rate rises by {span(worse)}",
    )


def test_entropy_where_the_prior_likes_the_front(study, runs):
    arms = [x for x in runs if x[0] == "biased" and x[1] != "kernel" and x[2] > 0]
    none = {x: runs["biased", x, 0] for x in ("exact", "lora")}
    gaps = {x[1:]: study.gap(runs[x], none[x[1]], "janus_rate") for x in arms}
    assert all(low < 0 < high for _, low, high in gaps.values()), "no fall is shown"
    least, most = (f(gaps, key=lambda x: gaps[x][0]) for f in (min, max))
    assert (least, most) == (("lora", 16), ("exact", 4))
    assert gaps[least][1] < -0.1, "a fall by a tenth is not ruled out"
    assert not any(runs[x]["success"].any() for x in arms)
    poses = study.gap(runs["biased", "lora", 16], none["lora"], "consistency")
    exact = study.gap(runs["biased", "exact", 64], none["exact"], "consistency")
    assert poses[1] > 0 > exact[1]
    said(
        ENTROPY,
        f"all {len(gaps)} intervals hold 0, the difference is between {span(gaps[least])} (LoRA, λ = 16) "
        f"and {span(gaps[most])} (exact, λ = 4).",
        f"R rises by {span(poses)} with the LoRA at λ = 16",
        f"no rise is shown ({span(exact)} at λ = 64). No object is right.",
    )


def test_a_larger_rank_is_no_different(study):
    found = study.arms()
    own = found[(found["prior"] == "biased") & (found["note"] == "rank64")]
    gap = study.gap(*(own[own["entropy"] == x] for x in (16, 0)), "janus_rate")
    assert gap[1] < 0 < gap[2]
    said(
        ENTROPY,
        f"nor is a fall shown with a LoRA of rank 64 instead of 16 ({span(gap)} at λ = 16).",
    )


def test_larger_lambda_held_out():
    found = pd.read_csv(ROOT / "reports/embedded/tables/explored-collapse.csv")
    found = found.set_index(["arms", "method", "column"]).sort_index()
    names = [f"ESD (λ = {x})" for x in (4, 16)]

    def of(wording: str, score: str) -> list[pd.Series]:
        return [found.loc[wording, name, score] for name in names]

    rates, poses = (of("4. Others, no view words", x) for x in ("Janus rate", "R"))
    gaps = [span(x[["value", "low", "high"]]) for x in (*rates, *poses)]
    chances = [short(x["p_adjusted"], 2) for x in rates]
    assert all(x["low"] < 0 < x["high"] for x in rates)
    assert all(x["p_adjusted"] < 0.001 for x in poses)
    more = of("3. Others, view words", "Janus rate")[1]
    said(
        ENTROPY,
        f"the Janus rate differs by {gaps[0]} at λ = 4 and by {gaps[1]} at 16 (adjusted p = {chances[0]} and {chances[1]}), "
        f"R rises by {gaps[2]} and {gaps[3]} (adjusted p below .001)",
        f"by {span(more[['value', 'low', 'high']])} (adjusted p = {short(more['p_adjusted'], 3)})",
    )


def test_what_one_lambda_does_to_features_held_out():
    """See "What entropy pays"."""
    group = "1. Primary, no view words", "ESD (λ = 1)"
    tables = [ROOT / f"reports/embedded/tables/explored-{x}.csv" for x in ("detectors", "collapse")]
    found = pd.concat([pd.read_csv(x).set_index(["arms", "method", "column"]) for x in tables])
    found = found.sort_index().loc[group]
    clip, own, share = (
        found.loc[x] for x in ("self_similarity_clip", "self_similarity", "Front share")
    )
    assert clip["high"] < 0
    assert all(x["low"] < 0 < x["high"] for x in (own, share))
    a, b, c = (span(x[["value", "low", "high"]]) for x in (clip, own, share))
    said(
        ENTROPY,
        f"(`self_similarity_clip` by {a}, exploratory, adjusted p = {short(clip['p_adjusted'], 3)}), "
        f"which is not shown in the classifier's ({b}), and no change of the front share is shown ({c}).",
    )


def test_what_the_priors_show(study, runs):
    shares = study.sides()
    even = [study.front(shares.loc[("even", x)].to_numpy(float)) for x in (1.0, 3.0, 7.5)]
    a, b, c = (f"{100 * x:.0f} %" for x in even)
    said(ENTROPY, f"in {a} of its samples at guidance 1, in {b} at 3 and in {c} at 7.5 (29 % would")
    bins = {prior: shares.loc[(prior, 7.5)].to_numpy(float) for prior in ("biased", "even")}
    own, far = (short(study.tempered(bins["biased"], x), 2) for x in (1, 16))
    half = f"{study.tempered(bins['biased'], 0.5):.2f}"
    said(ENTROPY, f"as the prior shows ({own}), at the published λ of ½ for more ({half}).")
    mean = {key: short(x["front_share"].mean(), 2) for key, x in runs.items()}
    said(
        ENTROPY,
        f"at λ = 1 the front share is {mean['biased', 'exact', 1]} (exact) and {mean['biased', 'lora', 1]} (LoRA) on the "
        f"biased prior, and {mean['even', 'exact', 1]} and {mean['even', 'lora', 1]} against "
        f"{short(study.tempered(bins['even'], 1), 2)} on the other; at λ = 16 it is {mean['biased', 'exact', 16]} and "
        f"{mean['biased', 'lora', 16]} against {far}, and {mean['even', 'exact', 16]} and {mean['even', 'lora', 16]} "
        f"against {short(study.tempered(bins['even'], 16), 2)}.",
    )
    apart = [
        runs[prior, student, x]["front_share"].mean() - study.tempered(bins[prior], x)
        for prior in bins
        for student in ("exact", "lora")
        for x in (1, 4, 16)
    ]
    assert min(apart) < -0.1 < 0.1 < max(apart), "on both sides of the reference"


def test_tempered_bins(study):
    p = np.full(24, 1 / 24)
    assert study.front(p) == pytest.approx(7 / 24)
    random = np.random.default_rng(0).dirichlet(np.ones(24))
    assert study.front(random) == pytest.approx(front_probability(random[None])[0])
    assert study.tempered(p, 3.0) == pytest.approx(7 / 24)
    biased = study.sides().loc[("biased", 7.5)].to_numpy(float)
    own = study.tempered(biased, 1.0)
    assert own == pytest.approx(study.front(biased), abs=0.01)
    assert study.tempered(biased, 0.5) > own > study.tempered(biased, 4.0) > 7 / 24


def test_the_strength_of_the_term_does_not_tell_the_priors_apart(study, runs):
    both = {x: study.along(f"{x}-exact-lambda64-cfg7.5") for x in ("biased", "even")}
    (a, b), (c, d), (e, f), (g, h) = (
        [short(x.loc[step, key], digits) for x in both.values()]
        for key, step, digits in (
            ("entropy", 120, 2),
            ("entropy", 240, 3),
            ("force", 120, 2),
            ("force", 240, 2),
        )
    )
    ends = [short(runs[x, "exact", 64]["consistency"].mean(), 2) for x in both]
    said(
        ENTROPY,
        f"({a} and {b} nats at step 120, {c} and {d} at step 240) and the term fades alike (λ · term / residual {e} and {f} "
        f"at step 120, {g} and {h} at step 240); yet one ends at an R of {ends[0]}, the other at {ends[1]}.",
    )
    for key in ("entropy", "force"):
        one, other = (x[key].loc[:240] for x in both.values())
        assert np.allclose(one, other, rtol=0.1), "alike on both priors"
    lora = [study.along(f"{x}-lora-lambda16-cfg7.5")["force"] for x in both]
    a, b, c, d = (short(x.loc[step], 2) for x in lora for step in (60, 1200))
    said(
        ENTROPY, f"With the LoRA at λ = 16 the term grows instead, from {a} to {b} and from {c} to"
    )
    said(ENTROPY, f"{c} to {d} of the residual.")
    early = [
        short(study.along(f"{x}-exact-lambda{y}-cfg7.5").loc[120, "front_share"], 2)
        for x in both
        for y in (64, 0)
    ]
    a, b, c, d = early
    said(
        ENTROPY, f"a front share of {a} at λ = 64 and {b} at λ = 0, on the other prior {c} and {d})"
    )
    none = [study.along(f"{x}-exact-lambda0-cfg7.5").loc[1200, "entropy"] for x in both]
    end = [x.loc[1200, "entropy"] for x in both.values()]
    said(
        ENTROPY,
        f"({short(none[0], 2)} nats at the end at λ = 0, {short(end[0], 3)} at λ = 64; {short(end[1], 3)} on the other prior)",
        f"the mixture has {short(none[0], 2)} and {short(none[1], 2)} nats at λ = 0,",
    )
    said(
        ENTROPY,
        f"have an R of {short(study.chance(study.SCORED), 2)} on the {study.SCORED} views",
        f"a ring of {study.FILMED} views, of which random poses have an R of {short(study.chance(study.FILMED), 2)}",
    )


def test_entropy_is_left_where_the_noise_stays_high(study):
    def end(stem: str) -> str:
        return short(study.along(stem).loc[1200, "entropy"], 2)

    stems = [f"biased-exact-lambda{x}-cfg7.5-high" for x in (0, 4)]
    schedule = [json.loads((study.HERE / f"scores/{x}.json").read_text())["arm"] for x in stems]
    assert {json.dumps(x["schedule"]) for x in schedule} == {
        '["annealed", {"low": 0.5, "end": 0.7, "length": 0.8}]'
    }
    found = study.arms()
    none, made = (found[found["arm"] == x] for x in stems)
    poses, rate = (study.gap(made, none, x) for x in ("consistency", "janus_rate"))
    assert poses[1] > 0
    assert rate[1] < 0 < rate[2]
    assert none["consistency"].mean() < 0.05
    assert made["consistency"].mean() == pytest.approx(study.chance(study.SCORED), abs=0.01)
    said(
        ENTROPY,
        f"{end(stems[0])} nats are left at λ = 0 and {end(stems[1])} at λ = 4, where {end('biased-exact-lambda4-cfg7.5')} are with the usual t. "
        f"R rises by {span(poses)}, from that of an object alike on all sides to that of random poses "
        f"({short(made['consistency'].mean(), 2)}); the Janus rate differs by {span(rate)}.",
        f"of which random poses have an R of {short(study.chance(study.filmed(stems[0])), 2)}.)",
    )


def test_the_kernel_destroys_the_object(study, runs):
    none, made = runs["biased", "exact", 0], runs["biased", "kernel", 16]
    fall, low, high = study.gap(made, none, "janus_rate")
    assert low < high < 0
    end = study.along("biased-kernel-lambda16-cfg7.5").loc[1200, "force"]
    kind, before = (short(x["kind"].mean(), 2) for x in (made, none))
    said(
        ENTROPY,
        f"At λ = 16 its term is {end:.2f} of the residual at the end and the object is destroyed: the right kind is seen "
        f"with {kind}, not {before}.",
        f"is its fall of the Janus rate by {short(fall, 3)} [{short(high, 3)}, {short(low, 3)}].",
    )


def test_what_a_lora_knows(study):
    found = study.learned()
    own = found.loc["preset"]
    (a, b), (c, d), (e, f) = (
        [short(own.loc[(fits, t), "share"], 3) for t in (750, 850)] for fits in (600, 100, 300)
    )
    g, h = (short(own.loc[(600, t), "cosine"], 2) for t in (750, 850))
    sizes = own.loc[(600, 750), ["exact", "camera error", "anywhere error"]]
    i, j, k = (short(x, 3) for x in sizes)
    assert sizes["exact"] < sizes.min() + 1e-9
    others = [found.loc[(x, 600, 750), "share"] for x in ("rank64", "rate.003", "rank4 rate.0001")]
    assert max(others) < own.loc[(600, 750), "share"]
    force = study.along("biased-lora-lambda16-cfg7.5").loc[1200, "force"]
    said(
        ENTROPY,
        f"{a} at t = 750 and {b} at 850 after 600 fits ({c} and {d} after 100, {e} and {f} after 300). Their cosine is {g} and {h}.",
        f"at t = 750 the exact term is {i}, the answers are off by {j} with the camera and {k} without.",
        f"rank 64 holds {short(others[0], 3)}, a rate of .003 {short(others[1], 3)}, and rank 4 in the attention at .0001, "
        f"threestudio's but for the dropout of the camera (.5 here, .1 there), {short(others[2], 3)}.",
        f"where the LoRA's term is {short(force, 2)} of the residual",
        "of that little a LoRA knows a fortieth.",
    )
    assert 1 / own.loc[(600, [750, 850]), "share"].mean() == pytest.approx(40, abs=5)
    said("README.md", f"objects that stand still a LoRA knows {a} after 600 fits.")


def test_the_size_of_latents(study):
    found = study.sizes()
    means = found.groupby(["side", "t"]).mean()["confusable"]
    top, last = (f"{means[64, t]:.2f}" for t in (900, 980))
    once = pd.read_csv(study.HERE / "sizes.csv").groupby("side")[["apart", "psnr"]].mean()
    said(
        ENTROPY,
        f"are {once.loc[64, 'apart'] / once.loc[16, 'apart']:.0f} times as large in the larger latents",
        f"told apart at every t up to 900 ({top} confusable views) and nearly so at 980 ({last}), in the smaller latents up to 500",
        f"(it gives those back at {once.loc[16, 'psnr']:.0f} dB, the larger pictures at {once.loc[64, 'psnr']:.0f})",
    )
    low = found.loc[64].query("t <= 900")
    assert low["confusable"].max() < 1.001
    assert low["term"].max() < 1e-3
    assert means[16, 500] < 1.01 < means[16, 600], "less than .01 nats"


def test_what_entropy_pays(study):
    fade, blur = study.energy(), study.energy("blur")
    pays = [short(fade["right"].loc[t].mean(), 2) for t in (650, 750, 850)]
    bias = [f"{fade['bias'].loc[t].mean():.2f}" for t in (650, 750, 850)]
    said(
        ENTROPY,
        f"{pays[0]}, {pays[1]} and {pays[2]} nats of {bias[0]}, {bias[1]} and {bias[2]}.",
    )
    said(
        "README.md", f"charges {bias[1]} nats a view for a right object, entropy pays {pays[1]} at"
    )
    own = fade["bias"][blur["bias"].columns]
    a, b, c = (f"{blur['bias'].loc[t].mean():.2f}" for t in (650, 750, 850))
    d, e, f = (f"{own.loc[t].mean():.2f}" for t in (650, 750, 850))
    run = study.over_run(blur["bias"])
    said(
        ENTROPY,
        f"(at 650, 750 and 850 {a}, {b} and {c}, by the fade of the same kinds {d}, {e} and {f})",
        f"(at 450 {blur['bias'].loc[450].mean():.2f} against {own.loc[450].mean():.1f})",
        f"{study.interval(run)} against {study.over_run(own).mean():.1f}.",
    )
    mild = study.over_run(fade["mild 7.5 text"] - fade["even 7.5 text"])
    whole = study.over_run(fade["bias"]).mean()
    said(
        ENTROPY,
        f"{study.interval(mild)} in a run's weights, where `embedded-biased` charges {whole:.1f}.",
    )
