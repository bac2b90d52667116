"""Animated pictures, by Pillow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageSequence

from esd_bench.adapters._stills import Rgba, endless, lossy, pane, pixels, sized
from esd_bench.adapters._turntable import thumb

FORMATS = ("GIF", "WEBP", "PNG")
SAMPLE = 2**16
"""First bytes, among which an animation says that it is one."""


@dataclass(frozen=True)
class Frames:
    """What a film holds.

    Attributes:
        thumbs: small copies of all frames.
        frames: some of them, by number, as straight RGBA.
        lossy: the lossy format that they come from, or "".
    """

    thumbs: UInt8[np.ndarray, "n h w c"]
    frames: Callable[[Sequence[int]], UInt8[np.ndarray, "k h w 4"]]
    lossy: str


def is_animation(path: Path) -> bool:
    """Whether it is a GIF, or a WebP or PNG with several frames."""
    with suppress(OSError):
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(SAMPLE)
        webp = start[:4] + start[8:12] == b"RIFFWEBP" and b"ANIM" in start[:64]
        apng = start.startswith(b"\x89PNG\r\n\x1a\n") and b"acTL" in start
        return start.startswith((b"GIF87a", b"GIF89a")) or webp or apng
    return False


def animation(path: Path, columns: int) -> Frames:
    """All of an animated picture.

    Raises:
        ValueError: in one line, when it is broken or too large.
    """
    thumbs = [thumb(frame) for _, frame in _decoded(path, columns)]

    def frames(indices: Sequence[int]) -> UInt8[np.ndarray, "k h w 4"]:
        wanted = set(indices)
        return np.stack([frame for i, frame in _decoded(path, columns, wanted)])

    return Frames(np.stack(thumbs), frames, lossy(path))


def _decoded(
    path: Path, columns: int, wanted: set[int] | None = None
) -> Iterator[tuple[int, Rgba]]:
    """Frames with their numbers; each is decoded on the one before."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            size = image.size
            sized(str(path), size, len(wanted) if wanted else 1)
            for i, frame in enumerate(ImageSequence.Iterator(image)):
                endless(path, i, size)
                if frame.size != size:  # known before it is unpacked
                    raise ValueError(f"{path} changes its size on the way")
                if wanted is None or i in wanted:
                    yield i, pane(pixels(frame, path), columns, path)
    except ValueError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything
        raise ValueError(
            f"{path} is not a whole animation: {' '.join(str(error).split())}"
        ) from None
