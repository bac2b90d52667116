"""A user's own copy of somebody else's prompt list, as a suite: GPTEval3D, T3Bench, or plain txt, csv and jsonl.

Nothing is downloaded, and the texts stay in the file that the user makes: reports name prompts by set and index. The suite's
source holds the file's name and the SHA-256 of its bytes, its licence what the user asserts.
"""

import csv
import hashlib
import io
import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from esd_bench.prompts import Prompt, Suite, slug

LIMIT = 8 * 2**20
"""Bytes; no list of prompts is longer."""
USUAL = {"gpteval3d": 110, "t3bench": 100}
"""How many prompts the public files have."""
PAPER = 120
"""How many the paper says that it took from GPTEval3D."""

Entry = Mapping[str, Any]
"""``text`` and perhaps ``id``, ``subject``, ``tags``."""


def import_suite(
    path: Path | str,
    format: str,
    expected: int | None = None,
    extra: Path | str | None = None,
    licence: str = "",
    name: str = "",
) -> Suite:
    """Read a list of prompts; ids are the set's name and the index in the file, from 0, or the file's own ids.

    Args:
        path: the user's copy.
        format: one of :data:`FORMATS`.
        expected: how many prompts there should be; another number is a warning.
        extra: further prompts, one a line, put behind.
        licence: under which the user has them; recorded, not checked.
        name: of the suite; by default that of the set or the file.

    Raises:
        ValueError: in one line, for an unknown format, or a file that is not of it.
    """
    if format not in FORMATS:
        raise ValueError(f"no prompt format {format!r}; use {', '.join(FORMATS)}")
    file = Path(path)
    raw = _bytes(file)
    entries = _parsed(FORMATS[format], raw, file)
    title = slug(name or (format if format == "gpteval3d" else file.stem))
    prompts = [_prompt(entry, title, i) for i, entry in enumerate(entries)]
    digests = [f"{file.name} sha256:{hashlib.sha256(raw).hexdigest()}"]
    if extra:
        more = _bytes(Path(extra))
        added = _parsed(_lines, more, Path(extra))
        prompts += [_prompt(entry, f"{title}-extra", i) for i, entry in enumerate(added)]
        digests.append(f"{Path(extra).name} sha256:{hashlib.sha256(more).hexdigest()}")
    _warn(format, len(prompts), expected)
    _warn_of_doubles(prompts)
    return Suite(title, tuple(prompts), "; ".join(digests), licence or "not stated")


def write_suite(suite: Suite, path: Path | str) -> None:
    """Store a suite as the TOML that :func:`esd_bench.prompts.load_suite` reads.

    Raises:
        ValueError: when the file is there already.
    """
    target = Path(path)
    if target.exists():
        raise ValueError(f"{target} exists; choose another name or remove it")
    head = {"name": suite.name, "source": suite.source, "licence": suite.licence}
    parts = ["[suite]\n" + _table(head)]
    parts += ["[[prompt]]\n" + _table(_entry(prompt)) for prompt in suite.prompts]
    target.write_text("\n".join(parts), encoding="utf-8")


# ---- reading -------------------------------------------------------------------------------------------------------


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"no file {path}")
    if path.stat().st_size > LIMIT:
        raise ValueError(f"{path} is larger than {LIMIT >> 20} MiB: no list of prompts")
    return path.read_bytes()


def _parsed(parse: Callable[[str], list[Entry]], raw: bytes, path: Path) -> list[Entry]:
    try:
        entries = parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start})") from None
    except (ValueError, csv.Error, RecursionError) as error:
        raise ValueError(f"cannot read prompts from {path}: {error}") from None
    if not entries:
        raise ValueError(f"{path} holds no prompt")
    return entries


def _array(content: str) -> list[Entry]:
    """A JSON array of strings."""
    value = json.loads(content)
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("it is no JSON array of strings")
    return [{"text": text} for text in value]


