"""Executors with work that is a toy: where a pack is worked on changes nothing."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from esd_bench.draws import Draws
from esd_bench.engines import Progress, Watch
from esd_bench.executors._chains import finished
from esd_bench.executors.processes import processes
from esd_bench.executors.ray import _patiently
from esd_bench.executors.serial import serial
from esd_bench.generate import _lost, _unfinished
from esd_bench.spec import RunSpec, packs
from esd_bench.store import Run, RunRecord, RunStore
from tests.specs import spec


def toy(root: Path, specs: Sequence[RunSpec], watch: Watch) -> list[Run]:
    """A run whose scene is a random tensor."""
    store = RunStore(root)
    with store.begin(specs):
        seeds = torch.tensor([x.seed for x in specs])
        scenes = Draws(seeds, torch.tensor(0)).normal("scene", 3)
        watch(Progress(specs, 1, 1, str(os.getpid()), {"threads": float(torch.get_num_threads())}))
        return [
            store.finish(x, RunRecord("finished"), {"scene": scenes[i : i + 1]})
            for i, x in enumerate(specs)
        ]


def following(root: Path, specs: Sequence[RunSpec], watch: Watch) -> list[Run]:
    """Seeds of one remainder by 10 form a chain; a later one finds the one before it finished."""
    (one,) = specs
    if one.seed >= 10:
        assert RunStore(root).find(seed=one.seed - 10), "the one before is not finished"
    time.sleep(0.05 * (one.seed % 10))
    return toy(root, specs, watch)


def failing(root: Path, specs: Sequence[RunSpec], watch: Watch) -> list[Run]:
    if specs[0].seed == 1:
        raise ValueError("seed 1 can't be made")
    return toy(root, specs, watch)


def dying(root: Path, specs: Sequence[RunSpec], watch: Watch) -> list[Run]:
    if specs[0].seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return toy(root, specs, watch)


def chains(specs: Sequence[RunSpec], width: int) -> list[list[list[RunSpec]]]:
    """Every pack for itself."""
    return [[pack] for pack in packs(specs, width)]


def run(
    executor: Callable[..., object], work: object, root: Path
) -> tuple[list[Run], list[Progress]]:
    news: list[Progress] = []
    specs = [spec(seed=i) for i in range(5)]
    made = list(executor(partial(work, root), chains(specs, 2), news.append))  # type: ignore[arg-type, call-arg]
    return made, news


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[str, tuple[list[Run], list[Progress]]]:
    root = tmp_path_factory.mktemp("executors")
    return {
        "serial": run(serial(), toy, root / "serial"),
        "processes": run(processes(workers=2), toy, root / "processes"),
    }


def test_the_same_files_come_out(both):
    def files(runs: list[Run]) -> dict[str, bytes]:
        return {
            f"{x.id}/{path.name}": path.read_bytes()
            for x in runs
            for path in sorted(x.folder.iterdir())
        }

    assert files(both["serial"][0]) == files(both["processes"][0])
    assert len(both["processes"][0]) == 5


def test_news_arrive_in_this_process(both):
    for made, news in both.values():
        assert sum(len(x.specs) for x in news) == len(made)
    here = str(os.getpid())
    assert {x.stage for x in both["serial"][1]} == {here}
    assert here not in {x.stage for x in both["processes"][1]}


def test_a_worker_has_one_thread(both):
    assert {x.numbers["threads"] for x in both["processes"][1]} == {1.0}


def test_the_packs_of_a_chain_are_made_in_order(tmp_path):
    """Two at a time; threads do for processes here."""
    made = [[[spec(seed=10 * i + k)] for i in range(3)] for k in (2, 0, 1)]
    with ThreadPoolExecutor(2) as pool:
        work = partial(following, tmp_path / "processes", watch=lambda news: None)
        list(finished(lambda pack, again: pool.submit(work, pack), made, lambda: None))
    list(serial()(partial(following, tmp_path / "serial"), made, lambda news: None))
    for folder in ("processes", "serial"):
        assert len(RunStore(tmp_path / folder).find()) == 9


def test_a_pack_whose_worker_dies_is_tried_once_more_and_then_given_up():
    """Packs are numbers here: 1 dies once, 2 always; both chains go on."""
    tried: list[tuple[int, bool]] = []

    def submit(pack: Sequence[int], again: bool) -> Future[list[int]]:
        tried.append((*pack, again))
        future: Future[list[int]] = Future()
        if pack == [2] or (pack == [1] and not again):
            future.set_exception(InterruptedError(f"the worker of {pack[0]}"))
        else:
            future.set_result(list(pack))
        return future

    def lost(pack: Sequence[int], error: Exception) -> list[int]:
        assert str(error) == "the worker of 2"
        return [-x for x in pack]

    chained, none = [[[1], [3]], [[2], [4]]], lambda: None
    made = finished(submit, chained, none, (InterruptedError,), lost)
    assert sorted(x for some in made for x in some) == [-2, 1, 3, 4]
    assert sorted(tried) == [
        *[(1, False), (1, True), (2, False), (2, True)],
        *[(3, False), (4, False)],
    ]
    with pytest.raises(InterruptedError, match="the worker of 2"):
        list(finished(submit, [[[2]]], none, (InterruptedError,)))
    assert len(tried) == 8
    with pytest.raises(InterruptedError, match="the worker of 1"):
        list(finished(submit, [[[1]]], none))
    assert len(tried) == 9


def test_a_worker_that_was_given_up_may_still_finish_its_run(runs):
    """Whoever gets its pack waits for it, and does not make the run again."""
    one, two = spec(seed=1), spec(seed=2)
    begun = threading.Event()

    def given_up() -> None:
        with runs.begin([one, two]):
            begun.set()
            time.sleep(0.7)
            runs.finish(one, RunRecord("finished"), {"x": torch.ones(1)})

    thread = threading.Thread(target=given_up)
    thread.start()
    begun.wait()
    with pytest.raises(BlockingIOError, match="another process is making"):
        _unfinished([one, two], runs)
    assert _patiently(lambda: _unfinished([one, two], runs)) == [two]
    thread.join()
    made = _lost(runs, [one, two], "Why")
    reasons = {x.spec.seed: (x.record.status, x.record.reason) for x in made}
    assert reasons == {1: ("finished", ""), 2: ("failed", "lost: its worker died twice (Why)")}
    assert not list(runs.root.rglob(".*"))


@pytest.mark.parametrize("executor", [serial(), processes(workers=1)], ids=["serial", "processes"])
def test_an_error_stops_the_work_and_keeps_what_is_finished(tmp_path, executor):
    specs = [spec(seed=i) for i in range(3)]
    with pytest.raises(ValueError, match="seed 1 can't be made"):
        list(executor(partial(failing, tmp_path), chains(specs, 1), lambda news: None))
    assert [x.spec.seed for x in RunStore(tmp_path).find()][:1] == [0]
    assert specs[1] in RunStore(tmp_path).missing(specs)


def test_a_worker_that_dies_is_said_in_one_line(tmp_path):
    specs = [spec(seed=i) for i in range(2)]
    with pytest.raises(OSError, match="a worker died") as caught:
        list(processes(workers=1)(partial(dying, tmp_path), chains(specs, 1), lambda news: None))
    assert "\n" not in str(caught.value)
    assert specs[1] in RunStore(tmp_path).missing(specs)


def test_nothing_to_do_is_no_work(tmp_path):
    assert list(serial()(partial(toy, tmp_path), [], lambda news: None)) == []
    assert not list(tmp_path.iterdir())
