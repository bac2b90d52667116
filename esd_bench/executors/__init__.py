"""Contract of an executor: where packs are worked on.

``executors/NAME.py`` holds a function ``NAME(...) -> Executor``. Packs are of specs to be made, or of runs to be scored.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

Item = TypeVar("Item")
Made = TypeVar("Made")

Tell: TypeAlias = Callable[[Any], None]
"""Is told of progress."""

Work: TypeAlias = Callable[[Sequence[Item], Tell], list[Made]]
"""Does one pack, telling of its progress; can be pickled. What is done already it finds in the store and doesn't do again."""

Chain: TypeAlias = Sequence[Sequence[Item]]
"""Packs to be done in order: the later ones may start from what the first left."""

Lost: TypeAlias = Callable[[Sequence[Item], str], list[Made]]
"""Says what came of a pack whose worker died, and that of its second try as well, and why it died."""


@runtime_checkable
class Executor(Protocol):
    """Works on chains of packs and hands back what came of them as it comes; ``watch`` and ``lost`` are called in this process.

    Whoever can't tell whose worker died raises OSError, as does everybody without ``lost``.
    """

    def __call__(
        self,
        work: Work[Item, Made],
        chains: Iterable[Chain[Item]],
        watch: Tell,
        lost: Lost[Item, Made] | None = None,
    ) -> Iterator[Made]: ...
