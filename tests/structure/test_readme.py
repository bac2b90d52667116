"""README's table is what the command above it prints from the stored scores; README is short."""

import re
import runpy
import shlex
from pathlib import Path

from esd_bench.report import report

ROOT = Path(__file__).parents[2]


def test_the_table_is_made_from_the_stored_scores():
    text = (ROOT / "README.md").read_text()
    found = re.search(r"<!-- table: (.*?) -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found
    words = shlex.split(found[1])
    assert words[:2] == ["esd-bench", "report"]
    assert found[2].strip() == report(ROOT / words[2], words[words.index("--table") + 1]).strip()


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_table_of_benchmarks_is_made_from_the_stored_results():
    page = ROOT / "benchmarks" / "README.md"
    made = runpy.run_path(str(ROOT / "benchmarks" / "table.py"))
    assert page.read_text() == made["filled"](page.read_text())
