"""The tables' numbers, from made-up scores: by hand, and against pandas on the gathered frame."""

import numpy as np
import pandas as pd
import pytest

from esd_bench import plugins, stats
from esd_bench.gather import by_seed, gather
from esd_bench.report import build, find_table
from esd_bench.tables import Body, Cell, arms
from tests.tables.fakes import BETTER


def made(runs, table: str, **options) -> Body:
    return build(gather(runs.root), find_table(table, options))


def cell(body: Body, column: str, *labels: str) -> Cell:
    """The cell of a column in the first row that begins with these labels."""
    where = [c.name for c in body.columns].index(column)
    return next(cells[where] for row, cells in body.rows if row[: len(labels)] == labels)


def labels(body: Body) -> list[tuple[str, ...]]:
    return [row for row, _ in body.rows]


# ---- means ---------------------------------------------------------------------------------------------------------


def test_a_prompts_seeds_are_averaged_before_the_prompts(fakes):
    fakes.add("a cat", seed=0, scores={"fid": 100.0})
    fakes.add("a cat", seed=1, scores={"fid": 200.0})
    fakes.add("a dog", seed=0, scores={"fid": 300.0})
    found = cell(made(fakes, "1"), "FID", "SDS")
    assert (found.value, found.n) == (225.0, 2)


def test_numbers_are_those_of_pandas(study):
    frame = gather(study.root)
    body = made(study, "2")
    for label in ("SDS", "VSD", "ESD (λ = 0.5)"):
        own = frame[(frame["label"] == label) & (frame["score"] == "iv")]
        values = own.groupby("prompt")["value"].mean()
        found = cell(body, "IV", label)
        assert found.value == pytest.approx(values.mean())
        assert found.spread == pytest.approx(np.std(values, ddof=1))
        assert found.interval == stats.bootstrap_interval(values)


def test_methods_stand_in_the_papers_order(fakes):
    for method in ("esd", "perp_neg", "mine", "debiased_sds", "vsd", "sds"):
        fakes.add(method=method, scores={"fid": 1.0}, label=method)
    for value in ("10", "2"):
        fakes.add(method="mine", seed=int(value), scores={"fid": 1.0}, label=f"mine {value}")
    order = ["sds", "vsd", "debiased_sds", "perp_neg", "esd", "mine", "mine 2", "mine 10"]
    assert [row[0] for row in labels(made(fakes, "overview"))] == order


def test_columns_are_the_scores_that_exist(fakes):
    fakes.add(scores={"iq": 1.0, "clip_distance": 0.7, "kid": 3.0, "fid_floor": 9.0})
    assert [c.name for c in made(fakes, "1").columns] == ["CLIP distance", "IQ", "SR"]


def test_a_metric_of_the_users_own_has_a_column(fakes):
    folder = fakes.add(scores={"fid": 1.0, "mine": 2.0})
    columns = {c.name: c for c in made(fakes, "1").columns}
    assert list(columns) == ["FID", "mine", "SR"]
    assert columns["mine"].better == "higher"
    assert folder.is_dir()


def test_scores_on_other_views_stand_beside_their_like(fakes):
    folder = fakes.add(scores={"fid": 1.0, "iv": 2.0})
    band = "band:-10:45:120"
    fakes.score(folder, "fid", 3.0, stem="fid@band--10-45-120", key={"protocol": band})
    body = made(fakes, "1")
    assert [c.name for c in body.columns] == ["FID", f"FID {band}", "IV", "SR"]
    assert cell(body, f"FID {band}", "SDS").value == 3.0
    assert "sphere:120 on white" in body.columns[0].note
    assert f"{band} on white" in body.columns[1].note


def test_success_by_humans_has_a_column_of_its_own_without_labels(study):
    body = made(study, "1")
    assert [c.name for c in body.columns[-2:]] == ["SR", "Oracle success"]
    assert cell(body, "SR", "SDS").value is None
    assert "no labels yet" in body.columns[-2].note
    assert "not a human judgement" in body.columns[-1].note


def test_humans_pass_a_prompt_if_any_seed_passes(fakes):
    for seed, passed in enumerate((0.0, 1.0, 0.0)):
        fakes.add("a cat", seed=seed, scores={"success_rate": passed})
        fakes.add("a dog", seed=seed, scores={"success_rate": 0.0})
    assert cell(made(fakes, "1"), "SR", "SDS").value == 50.0