def _split(content: str) -> list[str]:
    # splitlines would also split at separators that a text may hold.
    return content.replace("\r\n", "\n").split("\n")


def _lines(content: str) -> list[Entry]:
    """One prompt a line; empty lines are skipped, anything else is a prompt, also one with a colon or a hash."""
    return [{"text": line} for line in _split(content) if line.strip()]


def _columns(content: str) -> list[Entry]:
    """CSV with a heading that names ``prompt`` (or ``text``) and perhaps ``id`` and ``category``."""
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    names = {name.strip().lower(): name for name in reader.fieldnames or ()}
    text = names.get("prompt") or names.get("text")
    if text is None:
        raise ValueError(f"no column 'prompt' among {', '.join(names) or 'none'}")
    known = {"text": text, "id": names.get("id"), "tags": names.get("category")}
    return [{key: row[name] for key, name in known.items() if name} for row in reader]


def _objects(content: str) -> list[Entry]:
    """JSON lines: strings, or objects with ``prompt`` (or ``text``) and perhaps ``id``, ``category``, ``subject``."""
    return [_object(line, i) for i, line in enumerate(_split(content), 1) if line.strip()]


def _object(line: str, number: int) -> Entry:
    value = json.loads(line)
    value = {"text": value} if isinstance(value, str) else value
    text = value.get("prompt", value.get("text")) if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise ValueError(f"line {number} holds no text, nor an object with one under 'prompt'")
    return {**value, "text": text, "tags": value.get("category")}


FORMATS: dict[str, Callable[[str], list[Entry]]] = {
    "gpteval3d": _array,
    "t3bench": _lines,
    "txt": _lines,
    "csv": _columns,
    "jsonl": _objects,
}


def _prompt(entry: Entry, title: str, index: int) -> Prompt:
    given = entry.get("id")
    tag = str(entry.get("tags") or "").strip()
    try:
        # Half of a surrogate pair passes JSON but could never be stored.
        return Prompt(
            text=str(entry["text"] or "").encode().decode(),
            id=slug(f"{title}-{index:03d}" if given in (None, "") else str(given), 64),
            subject=str(entry.get("subject") or ""),
            tags=(tag,) if tag else (),
            source=f"{title}/{index}",
        )
    except ValueError as error:
        raise ValueError(f"prompt {index} of {title}: {error}") from None


# ---- warning -------------------------------------------------------------------------------------------------------


def _warn(format: str, found: int, expected: int | None) -> None:
    usual = USUAL.get(format)
    if expected is not None and found != expected:
        warnings.warn(f"{found} prompts, not the {expected} expected", stacklevel=3)
    elif expected is None and usual is not None and found != usual:
        warnings.warn(f"{found} prompts; the public file has {usual}", stacklevel=3)
    if format == "gpteval3d" and found == usual:
        warnings.warn(
            f"{found} prompts: the paper reports on {PAPER}, and its list is not public, so its means can't be repeated",
            stacklevel=3,
        )


def _warn_of_doubles(prompts: list[Prompt]) -> None:
    doubles = [text for text, n in Counter(prompt.text for prompt in prompts).items() if n > 1]
    if doubles:
        warnings.warn(
            f"{len(doubles)} prompts occur more than once, first {doubles[0]!r}", stacklevel=3
        )


# ---- writing -------------------------------------------------------------------------------------------------------


def _entry(prompt: Prompt) -> dict[str, Any]:
    value = {
        "text": prompt.text,
        "id": prompt.id,
        "subject": prompt.subject,
        "tags": list(prompt.tags),
        "source": prompt.source,
    }
    return {key: x for key, x in value.items() if x}


def _table(value: Mapping[str, Any]) -> str:
    # A JSON string is a TOML string, but for DEL, which TOML wants escaped.
    dumped = {key: json.dumps(x, ensure_ascii=False) for key, x in value.items()}
    return "".join(f"{key} = {text}\n" for key, text in dumped.items()).replace("\x7f", "\\u007f")
