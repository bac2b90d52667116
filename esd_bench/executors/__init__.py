"""Contract of an executor: where packs are worked on.

``executors/NAME.py`` holds a function ``NAME(...) -> Executor``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from esd_bench.engines import Watch
from esd_bench.spec import RunSpec
from esd_bench.store import Run

Work: TypeAlias = Callable[[Sequence[RunSpec], Watch], list[Run]]
"""Makes one pack, telling of its progress; can be pickled."""


Chain: TypeAlias = Sequence[Sequence[RunSpec]]
"""Packs to be made in order: the later ones may start from stages of the first."""


@runtime_checkable
class Executor(Protocol):
    """Runs chains of packs and hands back finished runs as they come; ``watch`` is called in this process."""

    def __call__(self, work: Work, chains: Iterable[Chain], watch: Watch) -> Iterator[Run]: ...
