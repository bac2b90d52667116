"""One pack after the other, in this process."""

from collections.abc import Iterable, Iterator

from esd_bench.executors import Chain, Executor, Item, Lost, Made, Tell, Work


def serial() -> Executor:
    """Work on one pack after the other."""

    def run(
        work: Work[Item, Made],
        chains: Iterable[Chain[Item]],
        watch: Tell,
        lost: Lost[Item, Made] | None = None,
    ) -> Iterator[Made]:
        for chain in chains:
            for pack in chain:
                yield from work(pack, watch)

    return run
