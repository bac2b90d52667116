"""Labels to CSV and back: a line a rated item, under names that other machines know. Not blind: never show it to raters.

Every line names the study in which it was said, by a hash of its secret: two labs may each have a rater Ann and a file
``labels.csv``, and a study that gets its own lines back must not count them twice.
"""

import csv
import hashlib
import io
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from esd_bench.cells import back, plain
from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.database import Database, Rater, plain_name
from esd_bench.labelling.order import AGAIN, item_of
from esd_bench.labelling.progress import Event, Slot, fold
from esd_bench.labelling.session import LONGEST_NOTE
from esd_bench.labelling.study import MODES, Study, opaque

COLUMNS = (
    *("study", "mode", "rater", "role", "first", "second", "views", "again"),
    *(*NAMES, "finished", "note", "at"),
)
LARGEST = 64 * 2**20
"""Bytes of a file of labels."""


def identity(database: Database) -> str:
    """The study's name in files: a hash of its secret."""
    return opaque(database.secret("items"), "study")[:8]


def export_labels(database: Database, study: Study) -> str:
    """Everything that was said in the study's mode, also in items that are not finished."""
    raters, out, here = {x.id: x for x in database.raters()}, io.StringIO(), identity(database)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, events in database.everything(study.mode).items():
        who = raters[number]
        for place, slot in fold(events).items():
            if item_of(place) in study.items:
                writer.writerow([who.source or here, *_line(study, who, place, slot)])
    return out.getvalue()


def _line(study: Study, rater: Rater, place: str, slot: Slot) -> list[str]:
    first, second = ([x.name for x in study.items[item_of(place)].assets] + [""])[:2]
    answers = [slot.answers.get(name, "") for name in NAMES]
    again, at = str(int(place.endswith(AGAIN))), ""
    if slot.done is not None:
        at = datetime.fromtimestamp(slot.done, UTC).isoformat()
    who = [study.mode, plain(rater.name), rater.role]
    text = [*who, plain(first), plain(second), _views(study, item_of(place)), again, *answers]
    return [*text, str(int(slot.done is not None)), plain(slot.note), at]


def _views(study: Study, item: str) -> str:
    """What an item's raters see, by a hash of all its views: an asset that was made again may have kept its name.

    "" in a database that knows its assets by their names alone.
    """
    seen = " ".join(x for asset in study.items[item].assets for x in asset.key[1:])
    return hashlib.sha256(seen.encode()).hexdigest()[:16] if seen else ""


def import_labels(database: Database, study: Study, path: Path | str) -> tuple[int, int, int]:
    """Take over another lab's file; what is there already stays once. All lines or none, all of assets that look the same here.

    Returns:
        how many lines there are of others, how many raters, and how many lines of this study itself, which change nothing.

    Raises:
        ValueError: in one line, naming the file and the line that can't be right.
    """
    file, rows, here = Path(path), _rows(Path(path)), identity(database)
    places = {tuple(a.name for a in x.assets): x.id for x in study.items.values()}
    seen: dict[tuple[str, ...], int] = {}
    events: dict[tuple[str, str, str], list[Event]] = {}
    for number, row in enumerate(rows, 2):
        try:
            slot = _slot(row, study, places)
            who = (plain_name(back(row["rater"])), row["role"], row["study"])
            mark = (who[0].casefold(), *who[1:], slot)
            if mark in seen:
                raise ValueError(f"the same as line {seen[mark]}")
            seen[mark] = number
            made = _events(row, slot)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{file}, line {number}: {error}") from None
        if row["study"] != here:
            events.setdefault(who, []).extend(made)
    with database.alone():
        for who, said in events.items():
            _take(database, database.rater(*who), study, said)
    own = sum(row["study"] == here for row in rows)
    return len(rows) - own, len(events), own


def _take(database: Database, rater: Rater, study: Study, said: list[Event]) -> None:
    """Append what is not so already."""
    known = fold(database.events(rater, study.mode))
    new = [event for event in said if not _holds(known.get(event.slot, Slot()), event)]
    database.add(rater, study.mode, [(f"import-{secrets.token_hex(16)}", x) for x in new])


def _holds(slot: Slot, event: Event) -> bool:
    if event.kind == "answer":
        return slot.answers.get(event.criterion) == event.value
    return slot.note == event.value if event.kind == "note" else slot.done is not None


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
    if not re.fullmatch("[0-9a-f]{8}", row["study"]):
        raise ValueError(f"no study {row['study']!r}")
    if row["mode"] != study.mode:
        raise ValueError(f"labels of {row['mode'] or 'no'} mode, here {study.mode}")
    if row["role"] not in ("rater", "adjudicator"):
        raise ValueError(f"no role {row['role']!r}")
    if row["again"] not in ("0", "1") or row["finished"] not in ("0", "1"):
        raise ValueError("again and finished are 0 or 1")
    names = tuple(back(x) for x in (row["first"], row["second"]) if x)
    if names not in places:
        raise ValueError(f"{' and '.join(names) or 'nothing'} is not in {study.root}")
    here = _views(study, places[names])
    if row["views"] and here and row["views"] != here:
        raise ValueError(f"{' and '.join(names)} had other views when it was rated; leave it out")
    return places[names] + AGAIN * int(row["again"])


def _events(row: Mapping[str, str], slot: str) -> list[Event]:
    """What the line's rater would have clicked."""
    answers = {name: row[name] for name in NAMES if row[name]}
    wrong = [value for value in answers.values() if value not in MODES[row["mode"]]]  # type: ignore[index]
    if wrong:
        raise ValueError(f"no answer {wrong[0]!r}")
    if len(row["note"]) > LONGEST_NOTE + 1:
        raise ValueError(f"a note of more than {LONGEST_NOTE} letters")
    finished = row["finished"] == "1"
    if finished and len(answers) < len(NAMES):
        raise ValueError("finished, but not all is answered")
    at = _time(row["at"]) if finished else 0.0
    made = [Event(slot, "answer", name, value, at) for name, value in answers.items()]
    made += [Event(slot, "note", "", back(row["note"]), at)] if row["note"] else []
    return made + ([Event(slot, "done", "", "", at)] if finished else [])


def _time(text: str) -> float:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found.timestamp()


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
