"""Write every table between marks of the Markdown pages anew: ``python reports/tables.py``.

A mark is a comment ``table: COMMAND`` before the table and ``end`` after it; COMMAND is ``esd-bench report ...`` or
``python benchmarks/table.py ...`` and runs in the root of the repository. A test holds that nothing changes.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "benchmarks/README.md", "reports/*/README.md", "docs/human_study.md")
MARK = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)
PROGRAMS = {"esd-bench": ["-m", "esd_bench.cli"], "python": []}


def pages() -> list[Path]:
    """The pages that hold tables."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def filled(text: str) -> str:
    """A page with all its tables made anew."""
    return MARK.sub(lambda found: f"{found[1]}\n{_made(found[2])}\n\n{found[3]}", text)


def _made(command: str) -> str:
    program, *words = shlex.split(command)
    called = [sys.executable, *PROGRAMS[program], *words]
    done = subprocess.run(called, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    for page in pages():
        page.write_text(filled(page.read_text()))
