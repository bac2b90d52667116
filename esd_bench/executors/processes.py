"""Several packs at once, each in a process of its own: small scenes on a CPU, which one thread serves as fast as two."""

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch

from esd_bench.executors import Chain, Executor, Item, Lost, Made, Tell, Work
from esd_bench.executors._chains import finished, pass_on


def processes(workers: int = 2) -> Executor:
    """Work on several packs at once, one thread each.

    Two torch processes of two threads on two cores slow each other about thirty times, so a worker has one.

    Args:
        workers: how many processes.

    Raises:
        OSError: when one of them died: the pool does not tell which pack it had.
    """
    if workers < 1:
        raise ValueError(f"one worker at least, not {workers}")

    def run(
        work: Work[Item, Made],
        chains: Iterable[Chain[Item]],
        watch: Tell,
        lost: Lost[Item, Made] | None = None,
    ) -> Iterator[Made]:
        context = multiprocessing.get_context("spawn")
        with context.Manager() as manager:
            news = manager.Queue()
            with ProcessPoolExecutor(workers, context, _single_threaded) as pool:

                def submit(pack: Sequence[Item], again: bool) -> Future[list[Made]]:
                    return pool.submit(work, list(pack), news.put)

                try:
                    for made in finished(submit, chains, lambda: pass_on(news, watch)):
                        yield from made
                except BaseException as error:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for child in multiprocessing.active_children():
                        child.terminate()
                    if isinstance(error, BrokenProcessPool):
                        raise OSError(
                            "a worker died, killed or out of memory; run again to go on, or use fewer workers"
                        ) from None
                    raise

    return run


def _single_threaded() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
