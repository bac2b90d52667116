"""The paper's numbers: recorded flags are those that arithmetic finds."""

import pytest

from esd_bench import published
from esd_bench.lint.arithmetic import (
    Printed,
    count,
    covariance,
    denominators,
    feasible,
    gain_range,
    judge,
)

BAD = {
    ("Michelangelo style statue of dog reading news on a cellphone", "vsd"): "truncation",
    ("Michelangelo style statue of dog reading news on a cellphone", "perp_neg"): "truncation",
    ("A rabbit, animated movie character, high detail 3d model", "sds"): "truncation",
    ("A rabbit, animated movie character, high detail 3d model", "esd"): "rounding",
    ("A rotary telephone carved out of wood", "vsd"): "truncation",
    ("A rotary telephone carved out of wood", "esd"): "inconsistent",
    ("A plush dragon toy", "vsd"): "truncation",
}


def gains(table):
    frame = published.recomputed(table)
    rows = frame[frame["score"] == "ig"]
    return {(row.prompt, row.method): row.flag for row in rows.itertuples()}


def test_seven_of_twenty_gains_of_table_3_are_flagged():
    found = gains(3)
    assert len(found) == 20
    assert {cell: flag for cell, flag in found.items() if flag != "ok"} == BAD


@pytest.mark.parametrize("table", [1, 2])
def test_the_gain_of_sds_is_impossible_and_the_others_can_not_be_checked(table):
    assert gains(table) == {("", "sds"): "inconsistent", ("", "vsd"): "", ("", "esd"): ""}


@pytest.mark.parametrize("table", published.TABLES)
def test_recorded_flags_are_the_recomputed_ones(table):
    recorded, found = published.load(table), published.recomputed(table)
    checked = found["flag"] != ""
    assert (recorded["flag"][checked] == found["flag"][checked]).all()
    assert set(recorded["flag"]) <= {"", "ok", "rounding", "truncation", "inconsistent"}
    assert set(recorded["origin"]) <= {"printed", "derived"}


def test_success_rates_are_whole_counts_of_120_and_of_no_other_size_below():
    rates = published.load(1).query("score == 'success_rate'")["printed"]
    printed = [Printed.of(text) for text in rates]
    assert [count(p, 120) for p in printed] == [18, 23, 67]
    assert [count(p, 110) for p in printed] == [None, None, None]
    assert denominators(printed, range(20, 400)) == [120, 240, 360]


def test_the_range_of_a_gain():
    low, high = gain_range(Printed.of("3.332"), Printed.of("4.439"))
    assert (round(low, 4), round(high, 4)) == (0.3319, 0.3326)


@pytest.mark.parametrize(
    ("text", "ratio", "wide", "flag"),
    [
        ("0.145", (0.1454,) * 2, (0.145, 0.146), "ok"),
        ("0.209", (0.2096,) * 2, (0.2090, 0.2102), "truncation"),
        ("0.132", (0.1314,) * 2, (0.1306, 0.1322), "rounding"),
        ("0.078", (0.0790,) * 2, (0.0787, 0.0792), "truncation"),
        ("0.366", (0.3322,) * 2, (0.3319, 0.3326), "inconsistent"),
        ("0.130", (0.12950000001,) * 2, (0.129, 0.130), "ok"),
    ],
)
def test_the_four_flags(text, ratio, wide, flag):
    assert judge(Printed.of(text), ratio, wide) == flag


def test_the_covariance_that_a_mean_of_gains_needs():
    exact = [Printed(x, 9) for x in (4.295, 4.8552, 0.123)]
    assert covariance(*exact)[0] == pytest.approx(0.0319, abs=5e-5)
    slack = covariance(Printed.of("4.295"), Printed.of("4.8552"), Printed.of("0.123"))
    assert slack[0] == pytest.approx(0.0292, abs=5e-5)
    assert not feasible(slack, Printed.of("0.419"), Printed.of("0.053"))
    assert feasible(slack, Printed.of("0.419"), Printed.of("0.073"))
    assert feasible((-0.01, 0.02), Printed.of("0.001"), Printed.of("0.001"))


def test_the_derived_deviation_is_the_only_one_that_gives_the_recorded_bound():
    fits = [sd for sd in range(1, 200) if f"{0.419 * sd / 1000:.4f}" == "0.0222"]
    assert fits == [53]


@pytest.mark.parametrize("table", published.TABLES)
def test_the_tables_have_the_papers_shape_and_nothing_invented(table):
    frame = published.load(table)
    assert len(frame.groupby(["prompt", "method"])) == (20 if table == 3 else 3)
    assert not frame.duplicated(["prompt", "method", "score"]).any()
    assert (frame.query("score == 'fid'")["printed"] == "").all()
    body = published.body(table)
    assert len(body.rows) == (20 if table == 3 else 3)
    flags = [cell.flag for _, cells in body.rows for cell in cells if cell.flag[:3] != "not"]
    assert len([flag for flag in flags if flag]) == (7 if table == 3 else 1)


def test_a_table_that_the_paper_lacks():
    with pytest.raises(ValueError, match="the paper has tables 1, 2, 3, not 4"):
        published.body(4)
