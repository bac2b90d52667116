"""Wavefront OBJ with its MTL: diffuse colours, textures and colours of vertices."""

import re
from pathlib import Path

import numpy as np

from esd_bench.adapters import Refused, Renderer, Solid
from esd_bench.adapters._files import Folder, broken_means_value_error, read
from esd_bench.adapters._surface import solid
from esd_bench.adapters._trimesh import Beside, surface
from esd_bench.adapters._words import words

_FACE = re.compile(rb"^f\s([^\n]*(?:(?:(?<=\\)|(?<=\\\r))\n[^\n]*)*)", re.MULTILINE)
"""A face; after a backslash at its end a line goes on in the next."""
_TURN = re.compile(rb"\\\r?\n")


def reads(path: Path) -> bool:
    """A file whose name ends in ``.obj``."""
    return path.suffix.lower() == ".obj"


def obj(
    path: Path,
    /,
    *,
    max_faces: int = 2_000_000,
    max_pixels: int = 2**26,
    max_bytes: int = 2**28,
    renderer: Renderer = "torch",
) -> Solid:
    """An OBJ file, +y up and front on +z unless its user knows better; polygons become fans, opacity in MTL is left alone.

    Args:
        path: the file; its MTL and textures lie beside it.
        max_faces: more are refused.
        max_pixels: of all textures together.
        max_bytes: of the file, and of what it names together.
        renderer: who draws it.

    Raises:
        ValueError: one line, for a file that is broken, empty or more than allowed.
        ImportError: without trimesh.
    """
    with broken_means_value_error(), np.errstate(all="ignore"):
        content = read(path, max_bytes)
        _check(content, max_faces)
        folder = Folder(path, max_bytes)
        beside = Beside(folder, max_pixels)
        made = surface(content, "obj", beside, max_faces)
        return solid(made, {"format": "OBJ", "files": folder.files}, renderer=renderer)


def _check(content: bytes, max_faces: int) -> None:
    """Refuse what trimesh would take hours over, or take for something else."""
    if content.count(b"\n") > 5 * max_faces:
        raise Refused(f"more than {5 * max_faces} lines; --set max_faces=N allows more")
    if len(content) > 2 * max_faces and _triangles(content, max_faces) > max_faces:
        raise Refused(f"it has more than {max_faces} faces; --set max_faces=N allows more")
    relative = re.search(rb"^f[^\n]*[ /]-", content, re.MULTILINE)
    if relative and content.rfind(b"\nv ") > relative.start():
        raise Refused("faces that count vertices backwards between the vertices are not read")
    if len(re.findall(rb"^(?:usemtl|mtllib) ", content, re.MULTILINE)) > 10**4:
        raise Refused("it changes its material more than 10000 times")


def _triangles(content: bytes, most: int) -> int:
    """Triangles that the polygons become, counted until there are more than enough."""
    count = 0
    for face in _FACE.finditer(content):
        corners = _TURN.sub(b"", face[1])
        short = len(corners) < 256
        count += max(len(corners.split()) if short else words(corners), 2) - 2
        if count > most:
            break
    return count
