"""MP4 and WebM, by PyAV, whose wheels bring ffmpeg's libraries.

The file is handed over as a stream and its kind is said, so that ffmpeg opens nothing else: no playlists, no addresses.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from esd_bench.adapters import Refused
from esd_bench.adapters._animations import Frames
from esd_bench.adapters._stills import endless, pane, sized
from esd_bench.adapters._turntable import thumb


def is_film(path: Path) -> bool:
    """Whether its first bytes are those of an MP4 or a WebM."""
    return bool(_kind(path))


def _kind(path: Path) -> str:
    """ffmpeg's name of the container, or ""."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(12)
            if start[4:8] == b"ftyp":
                return "mp4"
            if start[:4] == b"\x1aE\xdf\xa3":
                return "matroska"
    return ""


def film(path: Path, columns: int) -> Frames:
    """All of a film.

    Raises:
        ImportError: without PyAV.
        ValueError: in one line, when it is broken or too large.
    """
    thumbs = [thumb(pane(x, columns, path)) for _, x in _decoded(path, None)]
    if not thumbs:
        raise ValueError(f"{path} holds no frame that can be decoded")

    def frames(indices: Sequence[int]) -> UInt8[np.ndarray, "k h w 4"]:
        made = np.stack([pane(x, columns, path) for _, x in _decoded(path, set(indices))])
        return np.concatenate([made, np.full_like(made[..., :1], 255)], -1)

    return Frames(np.stack(thumbs), frames, "mp4" if _kind(path) == "mp4" else "webm")


def _decoded(
    path: Path, wanted: set[int] | None
) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"]]]:
    """Frames with their numbers, those that are wanted, in order."""
    av = _load()
    try:
        with path.open("rb") as file, av.open(file, format=_kind(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no film")
            stream = container.streams.video[0]
            stream.thread_count = 1
            size = (stream.width, stream.height)
            sized(str(path), size, len(wanted) if wanted else 1)
            for i, frame in enumerate(container.decode(stream)):
                endless(path, i, size)
                if (frame.width, frame.height) != size:
                    raise ValueError(f"{path} changes its size on the way")
                if wanted is None or i in wanted:
                    yield i, frame.to_ndarray(format="rgb24")
    except Refused:
        raise
    except Exception as error:  # ffmpeg's errors are of many kinds
        said = str(error)
        raise ValueError(said if said.startswith(str(path)) else _broken(path, said)) from None


def _broken(path: Path, said: str) -> str:
    return f"{path} is not a whole film: {' '.join(said.split())[:200]}"


def _load() -> Any:
    try:
        import av
    except ImportError:
        raise ImportError("films are read by PyAV; pip install 'esd-bench[video]'") from None
    av.logging.set_level(None)
    return av
