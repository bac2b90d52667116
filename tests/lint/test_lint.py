"""The linter: every verdict that was found by hand on the paper's tables, and tables of others."""

import pytest
from scipy.stats import norm

from esd_bench import lint, published
from esd_bench.lint.arithmetic import Printed, apart
from tests.pipeline.command import command


def found(path, n=None) -> list[tuple[str, str, str]]:
    return [(x.severity, x.check, x.verdict) for x in lint.lint(lint.read_rows(path, n))]


def write(tmp_path, text: str):
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def paper() -> list[lint.Finding]:
    return published.findings()[0]


def one(paper, check: str, *words: str) -> lint.Finding:
    """The finding of a check that names all these words."""
    (finding,) = (
        x for x in paper if x.check == check and all(w in f"{x.where}: {x.text}" for w in words)
    )
    return finding


# ---- the paper -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["Table 1", "Table 2"])
def test_the_mean_gain_of_sds_is_impossible(paper, table):
    finding = one(paper, "covariance", table, ", sds")
    assert (finding.severity, finding.verdict) == ("error", "inconsistent")
    for number in ("0.123", "0.1304", "0.0292", "0.0224"):
        assert number in finding.text
    spread = one(paper, "spread", table, "sds")
    assert spread.severity == "warning"
    assert "0.342 < sd(IQ) 0.419" in spread.text


@pytest.mark.parametrize(("method", "gain"), [("vsd", "0.1341"), ("esd", "0.2859")])
def test_the_other_mean_gains_are_no_gains_of_means_and_can_not_be_checked(paper, method, gain):
    finding = one(paper, "covariance", "Table 1", f", {method}")
    assert (finding.severity, finding.verdict) == ("note", "unchecked")
    assert f"the gain of the means is {gain}" in finding.text


CELLS = {
    ("vsd", "Michelangelo"): ("warning", "truncation", "0.209", "0.2096"),
    ("perp_neg", "Michelangelo"): ("warning", "truncation", "0.151", "0.1516"),
    ("sds", "A rabbit"): ("warning", "truncation", "0.138", "0.1386"),
    ("esd", "A rabbit"): ("warning", "rounding", "0.132", "0.1314"),
    ("vsd", "A rotary"): ("warning", "truncation", "0.214", "0.2148"),
    ("esd", "A rotary"): ("error", "inconsistent", "0.366", "0.3322"),
    ("vsd", "A plush"): ("warning", "truncation", "0.078", "0.0790"),
}


def test_seven_of_the_twenty_cells_of_table_3_differ(paper):
    assert len([x for x in paper if x.check == "gain"]) == len(CELLS)
    for (method, prompt), (severity, verdict, ig, gain) in CELLS.items():
        finding = one(paper, "gain", "Table 3", f", {method}, {prompt}")
        assert (finding.severity, finding.verdict) == (severity, verdict)
        assert ig in finding.text
        assert gain in finding.text


def test_what_the_impossible_cell_would_take(paper):
    assert "an IQ of 3.250 or an IV of 4.552" in one(paper, "gain", "esd, A rotary").text


def test_the_papers_claim_about_its_gain_fails_on_the_rabbit(paper):
    finding = one(paper, "best", "A rabbit")
    assert finding.severity == "error"
    assert "ig 0.132 is marked or claimed as the best, but sds has 0.138" in finding.text
    assert len([x for x in paper if x.check == "best"]) == 1


def test_success_is_18_23_and_67_of_120(paper):
    for method, whole in (("sds", 18), ("vsd", 23), ("esd", 67)):
        assert f"is {whole} of 120" in one(paper, "counts", f", {method}").text
    assert one(paper, "counts", "sizes").text.endswith("120, 240, 360")


def test_what_the_totals_say_whatever_the_overlap(paper):
    finding = one(paper, "significance", "sds and vsd")
    assert finding.verdict == "not carried"
    assert "p from 0.062 to 0.53, never significant" in finding.text
    finding = one(paper, "significance", "vsd and esd")
    assert finding.verdict == "carried"
    assert "to 3.8e-06" in finding.text


def test_nothing_else_is_said_of_the_paper(paper):
    counts = {x: sum(f.severity == x for f in paper) for x in lint.SEVERITIES}
    assert counts == {"error": 4, "warning": 8, "note": 11}
    order = [lint.SEVERITIES.index(x.severity) for x in paper]
    assert order == sorted(order)


# ---- tables of others ----------------------------------------------------------------------------------------------


