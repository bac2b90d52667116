"""One pack after the other, in this process."""

from collections.abc import Iterable, Iterator, Sequence

from esd_bench.engines import Watch
from esd_bench.executors import Executor, Work
from esd_bench.spec import RunSpec
from esd_bench.store import Run


def serial() -> Executor:
    """Work on one pack after the other."""

    def run(work: Work, packs: Iterable[Sequence[RunSpec]], watch: Watch) -> Iterator[Run]:
        for pack in packs:
            yield from work(pack, watch)

    return run
