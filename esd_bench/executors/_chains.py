"""Chains of packs on workers that answer by futures, and news that come through a queue."""

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from esd_bench.engines import Watch
from esd_bench.executors import Chain
from esd_bench.spec import RunSpec
from esd_bench.store import Run


def finished(
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


def pass_on(news: Any, watch: Watch) -> None:
    """Tell all the news in a queue."""
    while True:
        try:
            watch(news.get_nowait())
        except queue.Empty:
            return
