"""Cameras that lie beside pictures: our own ``cameras.json``, ``transforms.json`` of NeRF and instant-ngp, a CSV of angles."""

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.adapters._layouts import CAMERAS
from esd_bench.adapters._stills import KINDS, MOST, file_in, opened
from esd_bench.cameras import DISTANCE, FOV, Cameras, orbit

BYTES = 2**24
"""Most bytes of such a file."""
IGNORED = ("k1", "k2", "k3", "k4", "p1", "p2")
"""Lens distortion, which is not undone."""


@dataclass(frozen=True)
class Posed:
    """Pictures and the cameras that took them.

    Attributes:
        paths: the pictures, perhaps of a whole folder where the file does not name them.
        cameras: in our own axes, the object in the unit ball.
        facts: for the record.
    """

    paths: list[Path]
    cameras: Cameras
    facts: dict[str, Any] = field(default_factory=dict)


Listing = Callable[[], list[Path]]
Read = Callable[[Path, Listing, Float[Tensor, "3 3"]], Posed]


def read(folder: Path, name: str, listing: Listing, axes: Float[Tensor, "3 3"]) -> Posed:
    """The cameras of a folder.

    Args:
        folder: with the pictures.
        name: of the file; its ending says how to read it, unless it is one of :data:`CAMERAS`.
        listing: the folder's pictures by number.
        axes: rows are our x, y, z in the axes of the file, where these are its own.

    Raises:
        ValueError: in one line.
    """
    path = file_in(folder, name)
    if path.stat().st_size > BYTES:
        raise ValueError(f"{path} is too large for a file of cameras")
    reader = READERS.get(name) or (angles if name.lower().endswith(".csv") else transforms)
    try:
        found = reader(path, listing, axes)
    except (
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        OSError,
    ) as error:
        raise ValueError(f"{path} is no file of cameras: {_line(error)}") from None
    except (ValueError, csv.Error) as error:
        ours = str(error).startswith(str(folder))
        raise ValueError(str(error) if ours else f"{path}: {_line(error)}") from None
    at = found.cameras
    if not len(at) or len(at) != len(found.paths) or len(at) > MOST:
        raise ValueError(f"{path} has {len(at)} cameras for {len(found.paths)} pictures")
    if not (at.c2w.isfinite().all() and (at.fov > 0).all() and (at.fov < math.pi).all()):
        raise ValueError(f"{path} has a camera that is not finite or sees nothing")
    return found


def _line(error: Exception) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())}"[:200]


def own(path: Path, listing: Listing, axes: Float[Tensor, "3 3"]) -> Posed:
    """``cameras.json`` of a view set, whose pictures are 000.png and on."""
    at = Cameras.from_json(dict(json.loads(path.read_text(encoding="utf-8"))))
    if len(at) > MOST or at.fov.shape != (len(at),):
        raise ValueError(f"{path} has {len(at)} cameras and {at.fov.numel()} fields of view")
    _rigid(at.c2w, path)
    return Posed([file_in(path.parent, f"{i:03d}.png") for i in range(len(at))], at)


