"""Pictures of a folder, one by one: nothing outside it is opened, nothing is unpacked before its size is known."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from esd_bench.adapters import Refused
from esd_bench.paths import by_number, inside

KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Endings of pictures; what is in a file decides, among these."""
SIDE = 4096
"""Most pixels of a side."""
BYTES = 2**30
"""Most bytes of all pictures of an asset, as RGBA."""
MOST = 4000
"""Most pictures of an asset."""
PIXELS = 2**32
"""Most pixels that are unpacked of a film, which bounds the time."""
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")

Rgba = UInt8[np.ndarray, "h w 4"]


def file_in(folder: Path, name: str) -> Path:
    """A file that lies in a folder, also after every link was followed.

    Raises:
        ValueError: when it lies elsewhere or is not there.
    """
    try:
        path = inside(folder, name)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    if not path.is_file():
        raise ValueError(f"{folder} has no file {name[:80]!r}")
    return path


def listing(folder: Path, pattern: str = "*") -> list[Path]:
    """The pictures that lie in a folder, by number.

    Raises:
        ValueError: when the folder can't be read or holds too many.
    """
    try:
        found = [
            x.name
            for x in folder.iterdir()
            if x.suffix.lower() in KINDS and x.name[0] != "." and x.match(pattern)
        ]
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {folder}: {error}") from None
    if len(found) > MOST:
        raise Refused(f"{folder} holds {len(found)} pictures; at most {MOST} can be read")
    return [file_in(folder, name) for name in sorted(found, key=by_number)]


def told(number: int) -> str:
    """A number that a file says, which may have hundreds of digits."""
    return str(number) if abs(number) < 10**12 else "very many"


def sized(name: str, size: tuple[int, int], count: int = 1) -> None:
    """Refuse what would not fit into memory.

    Raises:
        ValueError: saying so.
    """
    wide, high = size
    if not (0 < wide <= SIDE and 0 < high <= SIDE) or 4 * wide * high * count > BYTES:
        many = f"{count} pictures of " if count > 1 else ""
        across, down = map(told, size)
        raise Refused(f"{name}: {many}{across} x {down} pixels are more than can be read")


def endless(path: Path, done: int, size: tuple[int, int]) -> None:
    """Stop unpacking a film that goes on for too long.

    Raises:
        ValueError: saying so.
    """
    if done >= MOST or done * size[0] * size[1] > PIXELS:
        raise Refused(f"{path} has more than {done} frames of {size[0]} x {size[1]}: too long")


def opened(path: Path) -> Image.Image:
    """A picture whose header is read and will do; the pixels come later.

    Raises:
        ValueError: when it is too large, or its colours are of a kind that is not read.
    """
    try:
        image = Image.open(path, formats=tuple(set(KINDS.values())))
    except Exception as error:  # Pillow's decoders raise nearly anything
        raise ValueError(f"{path} is no picture: {_line(error, path)}") from None
    try:
        sized(str(path), image.size)
        if image.mode not in _MODES and not image.mode.startswith("I;16"):
            raise Refused(f"{path} has colours of the kind {image.mode}; make it RGB or RGBA")
    except ValueError:
        image.close()
        raise
    return image


def pixels(image: Image.Image, name: object) -> Rgba:
    """Straight 8-bit RGBA of an opened picture or its present frame; 16-bit grey is rounded.

    Raises:
        ValueError: when it is broken.
    """
    try:
        if image.mode == "F":
            raise Refused(f"{name} has colours of the kind F; make it RGB or RGBA")
        if image.mode.startswith("I"):
            grey = (np.asarray(image).clip(0, 65535).astype(np.uint32) + 128) // 257
            return np.stack([*[grey] * 3, np.full_like(grey, 255)], -1).astype(np.uint8)
        return np.array(image.convert("RGBA"))
    except Refused:
        raise
    except Exception as error:
        raise ValueError(f"{name} is not a whole picture: {_line(error, name)}") from None


def read(path: Path) -> Rgba:
    """One picture.

    Raises:
        ValueError: in one line, for whatever is wrong with it.
    """
    with opened(path) as image:
        return pixels(image, path)


def read_all(paths: Sequence[Path], columns: int = 1) -> UInt8[np.ndarray, "n h w 4"]:
    """Pictures of one size.

    Args:
        paths: the files, one at least.
        columns: panes side by side in each, of which the first is kept.

    Raises:
        ValueError: in one line, naming the file.
    """
    first = pane(read(paths[0]), columns, paths[0])
    sized(str(paths[0].parent), first.shape[1::-1], len(paths))
    made = np.empty((len(paths), *first.shape), np.uint8)
    for i, path in enumerate(paths):
        found = pane(read(path), columns, path) if i else first
        if found.shape != first.shape:
            (h, w), (high, wide) = found.shape[:2], first.shape[:2]
            raise ValueError(f"{path} is {w} x {h}, but {paths[0].name} is {wide} x {high}")
        made[i] = found
    return made


def pane(
    picture: UInt8[np.ndarray, "h w c"], columns: int, name: object
) -> UInt8[np.ndarray, "h v c"]:
    """The first of some panes side by side.

    Raises:
        ValueError: when the width is no multiple.
    """
    if columns < 1 or picture.shape[1] % columns:
        raise ValueError(f"{name} is {picture.shape[1]} pixels wide, not {columns} equal columns")
    return picture[:, : picture.shape[1] // columns]


def lossy(path: Path) -> str:
    """Name of the lossy format that a picture is stored in, or "".

    A WebP can be either; its chunks tell.
    """
    with path.open("rb") as file:
        start = file.read(16)
        if start.startswith(b"\xff\xd8"):
            return "jpeg"
        if start.startswith(b"GIF8"):
            return "gif"
        if start[:4] + start[8:12] != b"RIFFWEBP":
            return ""
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], struct.unpack("<I", head[4:])[0]
            inner = file.read(20)[16:] if name == b"ANMF" else name
            if b"VP8 " in (name, inner):
                return "webp"
            file.seek(size + size % 2 - (20 if name == b"ANMF" else 0), 1)
    return ""


def _line(error: Exception, path: object) -> str:
    """What an error says, in one line, without the path again."""
    said = " ".join(str(error).replace(repr(str(path)), "it").replace(str(path), "it").split())
    return said[:200] or type(error).__name__
