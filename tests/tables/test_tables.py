"""The tables' numbers, from made-up scores: by hand, and against pandas on the gathered frame."""

import numpy as np
import pytest

from esd_bench import plugins, stats
from esd_bench.gather import gather
from esd_bench.report import build, find_table
from esd_bench.tables import Body, Cell


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


@pytest.mark.parametrize("table", plugins.names("tables"))
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
    assert warning in made(fakes, "1").footnotes
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