def test_the_gain_of_means_is_told_apart_from_the_mean_of_gains(fakes):
    for name, iq, iv in (("a cat", 1.0, 3.0), ("a dog", 3.0, 3.0)):
        fakes.add(name, scores={"iq": iq, "iv": iv, "ig": (iv - iq) / iq})
    body = made(fakes, "1")
    assert cell(body, "IG", "SDS").value == 1.0
    assert "row by row, 0.500." in body.footnotes[0]


def test_an_undefined_gain_is_left_out_and_said(fakes):
    fakes.add("a cat", scores={"ig": None})
    fakes.add("a dog", scores={"ig": 2.0})
    found = cell(made(fakes, "1"), "IG", "SDS")
    assert (found.value, found.n, found.flag) == (2.0, 1, "1 of 2 prompts")


# ---- failed runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(fakes):
    """Three prompts, of which ESD's second one diverged."""
    for prompt in ("a cat", "a dog", "an owl"):
        fakes.add(prompt, "sds", scores={"fid": 100.0, "success": 0.0})
        if prompt != "a dog":
            fakes.add(prompt, "esd", scores={"fid": 50.0, "success": 1.0})
    fakes.add("a dog", "esd", reason="diverged: NaN")
    return fakes


@pytest.mark.parametrize("table", sorted({*plugins.names("tables")} - {"versus"}))
def test_every_table_counts_failed_runs_and_says_why(broken, table):
    body = made(broken, table)
    where = body.index.index("Failed")
    counts = [row[where].split("/") for row in labels(body)]
    assert [sum(int(x[i]) for x in counts) for i in (0, 1)] == [1, 6]
    assert "Failed runs: ESD (λ = 0.5): diverged: NaN (1)." in body.footnotes


def test_a_failed_run_is_no_success_and_no_number(broken):
    body = made(broken, "1")
    label = "ESD (λ = 0.5)"
    assert cell(body, "Oracle success", label).value == pytest.approx(100 * 2 / 3)
    assert cell(body, "Oracle success", label).n == 3
    assert cell(body, "FID", label) == Cell(50.0, n=2, flag="2 of 3 prompts")


def test_scores_of_a_failed_run_do_not_count(fakes):
    fakes.add("a cat", scores={"fid": 1.0})
    fakes.add("a dog", scores={"fid": 999.0}, reason="empty")
    assert cell(made(fakes, "1"), "FID", "SDS").value == 1.0


def test_all_runs_may_have_failed(fakes):
    fakes.add(reason="empty")
    body = made(fakes, "1")
    assert labels(body) == [("SDS", "1", "1/1")]
    assert all(c.value is None for c in body.rows[0][1])


def test_a_run_that_nobody_scored_is_no_failure(fakes):
    fakes.add("a cat", scores={"success": 1.0})
    fakes.add("a dog")
    found = cell(made(fakes, "1"), "Oracle success", "SDS")
    assert (found.value, found.n, found.flag) == (100.0, 1, "1 of 2 prompts")


# ---- single tables -------------------------------------------------------------------------------------------------


def test_per_prompt_has_a_row_for_each_prompt_and_method(study):
    body = made(study, "3")
    assert len(body.rows) == 18
    assert body.groups == 1
    assert [row[:2] for row in labels(body)[:3]] == [
        ("a-cat-number-0", "SDS"),
        ("a-cat-number-0", "VSD"),
        ("a-cat-number-0", "ESD (λ = 0.5)"),
    ]
    assert cell(body, "FID", "a-cat-number-1", "VSD").n == 2


def test_prompts_go_by_their_ids_unless_texts_are_wanted(fakes):
    fakes.add("A Cat & 50%", scores={"fid": 1.0})
    assert "Cat" not in labels(made(fakes, "3"))[0][0]
    assert labels(made(fakes, "3", texts=True))[0][0] == "A Cat & 50%"


def test_collapse_is_told_by_wording_and_method(fakes):
    for words in (True, False):
        for method in ("sds", "esd"):
            fakes.add("a cat", method, scores={"janus_rate": 0.5, "success": 1.0}, words=words)
    body = made(fakes, "collapse")
    assert [row[:2] for row in labels(body)] == [
        ("view words", "SDS"),
        ("view words", "ESD (λ = 0.5)"),
        ("no view words", "SDS"),
        ("no view words", "ESD (λ = 0.5)"),
    ]
    assert [c.name for c in body.columns] == ["Janus rate", "Oracle success"]


