"""Files that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A hidden neighbour with the same ending to write to, which then takes the file's place; after a failure all is as it was."""
    # Machines that share a folder have processes of the same number.
    beside = path.with_name(f".{uuid4().hex}.{path.name}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
