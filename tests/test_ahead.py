"""Work ahead of its use: the same results in the same order, a few at a time, errors where they are due."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from esd_bench.ahead import THREADS, ahead
from esd_bench.prompts import Prompt
from esd_bench.spec import Choice, RunSpec, Stage
from esd_bench.store import Run, RunRecord
from esd_bench.stored import Reader


def test_order_is_kept_whoever_is_done_first() -> None:
    first = threading.Event()

    def work(i: int) -> int:
        if i == 0 and THREADS > 1:
            assert first.wait(10)
        first.set()
        return i * i

    assert list(ahead(work, range(20))) == [i * i for i in range(20)]


def test_no_more_than_a_few_are_held() -> None:
    drawn = []

    def items() -> Iterator[int]:
        for i in range(50):
            drawn.append(i)
            yield i

    for used, _ in enumerate(ahead(lambda i: i, items())):
        assert len(drawn) - used <= THREADS + 1


def test_an_error_is_raised_where_its_result_is_due() -> None:
    found = ahead(lambda i: 6 // (3 - i), range(8))
    assert [next(found) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(found)


def stored(folder: Path, *protocols: str) -> Run:
    """A run of which only the folders of its views are there."""
    stage = Stage(Choice("sds"), Choice("uniform"), Choice("none"), steps=1)
    spec = RunSpec("suite", Prompt("a cat"), Choice("none"), Choice("voxels"), (stage,))
    run = Run(folder, spec, RunRecord("finished"))
    for name in protocols:
        run.views_folder(name).mkdir(parents=True)
    return run


def test_the_next_run_is_read_while_the_present_one_is_worked_on(tmp_path: Path) -> None:
    here, there, who = threading.current_thread(), threading.Event(), {}

    def read(run: Run, protocol: str) -> str:
        who[run.folder.name, protocol] = threading.current_thread()
        if run.folder.name == "1":
            there.set()
        return run.folder.name + protocol

    runs = [stored(tmp_path / str(i), "sphere") for i in range(4)]
    runs[3] = stored(tmp_path / "unstored")
    reader = Reader(read)
    found = []
    for run in reader.over(runs):
        found.append(reader.read(run, "sphere"))
        assert there.wait(10)
        assert len(reader._coming) <= 1
    assert found == ["0sphere", "1sphere", "2sphere", "unstoredsphere"]
    assert who["0", "sphere"] is who["unstored", "sphere"] is here
    assert who["1", "sphere"] is who["2", "sphere"] is not here


def test_of_runs_that_need_nothing_nothing_is_read(tmp_path: Path) -> None:
    runs = [stored(tmp_path / str(i), "sphere", "ring") for i in range(5)]
    read: list[str] = []
    reader = Reader(lambda run, protocol: read.append(run.folder.name + protocol))
    for run in reader.over(runs):
        if run is runs[1]:
            reader.read(run, "ring")
    reader._pool.shutdown()
    assert read == ["1ring", "2ring"] or read == ["2ring", "1ring"]
    assert not reader._coming
