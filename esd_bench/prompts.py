"""Prompts, the suites they come in, and the wording that depends on the view.

A suite is a TOML file: a table ``[suite]`` with ``name``, ``source``, ``licence``, and one ``[[prompt]]`` each with
``text`` and optionally ``id``, ``subject``, ``tags``, ``source`` and ``leave_out``, a table of lists such as
``{ back = ["smiling"] }``: words that contradict a view, for methods that leave them out.
"""

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from esd_bench.cameras import COMPASS

LeaveOut: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Pairs of a view and the words that contradict it."""
TEXTS = ("plain", *COMPASS, "empty")
"""The texts of one prompt that a prediction row can mix, in the order of the embedding table."""


@dataclass(frozen=True)
class Prompt:
    """One text to make an asset of; compared by id and text.

    Attributes:
        text: the view-independent wording, which metrics score against.
        id: short and safe in a path.
        subject: the noun whose front is meant, if stated.
        tags: categories, for grouping in tables.
        source: where the text comes from.
        leave_out: words that contradict a view (see :mod:`esd_bench.debias`).
        leave_out_from: who says so: "suite file", or a language model.
    """

    text: str
    id: str = ""
    subject: str = field(default="", compare=False)
    tags: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)
    leave_out: LeaveOut = ()
    leave_out_from: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        text = unicodedata.normalize("NFC", self.text).strip()
        if not text:
            raise ValueError("a prompt must not be empty")
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "id", self.id or slug(text))
        if slug(self.id, 64) != self.id:
            raise ValueError(f"prompt id {self.id!r} may hold only a-z, 0-9 and -")

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def facing(self, direction: str, suffix: str = "") -> str:
        """The wording for one of :data:`TEXTS`: the text, with ", front view" and so on, or nothing at all.

        Words that contradict a view are left out there; "a smiling cat" becomes "a cat, back view". A suffix, such as
        "normal map", comes last; where there is no text, there is none.
        """
        if direction == "empty":
            return ""
        bad = dict(self.leave_out).get(direction, ())
        kept = [x for x in self.text.split() if bare(x) not in bad]
        named = "" if direction == "plain" else f"{direction} view"
        return ", ".join(filter(None, (" ".join(kept) if bad else self.text, named, suffix)))


def bare(word: str) -> str:
    """A word in lower case without the punctuation round it."""
    return word.strip(".,;:!?\"'()[]").lower()


def slug(text: str, limit: int = 40) -> str:
    """Lower-case words joined by dashes; a hash is appended where letters were lost or cut off."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if words == text.lower().replace(" ", "-") and len(words) <= limit:
        return words
    return f"{words[: limit - 9].strip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".strip(
        "-"
    )


@dataclass(frozen=True)
class Wording:
    """How the teacher's text depends on the view; thresholds in degrees. ``suffix`` ends every text that is not empty."""

    view_words: bool = True
    front: float = 45.0
    back: float = 45.0
    overhead: float = 60.0
    suffix: str = ""


@dataclass(frozen=True)
class Suite:
    """A named list of prompts with its source and licence."""

    name: str
    prompts: tuple[Prompt, ...]
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for prompt in self.prompts:
            if prompt.id in seen:
                raise ValueError(f"suite {self.name!r} holds the prompt id {prompt.id!r} twice")
            seen.add(prompt.id)
        if not self.prompts:
            raise ValueError(f"suite {self.name!r} holds no prompt")


def suites_folder() -> Path:
    """The folder of the suites that ship with the package."""
    packaged = Path(str(resources.files("esd_bench"))) / "_data" / "prompts"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "prompts"


def suite_names() -> list[str]:
    """Names of the shipped suites."""
    return sorted(path.stem for path in suites_folder().glob("*.toml"))


def load_suite(name: str | Path) -> Suite:
    """A shipped suite by name, or a user's own file: ``.toml``, or ``.txt`` with one prompt a line.

    Raises:
        ValueError: one line that says what is wrong and what would do.
    """
    path = suites_folder() / f"{name}.toml"
    if str(name) not in suite_names():
        path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"no prompt suite or file {str(name)!r}; suites: {', '.join(suite_names())}"
        )
    try:
        content = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            return _from_toml(tomllib.loads(content), path.stem)
        lines = [line.strip() for line in content.splitlines()]
        return Suite(
            slug(path.stem), tuple(Prompt(x) for x in lines if x and x[0] != "#"), str(path.name)
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise ValueError(f"cannot read prompts from {path}: {error}") from None


def _from_toml(data: Mapping[str, Any], default: str) -> Suite:
    head = data.get("suite", {})
    return Suite(
        name=slug(head.get("name", default)),
        prompts=tuple(_prompt(entry, head.get("source", "")) for entry in data.get("prompt", [])),
        source=head.get("source", ""),
        licence=head.get("licence", ""),
    )


def _prompt(entry: Any, source: str) -> Prompt:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("text"), str):
        raise ValueError(f"a prompt needs a text, not {entry!r}")
    unknown = set(entry) - {"text", "id", "subject", "tags", "source", "leave_out"}
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r} in a prompt")
    words = entry.get("leave_out", {})
    if set(words) - set(COMPASS):
        raise ValueError(f"leave_out is for {', '.join(COMPASS)}, not {sorted(set(words))}")
    return Prompt(
        entry["text"],
        entry.get("id", ""),
        entry.get("subject", ""),
        tuple(entry.get("tags", ())),
        entry.get("source", source),
        tuple((view, tuple(x.lower() for x in words[view])) for view in COMPASS if view in words),
        "suite file" if words else "",
    )


def ad_hoc(texts: Sequence[str]) -> Suite:
    """The suite of prompts given on the command line."""
    return Suite("ad-hoc", tuple(Prompt(text) for text in texts))
