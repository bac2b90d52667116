"""Renders in the layout of GPTEval3D (Wu et al., arXiv 2401.04092): ``<method>/<prompt-id>/<seed>/rgb_<k>.png``.

Normal maps that lie beside are not read.
"""

import math
import re
from pathlib import Path

import numpy as np

from esd_bench.adapters import NO_SEED, Entry, Pictures
from esd_bench.adapters._layouts import DEPTH, cameras_in, is_gpteval3d
from esd_bench.adapters._stills import listing, lossy, read_all
from esd_bench.adapters._turntable import Key, Last, Turntable, Way, thumb, without
from esd_bench.adapters._walk import any_inside, find, only

DISTANCE, FOV = 1.5, math.radians(70)
"""The cameras that its authors ask for: threestudio's."""


def reads(path: Path) -> bool:
    """Whether it is such a folder, or one with such folders in it."""
    return not cameras_in(path) and any_inside(path, is_gpteval3d, DEPTH)


def items(path: Path) -> list[Entry]:
    """All assets below a folder. Names come from the three folders around the pictures; a seed may be named, as ``seed_1``."""
    found = (x.resolve() for x in find(path, is_gpteval3d, DEPTH))
    return [Entry(x, x.parent.parent.name, x.parent.name, _seed(x.name)) for x in found]


def gpteval3d(
    path: Path,
    /,
    *,
    elevation: float = 15.0,
    start: float = 0.0,
    way: Way = "counterclockwise",
    last: Last = "auto",
    views: int = 0,
    key: Key = "none",
) -> Pictures:
    """A ring of pictures by their numbers, without the last one where it is the first again.

    Args:
        path: the folder of one seed.
        elevation: of the cameras, in degrees.
        start: azimuth of the first picture in degrees; 0 sees the front.
        way: how the camera goes, seen from above: counterclockwise or clockwise.
        last: the last picture: auto drops it if it is the first again; or drop, or keep.
        views: how many pictures to take, spread evenly; 0 is all.
        key: background colour to be made transparent: white, grey, black or none.

    Raises:
        ValueError: in one line, when pictures are missing, broken, or of several sizes.
    """
    folder = only(list(find(path, is_gpteval3d, DEPTH)), path, "assets of GPTEval3D's layout")
    said = Turntable(elevation, start, way, last, views, DISTANCE, FOV)
    paths = listing(folder, "[rR][gG][bB]_*")
    rgba = read_all(paths)
    chosen = said.choose(np.stack([thumb(x) for x in rgba]), folder)
    made = chosen.views(without(rgba[chosen.indices], key))
    format_ = next(filter(None, map(lossy, paths)), "")
    return Pictures(
        {made.protocol: made}, {**chosen.facts, **({"lossy": format_} if format_ else {})}
    )


def _seed(name: str) -> int:
    found = re.search(r"[0-9]{1,18}\Z", name)
    return int(found[0]) if found else NO_SEED
