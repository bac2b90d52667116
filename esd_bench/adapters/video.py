"""Turntables as films: MP4, WebM, animated GIF, WebP and PNG."""

from pathlib import Path

from esd_bench.adapters import Pictures
from esd_bench.adapters._animations import animation, is_animation
from esd_bench.adapters._films import film, is_film
from esd_bench.adapters._turntable import Key, Last, Turntable, Way, without

NAMES = (".mp4", ".webm", ".gif")
"""Endings of files that are films, if broken ones."""


def reads(path: Path) -> bool:
    """Whether its first bytes, or else its name, are those of a film or of an animated picture."""
    named = path.suffix.lower() in NAMES and path.is_file()
    return named or is_film(path) or is_animation(path)


def video(
    path: Path,
    /,
    *,
    elevation: float = 15.0,
    start: float = 0.0,
    way: Way = "counterclockwise",
    last: Last = "auto",
    views: int = 0,
    columns: int = 1,
    key: Key = "none",
) -> Pictures:
    """One turn round the object, at one elevation and even speed, as a ring.

    Azimuth and elevation are as told here; nothing is known of distance and field of view, which are our own views'.

    Args:
        path: the file.
        elevation: of the cameras, in degrees.
        start: azimuth of the first frame in degrees; 0 sees the front.
        way: how the camera goes, seen from above: counterclockwise or clockwise.
        last: the last frame: auto drops it if it is the first again; or drop, or keep.
        views: how many frames to take, spread evenly; 0 is all.
        columns: panes side by side in a frame, of which the first is taken.
        key: background colour to be made transparent: white, grey, black or none.

    Raises:
        ImportError: without PyAV, for MP4 and WebM.
        ValueError: in one line, when it is broken, too large, or a single picture.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    said = Turntable(elevation, start, way, last, views)
    found = film(path, columns) if is_film(path) else animation(path, columns)
    chosen = said.choose(found.thumbs, path)
    made = chosen.views(without(found.frames(chosen.indices), key))
    facts = {**chosen.facts, **({"lossy": found.lossy} if found.lossy else {})}
    return Pictures({made.protocol: made}, facts)
