"""A folder of pictures of one asset, with a file of cameras, as a turntable, or in no order at all."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from esd_bench.adapters import Pictures, Refused
from esd_bench.adapters._camera_files import read as read_cameras
from esd_bench.adapters._layouts import DEPTH, cameras_in, is_gpteval3d, is_trial
from esd_bench.adapters._posed import name_of, same_direction, unknown
from esd_bench.adapters._stills import KINDS, listing, lossy, read_all
from esd_bench.adapters._turntable import Key, Last, Turntable, Way, tensor, thumb, without
from esd_bench.adapters._walk import any_inside
from esd_bench.axes import axes
from esd_bench.views import ViewSet

SOLIDS = (".obj", ".glb", ".gltf", ".ply", ".stl", ".off", ".splat", ".fbx", ".dae", ".usdz")
"""Beside these, pictures are textures."""
Arranged = Literal["auto", "ring", "unordered"]


def reads(path: Path) -> bool:
    """Whether it is a folder with a file of cameras, or with pictures and nothing that has its own adapter."""
    with suppress(OSError):
        if not path.is_dir() or is_trial(path):
            return False
        endings = {x.suffix.lower() for x in path.iterdir() if x.name[0] != "."}
        bare = bool(endings & set(KINDS)) and not endings & set(SOLIDS)
        return bool(cameras_in(path)) or (bare and not any_inside(path, _others, DEPTH))
    return False


def _others(folder: Path) -> bool:
    return is_gpteval3d(folder) or is_trial(folder)


def pictures(
    path: Path,
    /,
    *,
    arranged: Arranged = "auto",
    cameras: str = "",
    pattern: str = "*",
    up: str = "+z",
    front: str = "-y",
    elevation: float = 15.0,
    start: float = 0.0,
    way: Way = "counterclockwise",
    last: Last = "auto",
    views: int = 0,
    columns: int = 1,
    key: Key = "none",
) -> Pictures:
    """Pictures by their numbers, or as a file of cameras names them.

    Without cameras they are in no order, unless they are said to be a ring: then what depends on where a camera stood
    can't be scored, and the rest can.

    Args:
        path: the folder.
        arranged: auto looks for a file of cameras, ring is a turntable, unordered leaves any cameras aside.
        cameras: name of the file of cameras in the folder; empty looks for cameras.json, transforms.json, cameras.csv.
        pattern: which names are pictures, such as ``rgb_*``.
        up: axis of transforms.json's world that points up.
        front: axis of it that the object's front looks along.
        elevation: of a ring, in degrees.
        start: azimuth of a ring's first picture in degrees; 0 sees the front.
        way: how a ring's camera goes, seen from above: counterclockwise or clockwise.
        last: a ring's last picture: auto drops it if it is the first again; or drop, or keep.
        views: how many pictures of a ring to take, spread evenly; 0 is all.
        columns: panes side by side in a picture, of which the first is taken.
        key: background colour to be made transparent: white, grey, black or none.

    Raises:
        ValueError: in one line, when something is missing, broken, too large, outside of the folder, or of several sizes.
    """
    name = cameras or cameras_in(path)
    if arranged == "auto" and name:
        return _posed(path, name, pattern, up, front, columns, key)
    paths = listing(path, pattern)
    if not paths:
        raise ValueError(f"{path} holds no pictures" + (f" {pattern}" if pattern != "*" else ""))
    rgba = read_all(paths, columns)
    if arranged == "ring":
        said = Turntable(elevation, start, way, last, views)
        chosen = said.choose(np.stack([thumb(x) for x in rgba]), path)
        made = chosen.views(without(rgba[chosen.indices], key))
        return _made(made, paths, **chosen.facts)
    at = unknown(len(rgba), *rgba.shape[1:3])
    made = ViewSet(tensor(without(rgba, key)), at, f"unposed:{len(rgba)}")
    return _made(made, paths, cameras="unknown")


def _posed(
    path: Path, name: str, pattern: str, up: str, front: str, columns: int, key: Key
) -> Pictures:
    """With cameras; a last one that stands where the first does is left out."""
    found = read_cameras(path, name, lambda: listing(path, pattern), _turn(up, front))
    count = len(found.paths)
    twice = count > 2 and same_direction(found.cameras, 0, count - 1)
    paths, at = found.paths[: count - twice], found.cameras[: count - twice]
    rgba = read_all(paths, columns)
    at = replace(at, height=rgba.shape[1], width=rgba.shape[2])
    made = ViewSet(tensor(without(rgba, key)), at, name_of(at))
    return _made(made, paths, cameras=name, **{"last is first again": twice}, **found.facts)


def _turn(up: str, front: str) -> Float[Tensor, "3 3"]:
    """Rows are our axes in the file's."""
    try:
        return axes(up, front).T
    except ValueError as error:  # the user's, and no fault of the asset
        raise Refused(str(error)) from None


def _made(views: ViewSet, paths: Sequence[Path], **facts: object) -> Pictures:
    format_ = next(filter(None, map(lossy, paths)), "")
    told = {"pictures": len(paths), **facts, **({"lossy": format_} if format_ else {})}
    return Pictures({views.protocol: views}, told)
