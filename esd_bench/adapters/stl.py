"""STL, binary or text: a shape without colours."""

from pathlib import Path

import numpy as np

from esd_bench.adapters import Refused, Renderer, Solid
from esd_bench.adapters._files import (
    GIGABYTE,
    Folder,
    broken_means_value_error,
    read,
)
from esd_bench.adapters._surface import solid
from esd_bench.adapters._trimesh import Beside, surface


def reads(path: Path) -> bool:
    """A file whose name ends in ``.stl``."""
    return path.suffix.lower() == ".stl"


def stl(
    path: Path,
    /,
    *,
    max_faces: int = 2_000_000,
    max_bytes: int = GIGABYTE,
    renderer: Renderer = "torch",
) -> Solid:
    """An STL file, +z up and front on -y, as printers and CAD have it, unless its user knows better.

    Args:
        path: the file.
        max_faces: more are refused.
        max_bytes: of the file.
        renderer: who draws it.

    Raises:
        ValueError: one line, for a file that is broken, empty or more than allowed.
        ImportError: without trimesh.
    """
    with broken_means_value_error(), np.errstate(all="ignore"):
        content = read(path, max_bytes)
        # Text takes 250 bytes a face.
        if len(content) > 350 * max_faces or _faces(content) > max_faces:
            raise Refused(f"it has more than {max_faces} faces; --set max_faces=N allows more")
        made = surface(content, "stl", Beside(Folder(path), 0), max_faces)
        return solid(made, {"format": "STL", "files": {}}, "+z", "-y", renderer)


def _faces(content: bytes) -> int:
    """What a binary file says that it holds, if it has that length; else the corners of a text."""
    said = int.from_bytes(content[80:84], "little")
    return said if len(content) == 84 + 50 * said else content.count(b"vertex") // 3
