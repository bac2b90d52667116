"""Contract of an engine: what turns a pack of specs into finished run folders.

``engines/NAME.py`` holds a function ``NAME(...) -> Engine``. ``native`` distils here; another framework can stand behind
the same call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from esd_bench.spec import RunSpec
from esd_bench.store import Run, RunStore


@dataclass(frozen=True)
class Progress:
    """News of a pack, for progress bars and logs.

    Attributes:
        specs: the members.
        step, steps: done and in all.
        stage: name of the method at work.
        numbers: residual, student loss and the like, averaged over the members.
    """

    specs: Sequence[RunSpec]
    step: int
    steps: int
    stage: str
    numbers: Mapping[str, float]


Watch: TypeAlias = Callable[[Progress], None]
"""Is told of progress."""


@dataclass(frozen=True)
class Orders:
    """How to run, as against what.

    Attributes:
        device: "cpu" or "cuda".
        width: members of a pack; shorter packs are padded to it, since width may change bits.
        checkpoint: steps between checkpoints; 0 leaves them to the engine.
        graph: capture steps in a CUDA graph.
        pins: file name -> SHA-256 of the only files that a prior may load; empty allows all.
    """

    device: str
    width: int
    checkpoint: int
    graph: bool
    pins: Mapping[str, str]


@runtime_checkable
class Engine(Protocol):
    """Makes the runs of a pack: specs that differ in prompt and seed only."""

    def __call__(
        self, specs: Sequence[RunSpec], store: RunStore, orders: Orders, watch: Watch
    ) -> list[Run]: ...