def angles(path: Path, listing: Listing, axes: Float[Tensor, "3 3"]) -> Posed:
    """A table with the columns azimuth and elevation in degrees, and perhaps file; else pictures are taken by number."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, strict=True))
    if not rows or not {"azimuth", "elevation"} <= set(rows[0]):
        raise ValueError(f"{path} needs the columns azimuth and elevation, in degrees")
    turn, tilt = (
        torch.deg2rad(torch.tensor([float(row[x]) for row in rows], dtype=torch.float64))
        for x in ("azimuth", "elevation")
    )
    if not (tilt.abs() <= math.pi / 2 + 1e-9).all():
        raise ValueError(f"{path} has an elevation that is not between -90 and 90 degrees")
    at = orbit(torch.remainder(turn, 2 * math.pi).float(), tilt.float(), DISTANCE, FOV, 1)
    named = "file" in rows[0]
    paths = [file_in(path.parent, row["file"]) for row in rows] if named else listing()
    return Posed(paths, at)


def transforms(path: Path, listing: Listing, axes: Float[Tensor, "3 3"]) -> Posed:
    """``transforms.json``: camera-to-world matrices in OpenGL's axes, as ours, in a world of its own.

    Where the object is and how large, the file does not say: it is put where the cameras look, and they to where the unit
    ball fills their pictures as it fills our own views'.
    """
    value = dict(json.loads(path.read_text(encoding="utf-8")))
    frames = [dict(x) for x in value["frames"][: MOST + 1]]
    paths = [_picture(path.parent, str(x["file_path"])) for x in frames]
    c2w = (
        torch.stack([_matrix(x["transform_matrix"]) for x in frames])
        if frames
        else torch.zeros(0, 4, 4)
    )
    _rigid(c2w, path)
    sizes = [_size({**value, **x}, p) for x, p in zip(frames, paths, strict=True)]
    fov = [_fov({**value, **x}, size) for x, size in zip(frames, sizes, strict=True)]
    at = Cameras(c2w.double(), torch.tensor(fov, dtype=torch.float64), 1, 1)
    placed, facts = _placed(at, axes)
    distorted = any(float(value.get(x) or 0) for x in IGNORED)
    return Posed(paths, placed, {**facts, **({"distortion": "not undone"} if distorted else {})})


def _picture(folder: Path, name: str) -> Path:
    """A frame's picture; NeRF's own files leave out the ending."""
    if Path(name).suffix.lower() in KINDS:
        return file_in(folder, name)
    found = [name + x for x in KINDS if (folder / (name + x)).is_file()]
    return file_in(folder, found[0] if found else name)


def _matrix(value: Any) -> Float[Tensor, "4 4"]:
    given = torch.tensor(value, dtype=torch.float64)
    if given.shape not in ((3, 4), (4, 4)):
        raise TypeError(f"a camera is a 4 x 4 matrix, not {tuple(given.shape)}")
    made = torch.eye(4, dtype=torch.float64)
    made[:3] = given[:3]
    return made


def _rigid(c2w: Float[Tensor, "n 4 4"], path: Path) -> None:
    """Refuse what is no camera: axes of unequal length, or mirrored."""
    turn = c2w[:, :3, :3].double()
    square = turn.transpose(1, 2) @ turn
    whole = (square - torch.eye(3, dtype=torch.float64)).abs().amax((1, 2)) < 1e-2
    bad = (~(whole & (torch.linalg.det(turn.nan_to_num()) > 0))).nonzero()[:, 0]
    if len(bad):
        raise ValueError(f"{path}: the matrix of camera {int(bad[0])} is no rotation and position")


def _size(said: Mapping[str, Any], path: Path) -> tuple[float, float]:
    """Width and height that intrinsics are given for."""
    if "w" in said and "h" in said:
        return float(said["w"]), float(said["h"])
    with opened(path) as image:
        return image.size


def _fov(said: Mapping[str, Any], size: tuple[float, float]) -> float:
    """Vertical field of view."""
    wide, high = size
    if "camera_angle_y" in said:
        return float(said["camera_angle_y"])
    if "fl_y" in said or "fl_x" in said:
        focal = float(said.get("fl_y") or said["fl_x"])
    else:
        focal = wide / 2 / math.tan(float(said["camera_angle_x"]) / 2)
    return 2 * math.atan(high / 2 / focal) if focal > 0 else math.nan


def _placed(at: Cameras, axes: Float[Tensor, "3 3"]) -> tuple[Cameras, dict[str, Any]]:
    """The same cameras in our axes, moved so that the object is in the unit ball."""
    centre = _looked_at(at)
    away = (at.position - centre).norm(dim=1) * torch.sin(at.fov / 2)
    radius = float(away.median()) if len(at) else 1.0
    if not 0 < radius < math.inf:
        raise ValueError("its cameras stand where they look")
    scale = DISTANCE * math.sin(FOV / 2) / radius
    turn = axes.double()
    c2w = at.c2w.clone()
    c2w[:, :3, 3] = (at.position - centre) * scale
    c2w[:, :3] = turn @ c2w[:, :3]
    facts = {"centre": [round(x, 6) for x in centre.tolist()], "radius": round(1 / scale, 6)}
    return Cameras(c2w.float(), at.fov.float(), 1, 1), facts


def _looked_at(at: Cameras) -> Float[Tensor, " 3"]:
    """The point nearest to all optical axes; the origin where there is none, as of parallel ones."""
    back = at.c2w[:, :3, 2]
    across = torch.eye(3, dtype=back.dtype) - back[:, :, None] * back[:, None, :]
    whole = across.sum(0)
    if not len(at) or float(torch.linalg.eigvalsh(whole)[0]) < 1e-3 * len(at):
        return torch.zeros(3, dtype=back.dtype)
    return torch.linalg.solve(whole, (across @ at.position[:, :, None]).sum(0))[:, 0]


READERS: dict[str, Read] = dict(zip(CAMERAS, (own, transforms, angles), strict=True))
