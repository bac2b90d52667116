"""One body in four formats: what is written can be read again, and no text breaks out of its cell."""

import html
import io
import math
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.formats import FORMATS, render, to_csv, to_frame, to_html, to_latex, to_markdown
from esd_bench.formats.tex import tex
from esd_bench.tables import Body, Cell, Column

NASTY = '<script>alert("x")</script> 50% a_b & $c$ #1 {d} ~e^f \\g [h] *i* `j` | k'
WORLDLY = "λ = 0.5 ± µ Ω é ñ ç Ž 猫 🐱 – — “q” … ≤ \u202e"


def body(rows=None, columns=None, **changes) -> Body:
    columns = columns or (Column("FID", better="lower", digits=1), Column("IV", "nats", "higher"))
    rows = rows or (
        (("SDS",), (Cell(250.04, n=6), Cell(2.0))),
        (("ESD",), (Cell(200.0), Cell(3.0))),
    )
    index = ("Method", "Prompts", "Failed")[: len(rows[0][0])]
    return replace(Body("Title", index, tuple(columns), tuple(rows)), **changes)


def bold(made: Body) -> list[str]:
    return re.findall(r"\*\*([^*]+)\*\* *(?:±|<|\|)", to_markdown(made))


# ---- the best cell -------------------------------------------------------------------------------------------------


def test_the_best_cell_of_each_column_is_bold_and_arrows_say_why():
    text = to_markdown(body())
    assert "| Method | FID ↓ | IV (nats) ↑ |" in text
    assert "| SDS | 250.0 | 2.000 |" in text
    assert "| ESD | **200.0** | **3.000** |" in text


def test_cells_that_print_alike_tie():
    rows = ((("A",), (Cell(1.04), Cell(1.0))), (("B",), (Cell(1.0), Cell(1.0004))))
    assert bold(body(rows)) == []
    worse = (("C",), (Cell(9.0), Cell(0.5)))
    assert bold(body((*rows, worse))) == ["1.0", "1.000", "1.0", "1.000"]


def test_a_lone_method_and_a_column_without_a_direction_win_nothing():
    assert bold(body(((("A",), (Cell(1.0), Cell(2.0))),))) == []
    rows = ((("A",), (Cell(1.0),)), (("B",), (Cell(2.0),)))
    assert bold(body(rows, (Column("Faces"),))) == []
    assert bold(body(rows, (Column("CLIP", better="lower", mark=False),))) == []


def test_groups_have_winners_of_their_own():
    rows = tuple(
        ((g, m), (Cell(v),))
        for g, m, v in [("x", "A", 1), ("x", "B", 2), ("y", "A", 9), ("y", "B", 8)]
    )
    made = body(rows, (Column("IV", better="higher", digits=0),), groups=1)
    assert bold(made) == ["2", "9"]
    assert "|  | B | **2** |" in to_markdown(made)
    assert to_latex(made).count(r"\textit{") == 2


def test_missing_numbers_are_dashes_and_never_best():
    rows = (
        (("A",), (Cell(None), Cell(math.nan, flag="why"))),
        (("B",), (Cell(1.0), Cell(2.0))),
        (("C",), (Cell(3.0), Cell(1.0))),
    )
    text = to_markdown(body(rows))
    assert "| A | – | –<sup>a</sup> |" in text
    assert "- <sup>a</sup> why" in text
    assert bold(body(rows)) == ["1.0", "2.000"]


def test_a_small_p_is_not_0():
    columns = (Column("p", digits=4, least=1e-4), Column("x", digits=4))
    made = body(((("A",), (Cell(2e-7), Cell(2e-7))), (("B",), (Cell(1e-4), Cell(0.0)))), columns)
    assert "| A | < 0.0001 | 0.0000 |" in to_markdown(made)
    assert "| B | 0.0001 | 0.0000 |" in to_markdown(made)


def test_nothing_is_minus_zero():
    assert "-0.0" not in to_markdown(body(((("A",), (Cell(-0.01), Cell(-0.0))),)))


# ---- CSV -----------------------------------------------------------------------------------------------------------

NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(NUMBER, NUMBER, st.integers(0, 10**6))
def test_csv_restores_the_frame_exactly(value, spread, n):
    made = body(((("SDS",), (Cell(value, spread, (0.1, 1 / 3), n, 'flag, "quoted"'), Cell(None))),))
    exact = {} if int(pd.__version__[0]) >= 3 else {"float_precision": "round_trip"}
    read = pd.read_csv(io.StringIO(to_csv(made)), **exact)
    pd.testing.assert_frame_equal(read, to_frame(made), check_dtype=False, check_exact=True)


def test_csv_is_tidy():
    frame = to_frame(body())
    assert list(frame)[:4] == ["table", "method", "column", "score"]
    assert len(frame) == 4
    assert frame["value"].tolist() == [250.04, 2.0, 200.0, 3.0]


def test_a_heading_of_the_name_of_an_empty_field_keeps_its_labels():
    frame = to_frame(body(((("fid",), (Cell(1.0), Cell(2.0))),), index=("Score",)))
    assert frame["score"].tolist() == ["fid", "fid"]


def test_tables_with_other_headings_share_a_csv():
    two = pd.read_csv(io.StringIO(to_csv(body(), body(index=("Arm",)))))
    assert two["arm"].notna().sum() == two["method"].notna().sum() == 4


# ---- escaping ------------------------------------------------------------------------------------------------------


def everywhere(text: str) -> Body:
    rows = (((text,), (Cell(1.0, 0.1, (0.0, 2.0), 1, text),)), (("B",), (Cell(-2.0),)))
    return Body(text, (text,), (Column(text, text, "lower", note=text),), rows, (text,))


def test_html_shows_text_as_text():
    page = to_html(everywhere(NASTY))
    assert "<script" not in page
    assert html.escape("<script>") in page
    assert html.unescape(re.search(r"<caption>(.*?)</caption>", page)[1]) == NASTY


def test_markdown_keeps_its_columns():
    lines = to_markdown(everywhere(NASTY + "\nnew line")).split("\n")
    rows = [line for line in lines if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}
    assert "<script" not in "".join(lines)


@pytest.mark.parametrize("text", [NASTY, WORLDLY])
def test_latex_compiles_whatever_the_text(tmp_path, latex, text):
    compile_latex(tmp_path, latex, to_latex(everywhere(text)))


def test_greek_is_mathematics_and_unknown_letters_are_named():
    assert tex("ESD (λ = 0.5)") == r"ESD ($\lambda$ = 0.5)"
    assert tex("猫 é") == r"{[}U+732B{]} \'{e}"


@given(st.text(max_size=40))
def test_latex_text_is_printable_ascii(text):
    assert re.fullmatch(r"[ -~]*", tex(text))


# ---- LaTeX ---------------------------------------------------------------------------------------------------------


def compile_latex(folder: Path, latex: str, text: str, preamble: str = "") -> str:
    """The log of pdflatex on a minimal article; it fails the test if LaTeX does."""
    start = r"\documentclass{article}" + preamble + r"\begin{document}"
    (folder / "paper.tex").write_text(f"{start}\n{text}\n\\end{{document}}\n")
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def test_long_and_wide_tables_compile_without_overflow(tmp_path, latex):
    columns = [Column(f"A long name {i}", "nats", "lower") for i in range(8)]
    cells = tuple(Cell(0.5, 0.1, (0.4, 0.6), 3, "flag") for _ in columns)
    rows = [((f"prompt {i // 5}", f"[M] {i % 5}"), cells) for i in range(120)]
    log = compile_latex(tmp_path, latex, to_latex(body(tuple(rows), columns, groups=1)))
    assert "Overfull" not in log
    assert re.search(r"paper.pdf \((\d+) pages", log)


def test_rules_that_a_package_defines_are_left_alone(tmp_path, latex):
    # Stands in for booktabs, which Debian ships in texlive-latex-recommended.
    own = "".join(rf"\newcommand{{\{x}rule}}{{\hline\hline}}" for x in ("top", "mid", "bottom"))
    compile_latex(tmp_path, latex, to_latex(body()), own)


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(ValueError, match="use csv, latex, markdown, html"):
        render("pdf", body())
    assert all(render(name, body(), body()) for name in FORMATS)
