"""Names of files that others chose: inside their folder, and in the order of their numbers."""

import re
from pathlib import Path


def inside(folder: Path, name: Path | str) -> Path:
    """A path in a folder with all links followed, whether or not anything is there.

    Raises:
        ValueError: when it leads out of the folder, or can't be a path.
    """
    shown = repr(str(name)[:80])
    try:
        place = (folder / name).resolve()
        place.exists()  # an error where that can't even be asked, as of a name that is too long
        leaves = not place.is_relative_to(folder.resolve())
    except OSError as error:
        raise ValueError(f"cannot read {shown}: {error.strerror}") from None
    except (ValueError, RuntimeError):  # a zero byte; links in a circle
        raise ValueError(f"{shown} is no path") from None
    if leaves:
        raise ValueError(f"{shown} leaves its folder")
    return place


def by_number(name: str) -> tuple[tuple[int, int, str], ...]:
    """What to sort names by: 2 comes before 10."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return tuple((0, int(n[-18:]), n) if n else (1, 0, text) for n, text in parts)
