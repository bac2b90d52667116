"""GLB files (glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/) of one textured mesh, written by trimesh."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from esd_bench.files import aside
from esd_bench.textures import Atlas


def write_glb(atlas: Atlas, texture: np.ndarray, path: Path, extras: Mapping[str, Any]) -> None:
    """Store a mesh with its texture as a matt, one-sided material; equal input gives equal bytes.

    Args:
        atlas: the unwrapped mesh, +y up and front on +z, which are glTF's own axes.
        texture: (h, w, 3) bytes of sRGB, which a base colour texture is.
        path: the file; a reader never sees half of it.
        extras: kept in the file's JSON, at the mesh.

    Raises:
        ImportError: without trimesh.
    """
    with aside(path) as beside:
        beside.write_bytes(_bytes(atlas, texture, extras))


def _bytes(atlas: Atlas, texture: np.ndarray, extras: Mapping[str, Any]) -> bytes:
    trimesh = load_trimesh()
    material = trimesh.visual.material.PBRMaterial(
        name="surface",
        baseColorTexture=Image.fromarray(texture),
        baseColorFactor=[255, 255, 255, 255],
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=False,
    )
    # trimesh counts v from below and turns it over when it writes.
    uv = atlas.uv.numpy() * [1, -1] + [0, 1]
    mesh = trimesh.Trimesh(
        atlas.vertices.numpy(),
        atlas.faces.numpy(),
        vertex_normals=atlas.normals.numpy(),
        visual=trimesh.visual.TextureVisuals(uv=uv, material=material),
        metadata=dict(extras),
        process=False,
    )
    scene = trimesh.Scene({"asset": mesh})
    told = scene.export(file_type="glb", include_normals=True, tree_postprocessor=_targets)
    return bytes(told)


def _targets(tree: dict[str, Any]) -> None:
    """Say of each buffer what a GPU uses it for, as validators and loaders like it; trimesh does not."""
    for primitive in (p for mesh in tree["meshes"] for p in mesh["primitives"]):
        views = {
            tree["accessors"][x]["bufferView"]: 34962 for x in primitive["attributes"].values()
        }
        views[tree["accessors"][primitive["indices"]]["bufferView"]] = 34963
        for view, target in views.items():
            tree["bufferViews"][view]["target"] = target


def load_trimesh() -> Any:
    """The package trimesh, or an error that says how to get it."""
    try:
        import trimesh
    except ImportError:
        raise ImportError('files of meshes need trimesh: pip install "esd-bench[mesh]"') from None
    return trimesh


def read_extras(path: Path) -> dict[str, Any]:
    """What :func:`write_glb` was told to keep in a file; empty for a file that holds nothing such."""
    try:
        content = path.read_bytes()
        (length,) = struct.unpack_from("<I", content, 12)
        return dict(json.loads(content[20 : 20 + length])["meshes"][0]["extras"])
    except (OSError, struct.error, ValueError, LookupError, TypeError):
        return {}