def test_success_has_a_wilson_interval_over_prompts(fakes):
    for i in range(8):
        fakes.add(f"cat {i}", scores={"success": float(i < 2)})
    found = cell(made(fakes, "collapse"), "Oracle success", "view words", "SDS")
    assert found.value == 25.0
    assert [x / 100 for x in found.interval] == pytest.approx(stats.wilson(2, 8))


def test_methods_with_different_prompts_are_told(fakes):
    for prompt, method in (("a cat", "sds"), ("a dog", "sds"), ("a cat", "esd")):
        fakes.add(prompt, method, scores={"fid": 1.0})
    warning = "Not every method was given the same prompts and seeds."
    notes = made(fakes, "1").footnotes
    assert warning in notes
    assert any(x.startswith("Missing of 2 runs: ESD (λ = 0.5) 1; all means leave") for x in notes)
    fakes.add("a dog", "esd", reason="empty")
    assert warning not in made(fakes, "1").footnotes


def test_where_a_run_starts_from_is_a_footnote(fakes):
    from dataclasses import replace

    from esd_bench.spec import Choice
    from tests.specs import spec

    stage = spec().stages[0]
    warm = replace(stage, method=Choice("sds", (("scale", 20.0),)))
    fakes.add(method="vsd", scores={"fid": 1.0}, changes={"stages": (warm, stage)})
    assert "VSD starts from a scene made by sds." in made(fakes, "1").footnotes


def test_paired_differences_see_what_means_hide(fakes):
    """Prompts differ by far more than methods: the difference is certain although the intervals of the means overlap."""
    for i in range(6):
        fakes.add(f"a cat {i}", "vsd", scores={"iq": 1.0 + i, "success": 0.0})
        fakes.add(f"a cat {i}", "esd", scores={"iq": 0.9 + i, "success": float(i == 0)})
    fakes.add("a dog", "esd", scores={"iq": 99.0})
    body = made(fakes, "paired")
    labels = ("view words", "ESD (λ = 0.5)")
    assert [row[:2] for row, _ in body.rows] == [("view words", "VSD"), labels]
    assert cell(body, "IQ", "view words", "VSD").value is None
    found = cell(body, "IQ", *labels)
    assert found.value == pytest.approx(-0.1)
    assert found.interval == pytest.approx((-0.1, -0.1))
    assert found.n == 6
    assert cell(body, "Oracle success", *labels).value == pytest.approx(100 / 6)


def test_a_baseline_that_is_not_there_or_not_one_is_refused(fakes):
    fakes.add("a cat", "esd", scores={"iq": 1.0})
    with pytest.raises(ValueError, match="no run of .vsd.; there are esd"):
        made(fakes, "paired", baseline="vsd")
    for size in (64, 128):
        fakes.add("a cat", "vsd", scores={"iq": 1.0}, changes={"view_size": size})
    with pytest.raises(ValueError, match="several arms of 'vsd'"):
        made(fakes, "paired")


ESD = "ESD (λ = 0.5)"

# ---- rules ---------------------------------------------------------------------------------------------------------


def test_the_interval_can_be_chosen(study):
    frame = gather(study.root)
    own = frame[(frame["label"] == "VSD") & (frame["score"] == "iv")]
    seeds = [list(x["value"]) for _, x in own.groupby("prompt")]
    bodies = {x: build(own, find_table("2", {"interval": x})) for x in stats.INTERVALS}
    found = {kind: cell(body, "IV", "VSD").interval for kind, body in bodies.items()}
    assert found["hierarchical"] == stats.hierarchical_interval(seeds)
    assert found["t"] == stats.t_interval([np.mean(x) for x in seeds])
    assert found["none"] is None
    assert len(set(found.values())) == 4
    assert "then seeds (10000 resamples" in bodies["hierarchical"].title
    with pytest.raises(ValueError, match="interval is one of bootstrap, hierarchical, t, none"):
        made(study, "2", interval="wide")


