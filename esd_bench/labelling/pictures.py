"""Turntables, grids and meshes as bytes that tell nothing of the method: pictures drawn anew, names and extras taken out.

A picture of n views is one sheet, so that a card is a few requests and a turntable never waits.
"""

import io
import json
import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from esd_bench.labelling.study import Asset, Study
from esd_bench.paths import inside

RING_SIDE = 512
GRID_SIDE = 128
"""Largest side of a view in pixels; larger ones are made smaller, smaller ones stay."""
MOST_VIEWS = 400
LARGEST_SIDE = 4096
LARGEST_MESH = 64 * 2**20


@dataclass(frozen=True)
class Sheet:
    """Views side by side on white, row by row; those of a turntable by rising azimuth.

    Attributes:
        png: the picture.
        count, columns: how many views, and in how many columns.
        width, height: of one view in pixels.
    """

    png: bytes
    count: int
    columns: int
    width: int
    height: int


@lru_cache(maxsize=48)
def turntable(asset: Asset) -> Sheet:
    """The ring of views, from the front round by rising azimuth.

    Raises:
        ValueError: when the views can't be read.
    """
    order, size = _cameras(asset.folder / "views" / asset.ring)
    return _sheet(asset.folder, asset.ring, order, RING_SIDE / max(size), math.isqrt(len(order)))


@lru_cache(maxsize=48)
def grid(asset: Asset) -> Sheet:
    """All views of the sphere, in their own order: from the top down.

    Raises:
        ValueError: when the views can't be read.
    """
    order, size = _cameras(asset.folder / "views" / asset.sphere)
    columns = math.ceil(math.sqrt(len(order) * 1.2))
    return _sheet(asset.folder, asset.sphere, sorted(order), GRID_SIDE / max(size), columns)


def _cameras(folder: Path) -> tuple[list[int], tuple[int, int]]:
    """Numbers of the views by rising azimuth, and their size."""
    try:
        value = json.loads((folder / "cameras.json").read_text(encoding="utf-8"))
        size = int(value["width"]), int(value["height"])
        places = [(float(c2w[0][3]), float(c2w[2][3])) for c2w in value["camera_to_world"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"cannot read the cameras in {folder}: {error}") from None
    if not 1 <= len(places) <= MOST_VIEWS or not 1 <= min(size) <= max(size) <= LARGEST_SIDE:
        raise ValueError(f"{folder} has {len(places)} views of {size[0]} x {size[1]}")
    azimuths = [math.atan2(x, z) % math.tau for x, z in places]
    # A rounding error before the front is the front.
    order = sorted(range(len(places)), key=lambda i: (azimuths[i] + 1e-4) % math.tau)
    return order, size


def _sheet(root: Path, kind: str, order: list[int], scale: float, columns: int) -> Sheet:
    views = [_view(inside(root, f"views/{kind}/{i:03d}.png")) for i in order]
    side = views[0].size
    width, height = (max(1, round(x * min(1.0, scale))) for x in side)
    columns = max(1, columns)
    whole = Image.new("RGB", (columns * width, math.ceil(len(views) / columns) * height), "white")
    for place, view in enumerate(views):
        small = view if view.size == (width, height) else view.resize((width, height))
        whole.paste(small, (place % columns * width, place // columns * height))
    written = io.BytesIO()
    whole.save(written, "PNG", compress_level=3)
    return Sheet(written.getvalue(), len(views), columns, width, height)


def _view(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if max(image.size) > LARGEST_SIDE:
                raise ValueError(f"{path.name} is too large")
            seen = image.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is not a whole picture: {error}") from None
    white = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(white, seen).convert("RGB")


def has_mesh(asset: Asset) -> bool:
    """Whether the asset was exported as a GLB file that can be shown."""
    try:
        path = inside(asset.folder, asset.mesh.name)
    except ValueError:
        return False
    return path.is_file() and path.stat().st_size <= LARGEST_MESH


def solid(study: Study) -> bool:
    """Whether every asset can be shown in 3-D; if only some can, none is, because that tells methods apart."""
    return all(map(has_mesh, study.assets.values()))


def mesh(asset: Asset) -> bytes:
    """The GLB file without names and extras, which tell method and run.

    Raises:
        ValueError: when there is none, or it is none.
    """
    if not has_mesh(asset):
        raise ValueError("no mesh")
    content = inside(asset.folder, asset.mesh.name).read_bytes()
    try:
        magic, version, _, length, kind = struct.unpack_from("<4sIII4s", content)
        tree = _nameless(json.loads(content[20 : 20 + length]))
    except (struct.error, ValueError, RecursionError) as error:
        raise ValueError(f"no GLB file: {error}") from None
    if (magic, version, kind) != (b"glTF", 2, b"JSON") or not isinstance(tree, dict):
        raise ValueError("no GLB file")
    tree["asset"] = {"version": "2.0"}
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON")
    return head + text + rest


def _nameless(value: Any) -> Any:
    if isinstance(value, list):
        return [_nameless(x) for x in value]
    if not isinstance(value, dict):
        return value
    if "uri" in value:
        raise ValueError("it refers to other files")
    return {key: _nameless(x) for key, x in value.items() if key not in ("extras", "name")}
