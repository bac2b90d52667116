"""The tables of our pages are what the commands above them print from stored results; README is short."""

import io
import runpy
import shlex
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

ROOT = Path(__file__).parents[2]
TABLES = runpy.run_path(str(ROOT / "reports" / "tables.py"))
IN_ITS_OWN_PROCESS = TABLES["_made"]


@cache
def made(line: str) -> str:
    """What the command above a table prints: a table of two pages is made once, and a script needs no new process."""
    program, *words = shlex.split(line)
    if program != "python" or words[0] == "-m":
        return IN_ITS_OWN_PROCESS(line)
    with redirect_stdout(io.StringIO()) as out, patch.object(sys, "argv", words):
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    return out.getvalue().strip()


@pytest.mark.parametrize("page", TABLES["pages"](), ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_made_from_stored_results(page, monkeypatch):
    monkeypatch.setitem(TABLES["filled"].__globals__, "_made", made)
    text = page.read_text()
    assert "<!-- table: " in text
    assert text == TABLES["filled"](text)


def test_a_script_prints_the_same_in_its_own_process():
    line = "python benchmarks/table.py floor"
    assert made(line) == IN_ITS_OWN_PROCESS(line)
    assert made(line)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
