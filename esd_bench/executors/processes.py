"""Several packs at once, each in a process of its own: small scenes on a CPU, which one thread serves as fast as two."""

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import torch

from esd_bench.engines import Watch
from esd_bench.executors import Chain, Executor, Work
from esd_bench.executors._chains import finished, pass_on
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
                    for made in finished(submit, chains, lambda: pass_on(news, watch)):
                        yield from made
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for child in multiprocessing.active_children():
                        child.terminate()
                    raise

    return run


def _single_threaded() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