def test_the_interval_of_a_difference_draws_pairs_of_seeds_and_is_of_that_difference(fakes):
    """The third prompt has a seed that one method lacks: it counts whole, as in the difference."""
    values = {"vsd": [[1.0, 2.0], [5.0, 9.0], [4.0]], "esd": [[2.0, 4.0], [5.0, 5.0], [8.0, 0.0]]}
    for method, prompts in values.items():
        for i, seeds in enumerate(prompts):
            for seed, value in enumerate(seeds):
                fakes.add(f"cat {i}", method, seed, {"iq": value})
    found = cell(made(fakes, "paired", interval="hierarchical"), "IQ", "view words", ESD)
    assert found.interval == stats.hierarchical_interval([[1.0, 2.0], [0.0, -4.0], [0.0]])
    assert found.value == pytest.approx(np.mean([1.5, -2.0, 0.0]))


def cell_label(body: Body, column: str, label: str) -> Cell:
    where = [c.name for c in body.columns].index(column)
    return next(cells[where] for row, cells in body.rows if label in row)


@pytest.mark.parametrize("table", ["1", "2", "collapse", "paired"])
def test_p_values_are_those_of_the_pairs_and_adjusted_by_family(study, table):
    body = made(study, table, p_values="vsd")
    frame = gather(study.root)

    def values(label, score):
        own = frame[(frame["label"] == label) & (frame["score"] == score)]
        return stats.over_seeds(own)

    found = cell_label(body, "IV", "ESD (λ = 0.5)")
    raw = stats.paired(values("ESD (λ = 0.5)", "iv"), values("VSD", "iv")).p
    assert found.p[0] == raw
    assert found.p[1] >= raw
    assert cell_label(body, "IV", "VSD").p is None
    tested = [c.p for _, cells in body.rows for c in cells if c.p]
    primary = [
        c.p
        for _, cells in body.rows
        for c, column in zip(cells, body.columns, strict=True)
        if c.p and column.score in ("success", "janus_rate")
    ]
    assert [x[1] for x in primary] == pytest.approx(stats.holm([x[0] for x in primary]))
    rest = [x for x in tested if x not in primary]
    assert sorted(x[1] for x in rest) == pytest.approx(
        sorted(stats.benjamini_hochberg([x[0] for x in rest]))
    )
    assert any("Holm over the" in x and "Benjamini-Hochberg over the" in x for x in body.footnotes)


@pytest.mark.parametrize("table", ["1", "2", "collapse"])
def test_a_method_alone_has_no_p_and_says_so(fakes, table):
    fakes.add("a cat", "esd", scores={"iq": 1.0, "janus_rate": 0.5})
    body = made(fakes, table, p_values="esd")
    assert body.footnotes[-1] == "p: there is nothing to set against esd."
    with pytest.raises(ValueError, match=r"nothing to set against ESD .* no other method"):
        made(fakes, "paired")


@pytest.mark.parametrize("table", ["1", "2", "collapse", "per_prompt"])
def test_failed_runs_can_be_left_out_and_the_rule_is_said(broken, table):
    values = {}
    for failed in ("fail", "exclude"):
        body = made(broken, table, failed=failed)
        where = [c.name for c in body.columns].index("Oracle success")
        own = [cells[where].value for row, cells in body.rows if "ESD (λ = 0.5)" in row]
        values[failed] = [x for x in own if x is not None]
        said = (
            "A failed run is no success" if failed == "fail" else "All means leave failed runs out"
        )
        assert any(x.startswith(said) for x in body.footnotes)
        assert "Failed runs: ESD (λ = 0.5): diverged: NaN (1)." in body.footnotes
    if table == "per_prompt":
        assert values == {"fail": [100.0, 0.0, 100.0], "exclude": [100.0, 100.0]}
    else:
        assert values == {"fail": [pytest.approx(200 / 3)], "exclude": [100.0]}


@pytest.mark.parametrize("table", sorted({*plugins.names("tables")} - {"versus", "paired"}))
def test_every_table_can_have_a_row_for_each_seed(study, table):
    frame = by_seed(gather(study.root))
    body = build(frame, find_table(table, {}))
    told = {x for row, _ in body.rows for x in row if "seed" in x}
    assert told == {f"{x}, seed {k}" for x in ("SDS", "VSD", "ESD (λ = 0.5)") for k in (0, 1)}
    own = gather(study.root).query("label == 'VSD' and seed == 1 and score == 'iv'")
    if table == "overview":
        assert cell(body, "IV", "VSD, seed 1").value == pytest.approx(own["value"].mean())


