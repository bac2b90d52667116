"""Every click of every rater, appended to one SQLite file: ``<runs>/.labels/labels.sqlite``.

Write-ahead log, ``synchronous = FULL``: a click that was answered is on the disk. Nothing is ever deleted or changed; an
undo is one more event. An event's key is made by the page, so that a click that is sent twice is kept once.
"""

import os
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from esd_bench.labelling.progress import Event

SCHEMA = 2
"""Version 1 has the same tables; its slots are named after runs alone, whatever their views."""
NAME = Path(".labels") / "labels.sqlite"
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE raters (
    id INTEGER PRIMARY KEY, role TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL,
    seed INTEGER NOT NULL, started REAL NOT NULL, UNIQUE (role, source, name));
CREATE TABLE events (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, rater INTEGER NOT NULL REFERENCES raters (id),
    mode TEXT NOT NULL, slot TEXT NOT NULL, kind TEXT NOT NULL, criterion TEXT NOT NULL, value TEXT NOT NULL,
    at REAL NOT NULL);
CREATE INDEX events_of ON events (rater, mode, id);
"""


@dataclass(frozen=True)
class Rater:
    """Somebody who judges.

    Attributes:
        role: ``rater`` or ``adjudicator``.
        source: "" for this study, else the study that the labels were imported from.
        seed: of the order in which items are shown.
    """

    id: int
    role: str
    source: str
    name: str
    seed: int


class Database:
    """The file, open. Methods may be called from several threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What is read and written inside is one step: nobody writes meanwhile, and a failure leaves nothing of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have ended it already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _all(self, query: str, *values: object) -> list[tuple]:
        with self._lock, closing(self._connection.execute(query, values)) as found:
            return found.fetchall()

    @property
    def by_views(self) -> bool:
        """Whether slots are named after the views that were seen, too."""
        return int(self._all("PRAGMA user_version")[0][0]) > 1

    def secret(self, name: str) -> str:
        """A secret of the study, made when it is first asked for.

        Raises:
            ValueError: when there is none yet and the file is open for reading only.
        """
        found = self._all("SELECT value FROM meta WHERE name = ?", name)
        if not found:
            raise ValueError("the database of labels holds no secret; was it made by esd-bench?")
        return str(found[0][0])

    def rater(self, name: str, role: str = "rater", source: str = "") -> Rater:
        """The rater of that name, who is made when new; names differ in more than case and spaces.

        Raises:
            ValueError: for a name that is empty, too long, or not printable.
        """
        plain = plain_name(name)
        found = self.find(plain, role, source)
        if found:
            return found
        with self.alone():
            if not self.find(plain, role, source):
                self._connection.execute(
                    "INSERT INTO raters (role, source, name, seed, started) VALUES (?, ?, ?, ?, ?)",
                    (role, source, plain, secrets.randbelow(2**53), time.time()),
                )
            return next(x for x in self.raters() if _same(x, role, source, plain))

    def find(self, name: str, role: str = "rater", source: str = "") -> Rater | None:
        """The rater of that name, if there is one."""
        plain = _spaced(name)
        return next((x for x in self.raters() if _same(x, role, source, plain)), None)

    def raters(self) -> list[Rater]:
        """Everybody, in the order of their first coming."""
        rows = self._all("SELECT id, role, source, name, seed FROM raters ORDER BY id")
        return [Rater(*row) for row in rows]

    def add(self, rater: Rater, mode: str, keyed: Sequence[tuple[str, Event]]) -> int:
        """Append events that are not there yet, all or none; returns how many were new."""
        rows = [(k, rater.id, mode, e.slot, e.kind, e.criterion, e.value, e.at) for k, e in keyed]
        into = "INSERT INTO events (key, rater, mode, slot, kind, criterion, value, at)"
        with self.alone():
            before = self._connection.total_changes
            self._connection.executemany(
                f"{into} VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING", rows
            )
            return self._connection.total_changes - before

    def known(self, key: str) -> bool:
        """Whether an event is there already."""
        return bool(self._all("SELECT 1 FROM events WHERE key = ?", key))

    def events(self, rater: Rater, mode: str) -> list[Event]:
        """A rater's events in order."""
        query = "SELECT slot, kind, criterion, value, at FROM events WHERE rater = ? AND mode = ? ORDER BY id"
        return [Event(*row) for row in self._all(query, rater.id, mode)]

    def everything(self, mode: str) -> dict[int, list[Event]]:
        """All raters' events in order, by rater's id."""
        query = (
            "SELECT rater, slot, kind, criterion, value, at FROM events WHERE mode = ? ORDER BY id"
        )
        found: dict[int, list[Event]] = defaultdict(list)
        for rater, *row in self._all(query, mode):
            found[rater].append(Event(*row))
        return found


def plain_name(name: str) -> str:
    """A rater's name as it is kept.

    Raises:
        ValueError: when it is empty, too long, or not printable.
    """
    plain = _spaced(name)
    if not 1 <= len(plain) <= 60 or not plain.isprintable():
        raise ValueError("a name has 1 to 60 letters")
    return plain


def _spaced(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def _same(rater: Rater, role: str, source: str, name: str) -> bool:
    mine = (rater.role, rater.source, rater.name.casefold())
    return mine == (role, source, name.casefold())


def open_database(root: Path | str) -> Database:
    """The labels of a folder of runs, for reading and writing; the file is made where there is none.

    Raises:
        ValueError: when it is no database of ours, or of a newer version.
    """
    path = Path(root) / NAME
    if not Path(root).is_dir():
        raise ValueError(f"{root} is no folder of runs")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.parent.is_symlink():
        raise ValueError(f"{path} is a link; labels are kept in the folder of runs itself")
    path.touch(0o600)
    connection = _connect(path.resolve().as_uri())
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection, path) == 0:
            _make(connection)
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ValueError(f"cannot open {path}: {error}") from None
    except ValueError:
        connection.close()
        raise
    return Database(connection)


def read_database(root: Path | str) -> Database:
    """The labels of a folder of runs, for reading only.

    Raises:
        ValueError: when there are none, or they are of a newer version.
    """
    path = Path(root) / NAME
    if not path.is_file():
        raise ValueError(f"no labels in {root} yet; esd-bench label {root} opens the page")
    # Without a log nobody writes, and a folder that may not be written to can be read.
    still = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    try:
        connection = _connect(f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if still else ''}")
        _version(connection, path)
    except sqlite3.DatabaseError as error:
        raise ValueError(f"cannot open {path}: {error}") from None
    return Database(connection)


def _connect(uri: str) -> sqlite3.Connection:
    made = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    made.execute("PRAGMA foreign_keys = ON")
    return made


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA:
        raise ValueError(
            f"{path} was written by a newer esd-bench (version {version}, here {SCHEMA}); update to open it"
        )
    return version


def _make(connection: sqlite3.Connection) -> None:
    for statement in TABLES.split(";"):
        connection.execute(statement)
    for name in ("items", "token"):
        connection.execute("INSERT INTO meta VALUES (?, ?)", (name, secrets.token_urlsafe(24)))
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
