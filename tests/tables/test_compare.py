"""``compare`` and the options of ``report`` at the command line."""

import pandas as pd
import pytest

from esd_bench.gather import gather, write_scores
from esd_bench.report import compare
from tests.pipeline.command import command


def test_compare_prints_the_table(study, tmp_path):
    said = command("compare", study.root, "esd", "vsd")
    assert (said.code, said.err) == (0, "")
    assert "**ESD (λ = 0.5) against VSD on the same prompts" in said.out
    assert "| Prompts with | Measure | Prompts | Win/tie/loss | Test |" in said.out
    stored = tmp_path / "scores.csv"
    write_scores(gather(study.root), stored)
    assert command("compare", stored, "esd", "vsd").out == said.out


@pytest.mark.parametrize("format", ["csv", "latex", "html"])
def test_compare_has_all_formats(study, format, tmp_path):
    out = tmp_path / "compared"
    said = command("compare", study.root, "ESD(lambda=0.5)", "sds", "--format", format, "-o", out)
    assert said.code == 0
    assert "MDE" in out.read_text()
    if format == "csv":
        frame = pd.read_csv(out)
        assert "IV (nats) ↑" in set(frame["measure"])
        assert set(frame["column"]) == {
            *("ESD (λ = 0.5)", "SDS", "Difference", "p", "p adjusted", "MDE")
        }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("esd", "perp-neg"), "no run of 'perp-neg'; there are sds, vsd, esd"),
        (("esd", "ESD (λ = 0.5)"), "are the same arm"),
        (("esd", "vsd", "--primary", "fame"), "do not share the primary score 'fame'"),
        (("esd", "vsd", "--interval", "wide"), "is one of bootstrap, hierarchical, t, none"),
        (("esd", "vsd", "--failed", "hide"), "failed is one of fail, exclude, not 'hide'"),
        (("esd", "vsd", "--format", "pdf"), "no format 'pdf'"),
        (("esd", "vsd", "--only", "seed=9"), "no finished run"),
    ],
)
def test_bad_words_are_one_line(study, words, said):
    done = command("compare", study.root, *words)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert said in done.err


def test_an_ambiguous_arm_is_one_line(fakes):
    for entropy in (0.5, 1.0):
        fakes.add(method="esd", entropy=entropy, scores={"iq": 1.0})
    fakes.add(method="vsd", scores={"iq": 1.0})
    done = command("compare", fakes.root, "esd", "vsd")
    assert done.code == 2
    assert "several arms of 'esd': ESD" in done.err
    assert len(done.err.splitlines()) == 1
    assert command("compare", fakes.root, "ESD (lambda=1)", "vsd").code == 0


def test_only_the_two_must_be_comparable(fakes):
    for method, size in (("sds", 60), ("vsd", 120), ("esd", 120)):
        fakes.add(method=method, scores={"iq": 1.0}, key={"n": size})
    assert "IQ" in compare(fakes.root, "esd", "vsd")
    with pytest.raises(ValueError, match="iq can't be compared"):
        compare(fakes.root, "esd", "sds")


def test_report_takes_the_rules(study):
    words = ("report", study.root, "--table", "2", "--interval", "t", "--p-values", "vsd")
    said = command(*words, "--failed", "exclude")
    assert said.code == 0
    assert "Student's t over prompts" in said.out
    assert "p = " in said.out
    assert "SDS, seed 1" in command("report", study.root, "--per-seed").out
    said = command("report", study.root, "--table", "3", "--interval", "t")
    assert said.code == 2
    assert "per_prompt has no option 'interval'" in said.err


def test_p_values_are_columns_of_a_csv(study):
    import io

    said = command("report", study.root, "--table", "2", "--p-values", "vsd", "--format", "csv")
    frame = pd.read_csv(io.StringIO(said.out))
    tested = frame[frame["p"].notna()]
    assert set(tested["method"]) == {"SDS", "ESD (λ = 0.5)"}
    assert (tested["p_adjusted"] >= tested["p"]).all()
    plain = command("report", study.root, "--table", "2", "--format", "csv").out
    assert "p_adjusted" not in plain
