"""Pictures that go once round an object: which to take, and where the camera stood."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from scipy import ndimage
from torch import Tensor

from esd_bench.adapters import Refused
from esd_bench.cameras import DISTANCE, FOV, orbit
from esd_bench.views import BACKGROUNDS, ViewSet

Way = Literal["counterclockwise", "clockwise"]
"""How the camera goes, seen from above; an object that is turned goes the other way."""
Last = Literal["auto", "drop", "keep"]
"""What to do with a last picture that is the first again."""
Key = Literal["none", "white", "grey", "black"]
"""The colour that is background wherever it reaches the edge of the picture."""
AGAIN = 0.25
"""The last picture is the first again if it differs from it by less than this part of an ordinary step."""
TOLERANCE = 12
"""Of a key colour, in 255ths: what lossy video does to it."""
THUMB = 64


@dataclass(frozen=True)
class Turntable:
    """What somebody says of their pictures.

    Attributes:
        elevation, start: degrees; ``start`` is the azimuth of the first picture.
        way: of the camera.
        last: what to do with a repeated last picture.
        views: how many to take, spread evenly; 0 is all.
        distance, fov: of the camera, the angle in radians.
    """

    elevation: float = 15.0
    start: float = 0.0
    way: Way = "counterclockwise"
    last: Last = "auto"
    views: int = 0
    distance: float = DISTANCE
    fov: float = FOV

    def __post_init__(self) -> None:
        if not -90 <= self.elevation <= 90:
            raise Refused(f"an elevation lies between -90 and 90 degrees, not {self.elevation:g}")
        if self.views < 0:
            raise Refused(f"{self.views} views can't be taken; 0 takes all")

    def choose(self, thumbs: UInt8[np.ndarray, "n h w c"], name: object) -> "Chosen":
        """Which pictures to take, by small copies of all of them.

        Raises:
            ValueError: when there are too few.
        """
        twice = again(thumbs) if self.last == "auto" else self.last == "drop"
        there = len(thumbs) - twice
        if there < 2:
            raise ValueError(f"{name} holds a single picture; a turntable has two at least")
        if self.views > there:
            raise Refused(f"{name} holds {there} different views, not {self.views}")
        count = self.views or there
        indices = [i * there // count for i in range(count)]
        facts = {"pictures": len(thumbs), "last is first again": bool(twice)}
        return Chosen(self, indices, there, facts)


@dataclass(frozen=True)
class Chosen:
    """Pictures of a turntable.

    Attributes:
        turntable: what was said.
        indices: the pictures taken.
        there: the different pictures of a whole turn.
        facts: for the record.
    """

    turntable: Turntable
    indices: list[int]
    there: int
    facts: dict[str, Any] = field(default_factory=dict)

    def views(self, rgba: UInt8[np.ndarray, "n h w 4"]) -> ViewSet:
        """The chosen pictures with their cameras, under an honest name."""
        said = self.turntable
        sign = 1 if said.way == "counterclockwise" else -1
        turn = (
            sign * torch.tensor(self.indices, dtype=torch.float64) / self.there + said.start / 360
        )
        turn = (torch.remainder(turn + 0.5, 1) - 0.5) * 2 * torch.pi
        tilt = torch.deg2rad(torch.full((len(turn),), said.elevation))
        at = orbit(turn.float(), tilt, said.distance, said.fov, rgba.shape[1])
        name = f"ring:{said.elevation:g}:{len(rgba)}"
        return ViewSet(tensor(rgba), at.sized(rgba.shape[1], rgba.shape[2]), name)


def tensor(rgba: UInt8[np.ndarray, "n h w 4"]) -> UInt8[Tensor, "n 4 h w"]:
    """Pictures as view sets hold them."""
    return torch.from_numpy(rgba).permute(0, 3, 1, 2).contiguous()


def thumb(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "a b c"]:
    """A small copy: averages of blocks, so that noise of a lossy format goes."""
    block = max(1, min(picture.shape[:2]) // THUMB)
    high, wide = (x // block for x in picture.shape[:2])
    cut = picture[: high * block, : wide * block].reshape(high, block, wide, block, -1)
    return (cut.mean((1, 3)) + 0.5).astype(np.uint8)


def again(thumbs: UInt8[np.ndarray, "n h w c"]) -> bool:
    """Whether the last picture is the first: far closer to it than neighbours are to each other.

    Pictures that are all alike tell nothing, and none is dropped.
    """
    if len(thumbs) < 3:
        return False
    steps = [_apart(a, b) for a, b in pairwise(thumbs)]
    return _apart(thumbs[0], thumbs[-1]) < AGAIN * float(np.median(steps))


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def without(rgba: UInt8[np.ndarray, "n h w 4"], key: Key) -> UInt8[np.ndarray, "n h w 4"]:
    """Pictures with their background made transparent: the key colour as far as it reaches in from the edges.

    Over the key colour they look as before.
    """
    if key == "none":
        return rgba
    colour = np.round(np.array(BACKGROUNDS[key]) * 255).astype(np.int16)
    made = rgba.copy()
    for picture in made:
        like = (np.abs(picture[..., :3] - colour) <= TOLERANCE).all(-1)
        parts, _ = ndimage.label(like)
        edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        picture[np.isin(parts, edge[edge > 0]), 3] = 0
    return made
