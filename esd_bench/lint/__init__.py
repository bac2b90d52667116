"""Checks of printed tables: what can't be, what was rounded wrongly, and what so few prompts can't carry.

lint(read_rows(Path("theirs.csv"), n=120))     -> findings, the gravest first
"""

from collections.abc import Iterable, Sequence

from esd_bench.lint.checks import CHECKS, Finding
from esd_bench.lint.rows import Entry, Row, read_rows

__all__ = ["SEVERITIES", "Entry", "Finding", "Row", "as_text", "gravest_first", "lint", "read_rows"]

SEVERITIES = ("error", "warning", "note")
"""``error`` can't be, whatever the rounding; ``warning`` was rounded wrongly or is claimed on too little; ``note`` is said."""


def lint(rows: Sequence[Row]) -> list[Finding]:
    """All findings, by severity, then in the order of the rows."""
    return gravest_first(finding for check in CHECKS for finding in check(rows))


def gravest_first(findings: Iterable[Finding]) -> list[Finding]:
    """By severity, else as they were."""
    return sorted(findings, key=lambda x: SEVERITIES.index(x.severity))


def as_text(findings: Sequence[Finding], rows: int) -> str:
    """A line a finding, and how many there are."""
    counts = {x: sum(f.severity == x for f in findings) for x in SEVERITIES}
    said = ", ".join(f"{n} {x}{'s' * (n != 1)}" for x, n in counts.items())
    lines = [f"{x.severity:<9}{x.check:<13}{x.where}: {x.text}" for x in findings]
    return "\n".join([*lines, f"{rows} rows checked: {said}"]) + "\n"
