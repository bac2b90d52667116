"""PLY meshes with colours of vertices or faces, or a texture."""

from pathlib import Path

import numpy as np

from esd_bench.adapters import Refused, Renderer, Solid
from esd_bench.adapters._files import (
    GIGABYTE,
    Folder,
    broken_means_value_error,
    read,
)
from esd_bench.adapters._ply_faces import are_mixed, triangles
from esd_bench.adapters._surface import solid
from esd_bench.adapters._trimesh import Beside, surface

HEAD = 2**16
"""Most bytes of a header."""
SPLAT = ("f_dc_0", "scale_0", "rot_0")


def reads(path: Path) -> bool:
    """A file whose name ends in ``.ply`` and whose header is not that of a splat."""
    if path.suffix.lower() != ".ply" or (path.exists() and not path.is_file()):
        return False
    try:
        with path.open("rb") as file:
            words = file.read(HEAD).partition(b"end_header")[0].split()
    except OSError:
        return True
    return not all(name.encode() in words for name in SPLAT)


def ply(
    path: Path,
    /,
    *,
    max_faces: int = 2_000_000,
    max_pixels: int = 2**26,
    max_bytes: int = GIGABYTE,
    renderer: Renderer = "torch",
) -> Solid:
    """A PLY mesh, +y up and front on +z unless its user knows better; its opacity is left alone.

    Args:
        path: the file; its texture (``comment TextureFile``) lies beside it.
        max_faces: more are refused.
        max_pixels: of its texture.
        max_bytes: of the file, and of what it names together.
        renderer: who draws it.

    Raises:
        ValueError: one line, for a file that is broken, empty, a point cloud or more than allowed.
        ImportError: without trimesh.
    """
    with broken_means_value_error(), np.errstate(all="ignore"):
        content = _checked(read(path, max_bytes), max_faces)
        folder = Folder(path, max_bytes)
        beside = Beside(folder, max_pixels)
        made = surface(content, "ply", beside, max_faces)
        if made.uv is not None and not beside.pictures and b" red" in content[:HEAD]:
            raise Refused("colours and texture coordinates without a texture are not read")
        return solid(made, {"format": "PLY", "files": folder.files}, renderer=renderer)


def _checked(content: bytes, max_faces: int) -> bytes:
    """The file without its edges, which trimesh would make paths of; refused where it holds too much."""
    head, mark, body = content.partition(b"end_header")
    if not mark or len(head) > HEAD:
        raise ValueError("its header does not end")
    if b" packed_position" in head:
        raise Refused("compressed splats are not read; store them as an ordinary PLY of splats")
    _bounded(head, body, max_faces)
    data = body[body.find(b"\n") + 1 :]
    if len(data) > max_faces and triangles(head, data) > max_faces:
        raise Refused(f"it has more than {max_faces} faces; --set max_faces=N allows more")
    if are_mixed(head, memoryview(data)):
        raise Refused("its faces have different numbers of corners; triangulate it")
    return head.replace(b"element edge", b"element egde") + mark + body


def _bounded(head: bytes, body: bytes, max_faces: int) -> None:
    """Refuse what declares, or as text holds, more than is allowed."""
    declared: dict[bytes, int] = {}
    for line in head.splitlines():
        words = line.split()
        if words[:1] == [b"element"] and len(words) == 3 and words[2].isdigit():
            declared[words[1]] = int(words[2])
    if not declared.get(b"face"):
        raise ValueError("it has no faces: point clouds are not meshes")
    if declared[b"face"] > max_faces or declared.get(b"vertex", 0) > 3 * max_faces:
        raise Refused(f"it has more than {max_faces} faces; --set max_faces=N allows more")
    if sum(declared.values()) > 10 * max_faces:
        raise Refused("it has more than faces and vertices in great number")
    if b"format ascii" in head and body.count(b"\n") > 5 * max_faces:
        raise Refused(f"more than {5 * max_faces} lines; --set max_faces=N allows more")
