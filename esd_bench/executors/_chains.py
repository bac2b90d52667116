"""Chains of packs on workers that answer by futures, and news that come through a queue."""

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from esd_bench.executors import Chain, Item, Made, Tell


def _nobody(pack: Sequence[Any], error: Exception) -> list[Any]:
    raise error


def finished(
    submit: Callable[[Sequence[Item], bool], Future[list[Made]]],
    chains: Iterable[Chain[Item]],
    meanwhile: Callable[[], None],
    died: tuple[type[Exception], ...] = (),
    lost: Callable[[Sequence[Item], Exception], list[Made]] = _nobody,
) -> Iterator[list[Made]]:
    """Packs as they come; the next one of a chain goes to work when the one before it is done.

    Args:
        submit: has a pack worked on, for the first or for the second time.
        chains: of packs.
        meanwhile: is called a few times a second.
        died: errors that say that a worker died; its pack is submitted once more.
        lost: says what came of a pack whose worker died the second time as well.
    """
    waiting: dict[Future[list[Made]], tuple[Chain[Item], bool]] = {}

    def begin(chain: Chain[Item], again: bool = False) -> None:
        if chain:
            waiting[submit(chain[0], again)] = chain, again

    for chain in chains:
        begin(chain)
    while waiting:
        done, _ = wait(waiting, 0.2, FIRST_COMPLETED)
        meanwhile()
        for future in done:
            chain, again = waiting.pop(future)
            made = _result(future, died)
            if isinstance(made, Exception) and not again:
                begin(chain, again=True)
                continue
            if isinstance(made, Exception):
                made = lost(chain[0], made)
            begin(chain[1:])
            yield made


def _result(
    future: Future[list[Made]], died: tuple[type[Exception], ...]
) -> list[Made] | Exception:
    try:
        return future.result()
    except died as error:
        return error


def pass_on(news: Any, watch: Tell) -> None:
    """Tell all the news in a queue."""
    while True:
        try:
            watch(news.get_nowait())
        except queue.Empty:
            return
