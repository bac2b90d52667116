"""Several packs at once, each in a process of its own: small scenes on a CPU, which one thread serves as fast as two."""

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from esd_bench.engines import Watch
from esd_bench.executors import Chain, Executor, Work
from esd_bench.spec import RunSpec
from esd_bench.store import Run


def processes(workers: int = 2) -> Executor:
    """Work on several packs at once, one thread each.

    Two torch processes of two threads on two cores slow each other about thirty times, so a worker has one.

    Args:
        workers: how many processes.
    """

    def run(work: Work, chains: Iterable[Chain], watch: Watch) -> Iterator[Run]:
        context = multiprocessing.get_context("spawn")
        with context.Manager() as manager:
            news = manager.Queue()
            with ProcessPoolExecutor(workers, context, _single_threaded) as pool:

                def submit(pack: Sequence[RunSpec]) -> Future[list[Run]]:
                    return pool.submit(work, list(pack), news.put)

                try:
                    for made in _finished(submit, chains, lambda: _pass_on(news, watch)):
                        yield from made
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for child in multiprocessing.active_children():
                        child.terminate()
                    raise

    return run


def _finished(
    submit: Callable[[Sequence[RunSpec]], Future[list[Run]]],
    chains: Iterable[Chain],
    meanwhile: Callable[[], None],
) -> Iterator[list[Run]]:
    """Packs as they come; the next one of a chain goes to work when the one before it is done."""
    waiting: dict[Future[list[Run]], Chain] = {}

    def begin(chain: Chain) -> None:
        if chain:
            waiting[submit(chain[0])] = chain[1:]

    for chain in chains:
        begin(chain)
    while waiting:
        done, _ = wait(waiting, 0.2, FIRST_COMPLETED)
        meanwhile()
        for future in done:
            made = _result(future)
            begin(waiting.pop(future))
            yield made


def _result(future: Future[list[Run]]) -> list[Run]:
    try:
        return future.result()
    except BrokenProcessPool:
        raise OSError(
            "a worker died, killed or out of memory; run again to go on, or use fewer workers"
        ) from None


def _pass_on(news: Any, watch: Watch) -> None:
    while True:
        try:
            watch(news.get_nowait())
        except queue.Empty:
            return


def _single_threaded() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