def test_seeds_apart_are_no_pairs(study):
    with pytest.raises(ValueError, match="several arms of 'vsd': VSD, seed 0; VSD, seed 1"):
        build(by_seed(gather(study.root)), find_table("paired"))


def test_the_seed_stands_before_the_wording(fakes):
    fakes.add(label="SDS, no view words", words=False, seed=3, scores={"iq": 1.0})
    assert set(by_seed(gather(fakes.root))["label"]) == {"SDS, seed 3, no view words"}


# ---- scores that nobody knows --------------------------------------------------------------------------------------


def test_new_scores_have_columns_in_order_with_arrows_as_they_say(fakes):
    fakes.add(scores={"zeta": 1.0, "cmmd": 2.0, "iq": 1.0, "mine": 3.0, "consistency": 0.5})
    columns = {c.name: c.better for c in made(fakes, "1").columns}
    assert list(columns) == ["IQ", "mine", "zeta", "SR"]  # CMMD is in `compare` and `ranks`
    assert columns == {
        "IQ": "lower",
        "mine": "higher",
        "zeta": None,
        "SR": "higher",
    }


def test_a_scores_own_direction_wins(fakes, monkeypatch):
    monkeypatch.setitem(BETTER, "front_share", "lower")
    fakes.add(scores={"front_share": 0.3, "janus_rate": 0.1})
    columns = {c.name: c.better for c in made(fakes, "collapse").columns}
    assert columns == {"Janus rate": "lower", "Front share": "lower"}


# ---- two methods ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(fakes):
    """Eight prompts by VSD and ESD: IQ is always lower by ESD, one prompt in four succeeds by it alone."""
    for i in range(8):
        fakes.add(f"cat {i}", "vsd", scores={"iq": 2.0 + i, "success": 0.0, "zeta": 1.0 + i % 2})
        good = {"iq": 1.9 + i - 0.01 * i, "success": float(i % 4 == 0), "zeta": 1.0}
        fakes.add(f"cat {i}", "esd", scores=good)
    fakes.add("only one", "esd", scores={"iq": 99.0})
    return fakes


def test_versus_has_all_that_a_claim_needs(pair):
    body = made(pair, "versus")
    rows = {row[1]: (row, cells) for row, cells in body.rows}
    assert list(rows) == ["Oracle success (%) ↑", "IQ (nats) ↓", "zeta"]
    row, cells = rows["IQ (nats) ↓"]
    assert row == ("view words", "IQ (nats) ↓", "8", "8/0/0", "sign flips")
    gaps = pd.Series([-0.1 - 0.01 * i for i in range(8)])
    first, second, difference, p, adjusted, detectable = (c.value for c in cells)
    assert (second, difference) == pytest.approx((5.5, gaps.mean()))
    assert first - second == pytest.approx(difference)
    assert cells[2].interval == pytest.approx(stats.bootstrap_interval(gaps))
    assert p == 2 / 2**8
    assert detectable == pytest.approx(stats.detectable(gaps.std(), 8))
    assert adjusted == pytest.approx(2 * p)  # zeta's p is larger: two exploratory tests
    row, cells = rows["Oracle success (%) ↑"]
    assert (row[2], row[3], row[4]) == ("8", "2/6/0", "McNemar")
    assert cells[3].value == cells[4].value == stats.mcnemar(2, 0)
    assert rows["zeta"][0][3] == "0/4/4"


def test_the_primary_family_can_be_declared(pair):
    body = made(pair, "versus", primary=("iq", "zeta"))
    p = {row[1]: (cells[3].value, cells[4].value) for row, cells in body.rows}
    assert p["IQ (nats) ↓"][1] == pytest.approx(2 * p["IQ (nats) ↓"][0])
    assert p["Oracle success (%) ↑"][0] == p["Oracle success (%) ↑"][1]
    with pytest.raises(ValueError, match="do not share the primary score 'iv'"):
        made(pair, "versus", primary=("iv",))


