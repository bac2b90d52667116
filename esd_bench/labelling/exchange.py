"""Labels to CSV and back: a line a rated item, under names that other machines know. Not blind: never show it to raters."""

import csv
import hashlib
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.database import Database
from esd_bench.labelling.order import AGAIN, item_of
from esd_bench.labelling.progress import Event, Slot, fold
from esd_bench.labelling.session import LONGEST_NOTE
from esd_bench.labelling.study import MODES, Study

COLUMNS = ("mode", "rater", "role", "first", "second", "again", *NAMES, "finished", "note", "at")
LARGEST = 64 * 2**20
"""Bytes of a file of labels."""
FORMULA = ("=", "+", "-", "@", "\t", "'")
"""Beginnings that a spreadsheet may take for a formula; a ' is put before them."""


def export_labels(database: Database, study: Study) -> str:
    """Everything that was said in the study's mode, also in items that are not finished."""
    raters, out = {x.id: x for x in database.raters()}, io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, events in database.everything(study.mode).items():
        who = raters[number]
        name = f"{who.source}: {who.name}" if who.source else who.name
        for place, slot in fold(events).items():
            if item_of(place) in study.items:
                writer.writerow(_line(study, name, who.role, place, slot))
    return out.getvalue()


def _line(study: Study, rater: str, role: str, place: str, slot: Slot) -> list[str]:
    first, second = ([x.name for x in study.items[item_of(place)].assets] + [""])[:2]
    answers = [slot.answers.get(name, "") for name in NAMES]
    again, at = str(int(place.endswith(AGAIN))), ""
    if slot.done is not None:
        at = datetime.fromtimestamp(slot.done, UTC).isoformat()
    text = [study.mode, _plain(rater), role, first, second, again, *answers]
    return [*text, str(int(slot.done is not None)), _plain(slot.note), at]


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _back(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA) else text


def import_labels(database: Database, study: Study, path: Path | str) -> tuple[int, int]:
    """Take over another lab's file; what is there already stays once. All lines or none.

    Returns:
        how many lines there are, and how many raters.

    Raises:
        ValueError: in one line, naming the file and the line that can't be right.
    """
    file, rows = Path(path), _rows(Path(path))
    places = {tuple(a.name for a in x.assets): x.id for x in study.items.values()}
    seen: dict[tuple[str, str, str], int] = {}
    events: dict[tuple[str, str], list[tuple[str, Event]]] = {}
    for number, row in enumerate(rows, 2):
        try:
            slot = _slot(row, study, places)
            mark = (row["role"], row["rater"].casefold(), slot)
            if mark in seen:
                raise ValueError(f"the same as line {seen[mark]}")
            seen[mark] = number
            made = _events(row, slot, file.stem)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{file}, line {number}: {error}") from None
        events.setdefault((row["role"], _back(row["rater"])), []).extend(made)
    for (role, name), keyed in events.items():
        database.add(database.rater(name, role, file.stem), study.mode, keyed)
    return len(rows), len(events)


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError("larger than 64 MiB")
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"the first line is not {','.join(COLUMNS)}")
            return list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"cannot read {file}: {error}") from None


def _slot(row: Mapping[str, Any], study: Study, places: Mapping[tuple[str, ...], str]) -> str:
    if None in row or None in row.values():
        raise ValueError(f"it does not have {len(COLUMNS)} columns")
    if row["mode"] != study.mode:
        raise ValueError(f"labels of {row['mode'] or 'no'} mode, here {study.mode}")
    if row["role"] not in ("rater", "adjudicator"):
        raise ValueError(f"no role {row['role']!r}")
    if row["again"] not in ("0", "1") or row["finished"] not in ("0", "1"):
        raise ValueError("again and finished are 0 or 1")
    names = tuple(x for x in (row["first"], row["second"]) if x)
    if names not in places:
        raise ValueError(f"{' and '.join(names) or 'nothing'} is not in {study.root}")
    return places[names] + AGAIN * int(row["again"])


def _events(row: Mapping[str, str], slot: str, source: str) -> list[tuple[str, Event]]:
    """What the line's rater would have clicked."""
    answers = {name: row[name] for name in NAMES if row[name]}
    wrong = [value for value in answers.values() if value not in MODES[row["mode"]]]  # type: ignore[index]
    if wrong:
        raise ValueError(f"no answer {wrong[0]!r}")
    if len(row["note"]) > LONGEST_NOTE + 1:
        raise ValueError(f"a note of more than {LONGEST_NOTE} letters")
    if not 1 <= len(" ".join(row["rater"].split())) <= 61:
        raise ValueError("a rater's name has 1 to 60 letters")
    finished = row["finished"] == "1"
    if finished and len(answers) < len(NAMES):
        raise ValueError("finished, but not all is answered")
    at = _time(row["at"]) if finished else 0.0
    made = [Event(slot, "answer", name, value, at) for name, value in answers.items()]
    made += [Event(slot, "note", "", _back(row["note"]), at)] if row["note"] else []
    made += [Event(slot, "done", "", "", at)] if finished else []
    return [(_key(source, row, event), event) for event in made]


def _time(text: str) -> float:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found.timestamp()


def _key(source: str, row: Mapping[str, str], event: Event) -> str:
    """The same line of the same file has the same keys, so that it may be imported twice."""
    told = (source, row["role"], row["rater"].casefold(), event.slot, event.kind)
    what = "\0".join((*told, event.criterion, event.value))
    return f"import-{hashlib.sha256(what.encode()).hexdigest()[:40]}"


def read_gold(path: Path | str, study: Study) -> dict[str, dict[str, str]]:
    """Items whose answers are known: a CSV with the columns run, view, count, look.

    Returns:
        item -> criterion -> yes or no; an empty cell is not known.

    Raises:
        ValueError: in one line, naming the line.
    """
    places = {x.assets[0].name: x.id for x in study.items.values() if len(x.assets) == 1}
    known: dict[str, dict[str, str]] = {}
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    for number, row in enumerate(rows, 2):
        answers = {name: row[name] for name in NAMES if row.get(name)}
        if row.get("run") not in places:
            raise ValueError(
                f"{path}, line {number}: {row.get('run')!r} is not shown in {study.root}"
            )
        if not answers or not set(answers.values()) <= {"yes", "no"}:
            raise ValueError(f"{path}, line {number}: answers are yes or no")
        known[places[row["run"]]] = answers
    return known
