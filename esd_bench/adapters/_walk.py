"""Folders inside a folder that hold one asset each; bounded, and never out of the folder."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from esd_bench.adapters import Refused
from esd_bench.paths import by_number

ENTRIES = 200_000
"""Most names that are looked at."""
GLANCE = 5_000
"""Most of them where only a yes or a no is wanted."""


def find(
    root: Path, is_asset: Callable[[Path], bool], depth: int, most: int = ENTRIES
) -> Iterator[Path]:
    """The folders for which a question is answered yes, down to a depth, by number; nothing inside these.

    Raises:
        ValueError: when there is too much to look through.
    """
    home, seen = root.resolve(), 0

    def down(folder: Path, left: int) -> Iterator[Path]:
        nonlocal seen
        if is_asset(folder):
            yield folder
            return
        if not left:
            return
        with suppress(OSError):
            names = sorted((x.name for x in folder.iterdir() if x.name[0] != "."), key=by_number)
            seen += len(names)
            if seen > most:
                raise Refused(f"{root} holds too much to be looked through; name a part of it")
            for name in names:
                inner = folder / name
                if inner.is_dir() and inner.resolve().is_relative_to(home):
                    yield from down(inner, left - 1)

    yield from down(root, depth)


def any_inside(root: Path, is_asset: Callable[[Path], bool], depth: int) -> bool:
    """Whether there is one; never raises."""
    with suppress(OSError, ValueError, RuntimeError):
        return root.is_dir() and next(find(root, is_asset, depth, GLANCE), None) is not None
    return False


def only(found: list[Path], path: Path, what: str) -> Path:
    """The one asset of a folder.

    Raises:
        ValueError: when there is none, or several, which are taken one by one.
    """
    if len(found) != 1:
        raise Refused(f"{path} holds {len(found) or 'no'} {what}; one at a time can be read")
    return found[0]
