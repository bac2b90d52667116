"""Contract of an adapter: somebody's asset, as they have it, to something that can be looked at.

``adapters/NAME.py`` holds a function ``NAME(path, ...) -> Solid | Pictures`` and a function ``reads(path) -> bool``, which looks
at a name, a folder's content or a file's first bytes and never raises. An adapter raises ValueError with one line for a
file that is broken or hostile; it opens nothing outside the file's folder, fetches nothing, and unpickles nothing.
Optional: a function ``items(path) -> list[Entry]`` of a format whose folders hold several assets, each of which is then read
by itself; it lists also what turns out to be broken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor

from esd_bench.cameras import Cameras
from esd_bench.views import ViewSet


class Refused(ValueError):  # noqa: N818
    """An asset that is not broken, but more than was allowed, or made in a way that can't be read.

    It says nothing about the method that made it, so it is not counted as a failed run.
    """


Renderer = Literal["torch", "moderngl", "gsplat"]
"""Who draws: torch anything, moderngl meshes, gsplat splats; what the other two can't draw is torch's.

``adapters/_NAME.py`` of the other two has a function ``ready() -> str``, which names what draws, or raises ImportError or OSError.
"""
Look = Callable[[Cameras], UInt8[Tensor, "n 4 h w"]]
"""Cameras in the file's own axes and units to straight 8-bit RGBA."""


@dataclass(frozen=True)
class Solid:
    """An asset that can be looked at from anywhere, in the axes and units of its file.

    It is never moved: who frames it moves the cameras instead, so colours that depend on the view stay right.

    Attributes:
        look: takes its pictures.
        points: a sample of where its matter is, for framing.
        weights: of the points: area, or opacity times size.
        up, front: the file's axes where its format fixes them, as ``+y``; the user's choice comes first.
        facts: what a record should hold: counts, what was left out and why.
    """

    look: Look
    points: Float[Tensor, "k 3"]
    weights: Float[Tensor, " k"]
    up: str = "+y"
    front: str = "+z"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pictures:
    """An asset of which there are pictures only.

    Attributes:
        views: one set for each protocol, such as ``ring:15:120``; cameras in our own axes, object in the unit ball.
        facts: as above; ``lossy`` is the name of a lossy format that the pictures came from.
    """

    views: Mapping[str, ViewSet]
    facts: Mapping[str, Any] = field(default_factory=dict)


NO_SEED = -1


class Entry(NamedTuple):
    """One asset of a folder that holds several.

    Attributes:
        path: what to hand to the adapter.
        method: its name.
        prompt: a prompt's id in its set, or its text.
        seed: :data:`NO_SEED` where there is none; then they are counted.
    """

    path: Path
    method: str
    prompt: str
    seed: int


Adapter = Callable[..., Solid | Pictures]
