"""The tables of our pages are what the commands above them print from stored results; README is short."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = runpy.run_path(str(ROOT / "reports" / "tables.py"))


@pytest.mark.parametrize("page", TABLES["pages"](), ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_made_from_stored_results(page):
    text = page.read_text()
    assert "<!-- table: " in text
    assert text == TABLES["filled"](text)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
