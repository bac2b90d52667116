"""Labels on the disk: kept once, never lost, never of a newer version."""

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from esd_bench.labelling.database import NAME, open_database, read_database
from esd_bench.labelling.progress import Event
from tests.labelling.studies import ROOT, said
from tests.pipeline.command import command


def test_a_click_sent_twice_is_kept_once(tmp_path):
    database = open_database(tmp_path)
    ann, clicks = database.rater("Ann"), said("a")
    assert database.add(ann, "single", clicks) == 4
    assert database.add(ann, "single", clicks) == 0
    assert database.events(ann, "single") == [event for _, event in clicks]
    assert database.events(ann, "pairs") == []


def test_names_are_the_same_whatever_their_case_and_spaces(tmp_path):
    database = open_database(tmp_path)
    ann = database.rater("Ann  Lee")
    assert database.rater(" ann lee ") == ann
    assert database.rater("Ann Lee", "adjudicator") != ann
    for bad in ("", "  ", "x" * 61, "a\x00b", "a\u202eb"):
        with pytest.raises(ValueError, match="1 to 60"):
            database.rater(bad)


def test_many_threads_lose_and_double_nothing(tmp_path):
    database, clicks = open_database(tmp_path), said("a", done=False) * 1

    def work(name):
        rater = database.rater(name)
        for i in range(20):
            key = f"{name}-{i}-key"
            database.add(rater, "single", [(key, Event(str(i), "answer", "view", "yes"))])
            database.add(rater, "single", [(key, Event(str(i), "answer", "view", "yes"))])

    threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(10)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    assert clicks
    assert len(database.raters()) == 10
    assert all(len(x) == 20 for x in database.everything("single").values())


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    """The process dies by SIGKILL right after its last word; the file is copied without its log being closed."""
    code = (
        "import os, signal, sys\n"
        "from esd_bench.labelling.database import open_database\n"
        "from esd_bench.labelling.progress import Event\n"
        "d = open_database(sys.argv[1]); r = d.rater('Ann')\n"
        "for i in range(50): d.add(r, 'single', [(f'key-{i:05d}', Event(str(i), 'done'))])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert done.returncode == -9
    database = read_database(tmp_path)
    assert len(database.events(database.raters()[0], "single")) == 50


def test_it_is_private_and_written_through(tmp_path):
    database = open_database(tmp_path)
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0
    assert (tmp_path / NAME).parent.stat().st_mode & 0o077 == 0
    assert database._all("PRAGMA journal_mode") == [("wal",)]
    assert database._all("PRAGMA synchronous") == [(2,)]


def test_a_full_disk_loses_nothing_and_stops_nothing(tmp_path):
    database = open_database(tmp_path)
    ann = database.rater("Ann")
    (pages,) = database._all("PRAGMA page_count")
    database._all(f"PRAGMA max_page_count = {pages[0] + 1}")
    long = [("note-key-1", Event("a", "note", "", "x" * 100_000))]
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            database.add(ann, "single", long)
    database._all("PRAGMA max_page_count = 100000")
    assert database.add(ann, "single", long) == 1
    assert len(database.events(ann, "single")) == 1


def test_one_step_is_all_or_nothing(tmp_path):
    database = open_database(tmp_path)

    def broken():
        with database.alone():
            database.add(database.rater("Ann"), "single", said("a"))
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert not database.raters()


def test_a_click_of_nobody_is_refused(tmp_path):
    database = open_database(tmp_path)
    nobody = replace(database.rater("Ann"), id=99)
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        database.add(nobody, "single", said("a"))


def test_where_no_runs_are_nothing_is_made(tmp_path):
    done = command("label", tmp_path / "nowhere", "--no-browser")
    assert done.code == 2
    assert "is no folder of runs" in done.err
    assert not (tmp_path / "nowhere").exists()


def test_reading_changes_nothing(tmp_path):
    open_database(tmp_path).close()
    reader = read_database(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.rater("Ann")


def test_a_newer_version_is_refused_in_one_line(tmp_path):
    open_database(tmp_path).close()
    raw = sqlite3.connect(tmp_path / NAME)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = (tmp_path / NAME).read_bytes()
    for words in (("--tally",), ("--no-browser",)):
        said = command("label", tmp_path, *words)
        assert said.code == 2
        assert "newer esd-bench (version 99" in said.err
        assert len(said.err.strip().splitlines()) == 1
    assert (tmp_path / NAME).read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all", b"\0" * 5000])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / NAME).parent.mkdir()
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ValueError, match="cannot open"):
        open_database(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".labels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link"):
        open_database(tmp_path)
    assert not list((tmp_path / "elsewhere").iterdir())
