r"""Anybody's table as rows of printed numbers: a CSV with a column for each score, in the wide form of papers.

Read are ``method``, ``prompt``, ``n``, and by their names in :data:`NAMES` the scores, each with a deviation in ``NAME_sd`` or
behind "±". ``**x**`` and ``\textbf{x}`` mark what the table calls the best.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from esd_bench.lint.arithmetic import Printed, Range

NAMES = {
    "clip": "clip_distance",
    "clip_distance": "clip_distance",
    "clip_score": "clip_score",
    "clip_similarity": "clip_score",
    "fid": "fid",
    "kid": "kid",
    "iq": "iq",
    "iv": "iv",
    "ig": "ig",
    "sr": "success_rate",
    "success": "success_rate",
    "success_rate": "success_rate",
    "janus_rate": "janus_rate",
}
HIGHER = {
    **dict.fromkeys(("iv", "ig", "success_rate", "clip_score"), True),
    **dict.fromkeys(("iq", "fid", "kid", "clip_distance", "janus_rate"), False),
}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
BOLD = re.compile(r"\*\*(.+?)\*\*|\\textbf\s*\{(.+?)\}")


@dataclass(frozen=True)
class Entry:
    """A number as printed, its deviation if there is one, and whether the table marks it as the best."""

    printed: Printed
    sd: Printed | None = None
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One row: of one asset where a prompt is named and nothing says that it is a mean.

    Attributes:
        where: the table or file and the line, for messages.
        n: prompts behind a mean; None where nobody says.
        gain: (IV - IQ) / IQ where it is known otherwise, near and with rounding allowed for.
    """

    where: str
    method: str
    prompt: str = ""
    n: int | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    gain: tuple[Range, Range] | None = None

    @property
    def asset(self) -> bool:
        """Whether the row is one asset, not a mean."""
        return (
            bool(self.prompt)
            and (self.n or 1) == 1
            and not any(x.sd for x in self.entries.values())
        )


def read_rows(path: Path, n: int | None = None) -> list[Row]:
    """The rows of a CSV.

    Args:
        path: the file; lines that begin with # are left out.
        n: prompts behind every mean that does not say so itself.

    Raises:
        ValueError: in one line, for what can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    lines = [(k, x) for k, x in enumerate(text.splitlines(), 1) if x.strip() and x[0] != "#"]
    if not lines:
        raise ValueError(f"{path} is no CSV with a heading: it is empty")
    try:
        head, *body = csv.reader([x for _, x in lines], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path} is no CSV with a heading: {error}") from None
    names = [re.sub(r"[\W_]+", "_", x.lower()).strip("_") for x in head]
    twice = [x for x, n in Counter(NAMES[x] for x in names if x in NAMES).items() if n > 1]
    if twice:
        raise ValueError(f"{path} has several columns of {twice[0]}: check them one at a time")
    if "method" not in names or not set(names) & set(NAMES):
        known = ", ".join(NAMES)
        raise ValueError(
            f"{path} needs a column method, and some of: {known}; it has {', '.join(names)}"
        )
    numbered = list(zip([k for k, _ in lines[1:]], body, strict=False))
    for k, cells in numbered:
        # A decimal comma would move all that follows into the next column.
        if any(x.strip() for x in cells[len(names) :]):
            raise ValueError(
                f"{path.name}:{k}: {len(cells)} cells under {len(names)} headings; decimals are written with a point"
            )
    return [_row(path, k, dict(zip(names, cells, strict=False)), n) for k, cells in numbered]


def _row(path: Path, line: int, cells: Mapping[str, str], n: int | None) -> Row:
    where = f"{path.name}:{line}"
    own = cells.get("n", "").strip()
    if own and not (own.isdigit() and int(own)):
        raise ValueError(f"{where}: n is a whole number of prompts, not {own!r}")
    entries = {
        score: made
        for name, score in NAMES.items()
        if (made := _entry(cells.get(name, ""), cells.get(f"{name}_sd", ""), f"{where}, {name}"))
    }
    prompt = cells.get("prompt", "").strip()
    count = int(own) if own else None if prompt else n
    return Row(where, cells["method"].strip(), prompt, count, entries)


def _entry(text: str, sd: str, what: str) -> Entry | None:
    bold = BOLD.search(text)
    plain = BOLD.sub(lambda found: found[1] or found[2], text)
    value, _, behind = plain.replace(r"\pm", "±").replace("+-", "±").partition("±")
    printed = _printed(value, what)
    return Entry(printed, _printed(sd or behind, what), bool(bold)) if printed else None


def _printed(text: str, what: str) -> Printed | None:
    """A number; None for nothing and for dashes. Per-cent signs, dollars and footnote marks are no part of it."""
    plain = re.sub(r"[%$\\\s↑↓†‡]", "", text.replace("−", "-"))
    if plain in ("", "-", "–", "—", "--", "nan", "n/a"):
        return None
    if not NUMBER.fullmatch(plain):
        raise ValueError(f"{what}: {text.strip()!r} is no number")
    return Printed.of(plain)
