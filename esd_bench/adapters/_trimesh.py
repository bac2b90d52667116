"""Meshes that trimesh parses (https://trimesh.org): OBJ, PLY and STL, with nothing opened but by us.

trimesh is told the format; of its loaders only that one is called. What a file names is handed to it by :class:`Beside`, from
the file's folder only, and it never sees a texture: it gets a picture of one pixel, and the texture is decoded here.
"""

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image

from esd_bench.adapters import Refused
from esd_bench.adapters._files import Folder
from esd_bench.adapters._surface import Material, Surface
from esd_bench.adapters._texture import Picture
from esd_bench.adapters._texture_files import picture
from esd_bench.glb import load_trimesh

_NUMBER = r"\s+[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=\s)"
_OPTION = re.compile(
    rf"-(?:(o|s|t|mm|bm|boost|texres)((?:{_NUMBER}){{1,3}})|(clamp|blendu|blendv|cc|imfchan|type)\s+\S+)\s+",
    re.IGNORECASE,
)
"""An option before the name of a texture (http://paulbourke.net/dataformats/mtl/)."""
_UNMOVED = {"o": 0.0, "s": 1.0, "t": 0.0}
"""Offset, scale and turbulence that change nothing."""


def _one_pixel() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    return stream.getvalue()


class Beside:
    """What trimesh asks for: files beside the asset, and one-pixel stand-ins for its textures."""

    def __init__(self, folder: Folder, max_pixels: int) -> None:
        self.folder, self.max_pixels = folder, max_pixels
        self.pictures: dict[str, Picture] = {}
        self.problems: list[ValueError] = []

    def get(self, name: str) -> bytes:
        """A file, or the stand-in for a texture."""
        try:
            plain = _without_options(name)
            content = self.folder[plain]
            if PurePosixPath(plain).suffix.lower() == ".mtl":
                return content
            if name not in self.pictures:
                self.pictures[name] = picture(content, name[:80], self.max_pixels)
                self.max_pixels -= self.pictures[name][..., 0].numel()
        except ValueError as error:  # which trimesh would pass over in silence
            self.problems.append(error)
            raise
        return _one_pixel()

    __getitem__ = get


def _without_options(name: str) -> str:
    """The file of a texture in MTL (``-clamp on skin.png``), whose options trimesh takes for a part of its name.

    Raises:
        Refused: for options that move the texture, which are not read.
    """
    while found := _OPTION.match(name):
        key, values = (found[1] or "").lower(), [float(x) for x in (found[2] or "").split()]
        if key in _UNMOVED and any(x != _UNMOVED[key] for x in values):
            raise Refused(f"it moves its texture ({found[0].strip()[:40]}), which is not read")
        name = name[found.end() :]
    return name


def surface(content: bytes, kind: str, beside: Beside, max_faces: int) -> Surface:
    """The triangles of a file of a format, with what colours them.

    Raises:
        ValueError: when it is broken, names what can't be had, or holds no triangles.
        ImportError: without trimesh.
    """
    trimesh = load_trimesh()
    with _quiet():
        scene = trimesh.load_scene(
            io.BytesIO(content), file_type=kind, resolver=beside, process=False
        )
    for problem in beside.problems:
        raise problem
    meshes = [x for x in scene.geometry.values() if isinstance(x, trimesh.Trimesh)]
    meshes = [mesh for mesh in meshes if len(mesh.faces)]
    if not meshes:
        raise ValueError("it has no triangles")
    if sum(len(mesh.faces) for mesh in meshes) > max_faces:
        raise Refused(f"it has more than {max_faces} faces; --set max_faces=N allows more")
    return _joined(meshes, beside)


@contextmanager
def _quiet() -> Iterator[None]:
    """What trimesh logs, with tracebacks, of files that it makes do with is no answer to anybody."""
    log = logging.getLogger("trimesh")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _joined(meshes: list[Any], beside: Beside) -> Surface:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    for mesh in meshes:
        if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
            raise ValueError("a face names a vertex that is not there")
    faces = [np.asarray(m.faces, np.int64) for m in meshes]
    uv, colour = [_uv(m) for m in meshes], [_colours(m) for m in meshes]
    return Surface(
        torch.from_numpy(np.concatenate([np.asarray(m.vertices, np.float64) for m in meshes])),
        torch.from_numpy(np.concatenate([f + s for f, s in zip(faces, starts, strict=False)])),
        torch.from_numpy(np.repeat(np.arange(len(meshes)), [len(f) for f in faces])),
        tuple(_material(mesh, beside) for mesh in meshes),
        _filled(uv, faces, 2),
        _filled(colour, faces, 4),
    )


def _filled(parts: list[np.ndarray | None], faces: list[np.ndarray], width: int) -> Any:
    """(m, 3, width) values, ones where a mesh has none; None where no mesh has any."""
    if all(part is None for part in parts):
        return None
    blank = [np.ones((len(f), 3, width), np.float32) for f in faces]
    both = zip(parts, blank, strict=True)
    return torch.from_numpy(np.concatenate([b if p is None else p for p, b in both]))


def _uv(mesh: Any) -> np.ndarray | None:
    """Texture coordinates of the corners; trimesh counts v from below."""
    uv = getattr(mesh.visual, "uv", None)
    if uv is None:
        return None
    if len(uv) != len(mesh.vertices):
        raise ValueError("texture coordinates and vertices are not equally many")
    return (np.asarray(uv, np.float64)[:, :2] * [1, -1] + [0, 1]).astype(np.float32)[mesh.faces]


def _colours(mesh: Any) -> np.ndarray | None:
    """Colours of the corners, opaque: what these formats say of opacity is often wrong."""
    if mesh.visual.kind == "vertex":
        found = np.asarray(mesh.visual.vertex_colors)[mesh.faces]
    elif mesh.visual.kind == "face":
        found = np.asarray(mesh.visual.face_colors)
        if len(found) != len(mesh.faces):
            raise ValueError("colours of faces that are not triangles are not read")
        found = np.repeat(found[:, None], 3, 1)
    else:
        return None
    rgba = found.astype(np.float32) / 255
    rgba[..., 3] = 1
    return rgba


def _material(mesh: Any, beside: Beside) -> Material:
    """The texture, or else the diffuse colour.

    MTL would multiply them. We do as Blender does, because exporters write any colour beside a texture: trimesh a dark grey,
    others black.
    """
    given = getattr(mesh.visual, "material", None)
    image = getattr(given, "image", None)
    texture = None
    if image is not None:
        name = image.info.get("file_path", next(iter(beside.pictures), ""))
        texture = beside.pictures.get(name)
    if texture is not None:
        return Material(picture=texture)
    return Material((*_diffuse(getattr(given, "kwargs", None) or {}), 1.0))


def _diffuse(kwargs: dict[str, Any]) -> tuple[float, float, float]:
    given = kwargs.get("kd")
    if not isinstance(given, list) or len(given) != 3 or not np.isfinite(given).all():
        return (1.0, 1.0, 1.0)
    r, g, b = (min(max(float(x), 0.0), 1.0) for x in given)
    return r, g, b
