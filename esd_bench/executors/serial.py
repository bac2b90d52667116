"""One pack after the other, in this process."""

from collections.abc import Iterable, Iterator

from esd_bench.engines import Watch
from esd_bench.executors import Chain, Executor, Work
from esd_bench.store import Run


def serial() -> Executor:
    """Work on one pack after the other."""

    def run(work: Work, chains: Iterable[Chain], watch: Watch) -> Iterator[Run]:
        for chain in chains:
            for pack in chain:
                yield from work(pack, watch)

    return run
