"""One strip of turntable frames per asset, and one row of thumbnails per prompt."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from esd_bench.pages.assets import Asset, directions, hashed
from esd_bench.pages.folder import Folder

SIDE, FRAMES, QUALITY, VERSION = 128, 36, 78, 1
"""Largest side of a frame in pixels, most frames of a turn, quality of WebP; a strip made otherwise has another name."""
LEVEL = 35.0
"""Degrees of elevation up to which a view of another set than a ring may stand in for one."""


@dataclass(frozen=True)
class Strip:
    """A stored strip: its name in the report, how many frames, and their side in pixels."""

    name: str
    frames: int
    side: int


def strip(asset: Asset, folder: Folder) -> Strip | None:
    """The asset's frames by azimuth from the front on, side by side; None where it has no views.

    Raises:
        ValueError: when a view is missing or broken.
    """
    found = _views(asset)
    if found is None:
        return None
    place, chosen, side = found
    known = {k.replace(":", "-"): v for k, v in asset.record.get("views", {}).items()}
    digest = known.get(place.name) or _stamp(place)
    name = f"strips/{hashed(digest, SIDE, FRAMES, QUALITY, VERSION)}.webp"
    if not folder.has(name):
        folder.write(name, _webp([_frame(place, i, side) for i in chosen]))
    return Strip(name, len(chosen), side)


def _stamp(place: Path) -> str:
    return hashed(
        *(f"{x.name} {x.stat().st_size} {x.stat().st_mtime_ns}" for x in sorted(place.iterdir()))
    )


def _views(asset: Asset) -> tuple[Path, list[int], int] | None:
    """The folder of the views that go round the asset, which of them, and the side of a frame."""
    stored = sorted((asset.folder / "views").glob("*/cameras.json"))
    for path in sorted(stored, key=lambda x: not x.parent.name.startswith("ring")):
        try:
            cameras = json.loads(path.read_text(encoding="utf-8"))
            angles = directions(cameras)
            size = max(int(cameras["height"]), int(cameras["width"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"cannot read {path}: {error}") from None
        chosen = _around(angles)
        if chosen:
            return path.parent, chosen, min(SIDE, size)
    return None


def _around(angles: np.ndarray) -> list[int]:
    """Views near the horizon by rising azimuth from 0, at most ``FRAMES``, evenly thinned."""
    level = np.flatnonzero(np.abs(angles[:, 1]) <= LEVEL)
    turned = level[np.argsort(angles[level, 0].round(3) % 360, kind="stable")]
    count = min(FRAMES, len(turned))
    return [int(turned[i * len(turned) // count]) for i in range(count)]


def _frame(place: Path, index: int, side: int) -> Image.Image:
    """A view on white, its longer side as long as the frame's."""
    path = place / f"{index:03d}.png"
    try:
        with Image.open(path, formats=["PNG"]) as file:
            view = file.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a whole picture: {error}") from None
    ground = Image.new("RGBA", (max(view.size),) * 2, "white")
    ground.alpha_composite(
        view, ((ground.width - view.width) // 2, (ground.height - view.height) // 2)
    )
    picture = ground.convert("RGB")
    return (
        picture if picture.width == side else picture.resize((side, side), Image.Resampling.LANCZOS)
    )


def _webp(frames: Sequence[Image.Image]) -> bytes:
    width = frames[0].width
    page = Image.new("RGB", (width * len(frames), frames[0].height), "white")
    for i, frame in enumerate(frames):
        page.paste(frame, (i * width, 0))
    out = io.BytesIO()
    page.save(out, "WEBP", quality=QUALITY, method=3)
    return out.getvalue()


def thumbnails(strips: Sequence[Strip], folder: Folder, side: int = 64) -> Strip | None:
    """The fronts of some assets side by side: a prompt at a glance."""
    if not strips:
        return None
    name = f"thumbs/{hashed(*(x.name for x in strips), side, VERSION)}.webp"
    if not folder.has(name):
        folder.write(name, _webp([_front(folder.root / x.name, x.side, side) for x in strips]))
    return Strip(name, len(strips), side)


def _front(path: Path, size: int, side: int) -> Image.Image:
    with Image.open(path) as file:
        return file.crop((0, 0, size, size)).resize((side, side), Image.Resampling.LANCZOS)