def test_a_clean_table_has_notes_only(tmp_path):
    text = "method,prompt,iq,iv,ig\nA,cat,3.332,4.439,0.332\nB,cat,3.000,4.000,**0.333**\n"
    assert found(write(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("ig", "verdict"),
    [
        ("0.366", "inconsistent"),
        ("0.332", None),
        ("0.333", "rounding"),
        ("0.331", "truncation"),
        ("0.330", "inconsistent"),
    ],
)
def test_the_gain_of_an_asset(tmp_path, ig, verdict):
    path = write(tmp_path, f"Method,Prompt,IQ,IV,IG\nA,cat,3.332,4.439,{ig}\n")
    assert [x[2] for x in found(path)] == ([verdict] if verdict else [])


def test_percentages_need_whole_numbers(tmp_path):
    path = write(tmp_path, "method,sr\nA,15.00%\nB,19.17\n")
    assert ("error", "counts", "no whole number") not in found(path, 120)
    assert found(path, 110).count(("error", "counts", "no whole number")) == 2
    assert [x[1] for x in found(path)] == ["counts"]


@pytest.mark.parametrize("mark", ["**{}**", r"\textbf{{{}}}", r"$\textbf{{{}}}$"])
def test_bold_cells_must_be_the_best(tmp_path, mark):
    """A distance is better when lower, a score when higher."""
    heads = ("fid", "clip", "clip_score", "iq", "iv")
    rows = [["A"] + [mark.format(1)] * 5, ["B"] + ["2"] * 5]
    path = write(tmp_path, "\n".join(",".join(x) for x in [["method", *heads], *rows]))
    wrong = [x for x in lint.lint(lint.read_rows(path)) if x.check == "best"]
    assert [x.text.split()[0] for x in wrong] == ["iv", "clip_score"]


def test_ties_may_all_be_bold(tmp_path):
    assert found(write(tmp_path, "method,fid\nA,**1.0**\nB,**1.0**\nC,2.0\n")) == []


def test_a_lead_that_n_does_not_carry(tmp_path):
    text = "method,n,iq,iq_sd,fid\nA,120,**3.135**,0.4,**292 ± 61**\nB,120,3.149,0.4,400 +- 61\n"
    assert sorted(found(write(tmp_path, text))) == [
        ("note", "significance", "carried"),
        ("warning", "significance", "not carried"),
    ]


def test_a_success_that_n_does_not_carry(tmp_path):
    path = write(tmp_path, "method,success\nA,15.00\nB,**19.17**\n")
    assert ("warning", "significance", "not carried") in found(path, 120)


def test_a_mean_gain_that_is_the_gain_of_means(tmp_path):
    path = write(tmp_path, "method,n,iq,iv,ig\nA,120,3.149,3.5712,0.134\n")
    assert found(path) == [("note", "gain", "gain of means")]


def test_a_mean_of_gains_that_can_be(tmp_path):
    text = "method,n,iq,iq_sd,iv,ig,ig_sd\nA,120,3.135,0.5,4.0314,0.327,0.4\n"
    (finding,) = lint.lint(lint.read_rows(write(tmp_path, text)))
    assert finding.verdict == "ok"
    assert "a correlation of -0.64" in finding.text


def test_unpaired_z_with_rounding():
    a, b, sds = Printed.of("1.00"), Printed.of("1.10"), (Printed.of("0.30"), Printed.of("0.40"))
    least, most = apart(a, b, sds, (100, 100))
    assert least < 0.1 / 0.05 < most
    assert (least, most) == pytest.approx((0.09 / 0.0507, 0.11 / 0.0493), rel=0.001)
    assert apart(a, a, sds, (9, 9))[0] == 0
    assert norm.sf(1.959964) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no CSV with a heading: it is empty"),
        ("a,b\n1,2\n", "needs a column method"),
        ("method\nA\n", "needs a column method, and some of"),
        ("method,iq\nA,much\n", "theirs.csv:2, iq: 'much' is no number"),
        ("method,n,iq\nA,many,1\n", "n is a whole number of prompts"),
        ('method,iq\nA,"1\n', "no CSV"),
        ("method,iq,iv\nA,0,7,0,8\n", "theirs.csv:2: 5 cells under 3 headings; decimals are"),
        ("method,clip,clip_distance\nA,1,2\n", "several columns of clip_distance"),
    ],
)
def test_what_can_not_be_read_is_one_line(tmp_path, text, said):
    with pytest.raises(ValueError, match=said) as caught:
        lint.read_rows(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_empty_cells_behind_the_last_heading_do_not_matter(tmp_path):
    (row,) = lint.read_rows(write(tmp_path, "method,iq\nA,0.7,,\n"))
    assert row.entries["iq"].printed.value == 0.7


def test_shares_are_not_taken_for_percentages(tmp_path):
    found = lint.lint(lint.read_rows(write(tmp_path, "method,n,sr\nA,120,0.558\nB,120,0.192\n")))
    assert [(x.severity, x.verdict) for x in found] == [("warning", "shares")]


# ---- the command ---------------------------------------------------------------------------------------------------


def test_exit_codes(tmp_path):
    good = write(tmp_path, "# by hand\nmethod,sr\n\nA,15.00\n")
    said = command("report", "--lint", good, "--n", 120)
    assert (said.code, said.err) == (0, "")
    assert "1 rows checked: 0 errors, 0 warnings, 2 notes" in said.out
    assert command("report", good, "--lint", "--n", 110).code == 1
    said = command("report", "--lint", tmp_path / "none.csv")
    assert said.code == 2
    assert said.err.startswith("error: cannot read")
    assert command("report", "--lint", good, "--format", "latex").code == 2


def test_the_papers_tables_at_the_command_line(tmp_path):
    out = tmp_path / "out.csv"
    said = command("report", "--lint", "--published", "--table", 3, "--format", "csv", "-o", out)
    assert said.code == 1
    assert out.read_text().startswith("severity,check,where,verdict,text\nerror,gain,")
    assert command("report", "--lint", "--published", "--table", 7).code == 2