def test_versus_and_paired_are_one_machine(study):
    own = {row[1]: cells[2] for row, cells in made(study, "versus").rows}
    table = made(study, "paired")
    for name, heading in (("IV", "IV (nats) ↑"), ("Oracle success", "Oracle success (%) ↑")):
        there = cell(table, name, "view words", "ESD (λ = 0.5)")
        assert (own[heading].value, own[heading].interval) == (there.value, there.interval)


def test_arms_go_by_method_or_label(fakes):
    for words in (True, False):
        for entropy in (0.5, 1.0):
            label = f"ESD (λ = {entropy:g})" + ", no view words" * (not words)
            fakes.add(method="esd", entropy=entropy, words=words, label=label, scores={"iq": 1.0})
        end = ", no view words" * (not words)
        fakes.add(method="vsd", words=words, label=f"VSD{end}", scores={"iq": 2.0})
    frame = gather(fakes.root)
    both = {"view words": "VSD", "no view words": "VSD, no view words"}
    assert arms(frame, "vsd") == arms(frame, "VSD") == both
    assert arms(frame, "esd (lambda=1)") == arms(frame, "ESD (λ = 1)")
    assert list(arms(frame, "ESD (λ = 1), no view words")) == ["no view words"]
    with pytest.raises(ValueError, match=r"several arms of 'esd': ESD \(λ = 0.5\); ESD"):
        arms(frame, "esd")
    with pytest.raises(ValueError, match="no run of 'sds'; there are vsd, esd"):
        arms(frame, "sds")
    rows = made(fakes, "versus", first="esd (λ=1)").rows
    assert [row[0] for row, _ in rows] == ["view words", "no view words"]
    crossed = made(fakes, "versus", first="VSD, no view words", second="esd(λ=1)")
    assert [row[0] for row, _ in crossed.rows] == ["no view words"]
    with pytest.raises(ValueError, match="are the same arm"):
        made(fakes, "versus", first="vsd", second="VSD")


def test_two_that_share_no_prompt_are_refused(fakes):
    fakes.add("a cat", "esd", scores={"iq": 1.0})
    fakes.add("a dog", "vsd", scores={"iq": 1.0})
    with pytest.raises(ValueError, match="share no prompt that both have a score for"):
        made(fakes, "versus")


def test_versus_counts_failed_runs(broken):
    body = made(broken, "versus", first="esd", second="sds")
    rows = {row[1]: row for row, _ in body.rows}
    assert (rows["FID ↓"][2], rows["Oracle success (%) ↑"][2]) == ("2", "3")
    assert "Failed runs: ESD (λ = 0.5): diverged: NaN (1)." in body.footnotes
    left = made(broken, "versus", first="esd", second="sds", failed="exclude")
    assert {row[1]: row[2] for row, _ in left.rows}["Oracle success (%) ↑"] == "2"


# ---- ranks ---------------------------------------------------------------------------------------------------------


def test_ranks_are_shared_where_nothing_tells_methods_apart(fakes):
    rng = np.random.default_rng(0)
    for i in range(12):
        hard = rng.normal(0, 5)
        for method, shift in (("sds", 3.0), ("vsd", 0.0), ("esd", 0.0)):
            fakes.add(f"cat {i}", method, scores={"iq": hard + shift + rng.normal(0, 1)})
    body = made(fakes, "ranks")
    ranks = [cell(body, "IQ rank", "view words", x).value for x in ("SDS", "VSD", "ESD (λ = 0.5)")]
    assert ranks == [3, 1, 1]
    first = [
        cell(body, "IQ P(1st)", "view words", x).value for x in ("SDS", "VSD", "ESD (λ = 0.5)")
    ]
    assert first[0] == 0
    assert sum(first) == pytest.approx(1)


def test_a_table_of_the_band_sets_the_supervised_views_beside_all(fakes):
    fakes.add(scores={"iq": 1.0, "ig": 2.0})
    whole = gather(fakes.root)
    part = whole.assign(score=whole["score"] + "@band:-10:45 of sphere:120")
    both = pd.concat([whole, part])
    wanted = ["IQ", "IQ band:-10:45 of sphere:120", "IG", "IG band:-10:45 of sphere:120"]
    assert [c.name for c in build(both, find_table("band")).columns] == wanted
    assert [c.name for c in build(both, find_table("1")).columns] == ["IQ", "IG", "SR"]
