"""Mesh files with known pictures, written byte by byte."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# +x right, -x left, +y top, -y bottom, +z front, -z back, as glTF and we have them.
SIDES = {
    "right": ((1, 0, 0), (0.9, 0.1, 0.1)),
    "left": ((-1, 0, 0), (0.1, 0.9, 0.1)),
    "top": ((0, 1, 0), (0.1, 0.1, 0.9)),
    "bottom": ((0, -1, 0), (0.9, 0.9, 0.1)),
    "front": ((0, 0, 1), (0.1, 0.9, 0.9)),
    "back": ((0, 0, -1), (0.9, 0.1, 0.9)),
}
KINDS = {"f4": 5126, "u4": 5125, "u2": 5123, "u1": 5121, "i2": 5122}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def cube() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(24, 3) vertices, (12, 3) faces seen counter-clockwise from outside, and (12, 3) colours of faces in sRGB."""
    vertices, faces, colours = [], [], []
    for normal, colour in SIDES.values():
        n = np.array(normal, float)
        a = np.roll(n, 1)
        b = np.cross(n, a)
        start = len(vertices)
        vertices += [n - a - b, n + a - b, n + a + b, n - a + b]
        faces += [(start, start + 1, start + 2), (start, start + 2, start + 3)]
        colours += [colour] * 2
    return np.array(vertices), np.array(faces), np.array(colours)


def srgb_to_linear(x: np.ndarray) -> np.ndarray:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


class Gltf:
    """A glTF tree and its binary part, filled piece by piece."""

    def __init__(self) -> None:
        self.binary = b""
        self.tree: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": []}],
            "accessors": [],
            "bufferViews": [],
            "buffers": [{"byteLength": 0}],
        }

    def view(self, content: bytes, **more: Any) -> int:
        start = len(self.binary)
        self.binary += content + bytes(-len(content) % 4)
        view = {"buffer": 0, "byteOffset": start, "byteLength": len(content), **more}
        self.tree["bufferViews"].append(view)
        self.tree["buffers"][0]["byteLength"] = len(self.binary)
        return len(self.tree["bufferViews"]) - 1

    def array(self, values: Any, kind: str = "f4", **more: Any) -> int:
        values = np.asarray(values, f"<{kind}")
        table = values.reshape(len(values), -1)
        self.tree["accessors"].append(
            {
                "bufferView": self.view(table.tobytes()),
                "componentType": KINDS[kind],
                "count": len(table),
                "type": SHAPES[table.shape[1]],
                **more,
            }
        )
        return len(self.tree["accessors"]) - 1

    def part(self, vertices: Any, faces: Any, attributes: dict | None = None, **more: Any) -> None:
        self.tree["meshes"][0]["primitives"].append(
            {
                "attributes": {"POSITION": self.array(vertices), **(attributes or {})},
                "indices": self.array(np.asarray(faces).reshape(-1, 1), "u2"),
                **more,
            }
        )

    def texture(self, pixels: np.ndarray, material: dict | None = None, **sampler: Any) -> int:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        tree, view = self.tree, self.view(stream.getvalue())
        for key in ("images", "samplers", "textures"):
            tree.setdefault(key, [])
        tree["images"].append({"bufferView": view, "mimeType": "image/png"})
        tree["samplers"].append(sampler)
        number = len(tree["textures"])
        tree["textures"].append({"source": number, "sampler": number})
        pbr = {"baseColorTexture": {"index": number}}
        return self.material({"pbrMetallicRoughness": pbr, **(material or {})})

    def material(self, material: dict) -> int:
        self.tree.setdefault("materials", []).append(material)
        return len(self.tree["materials"]) - 1

    def plain(self, rgba: Any, **more: Any) -> int:
        factor = [float(x) for x in rgba]
        return self.material({"pbrMetallicRoughness": {"baseColorFactor": factor}, **more})

    @property
    def glb(self) -> bytes:
        text = json.dumps(self.tree).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(self.binary), 0x004E4942) + self.binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def save(self, path: Path) -> Path:
        path.write_bytes(self.glb)
        return path


def cube_gltf() -> Gltf:
    """The cube with a material for each side; glTF's factors are linear light."""
    vertices, faces, colours = cube()
    made = Gltf()
    for side in range(6):
        linear = srgb_to_linear(colours[2 * side])
        own = vertices[4 * side : 4 * side + 4]
        made.part(own, faces[:2], material=made.plain([*linear, 1]))
    return made


QUARTER = [0, 0, float(np.sqrt(0.5)), float(np.sqrt(0.5))]  # +x becomes +y
BAR = np.array([[0, -0.1, 0], [2, -0.1, 0], [2, 0.1, 0], [0, 0.1, 0]])


def bar(**changes: Any) -> Gltf:
    """The bar from 0 to 2 on +x, all of it carried by the first of two joints, which turns it up about (1, 0, 0)."""
    made = Gltf()
    given = {
        "joints": np.zeros((4, 4), int),
        "weights": np.tile([1.0, 0, 0, 0], (4, 1)),
        "back": np.tile([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, -1, 0, 0, 1], (2, 1)),  # columns first
        "kinds": ("u1", "f4"),
        "more": {},
        **changes,
    }
    attributes = {
        "JOINTS_0": made.array(given["joints"], given["kinds"][0]),
        "WEIGHTS_0": made.array(given["weights"], given["kinds"][1], **given["more"]),
    }
    made.part(BAR, [[0, 1, 2], [0, 2, 3]], attributes, material=made.plain([1, 0, 0, 1]))
    made.tree["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [50, 60, 70], "scale": [3, 3, 3]},  # ignored
        {"children": [2, 3], "translation": [0, 1, 0]},
        {"translation": [1, 0, 0], "rotation": QUARTER},
        {"translation": [1, 0, 4]},
    ]
    made.tree["scenes"][0]["nodes"] = [0, 1]
    made.tree["skins"] = [{"joints": [2, 3]}]
    if given["back"] is not None:
        made.tree["skins"][0]["inverseBindMatrices"] = made.array(given["back"])
    return made


def cube_obj(folder: Path, name: str = "cube", turn: np.ndarray | None = None) -> Path:
    """The cube as OBJ with an MTL; ``turn`` moves it to other axes."""
    vertices, faces, colours = cube()
    vertices = vertices if turn is None else vertices @ turn.T
    lines = [f"mtllib {name}.mtl", *(f"v {x} {y} {z}" for x, y, z in vertices)]
    material = []
    for side, title in enumerate(SIDES):
        r, g, b = colours[2 * side]
        material += [f"newmtl {title}", f"Kd {r} {g} {b}"]
        lines += [f"usemtl {title}"]
        lines += ["f " + " ".join(str(i + 1) for i in f) for f in faces[2 * side : 2 * side + 2]]
    (folder / f"{name}.mtl").write_text("\n".join(material) + "\n")
    (folder / f"{name}.obj").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.obj"


def cube_ply(path: Path, faces_coloured: bool = False) -> Path:
    """The cube as binary PLY with colours of vertices, or of faces."""
    vertices, faces, colours = cube()
    rgb = (colours * 255 + 0.5).astype(np.uint8)
    colour = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 24\n"
    head += "property float x\nproperty float y\nproperty float z\n"
    head += "" if faces_coloured else colour
    head += "element face 12\nproperty list uchar int vertex_indices\n"
    head += (colour if faces_coloured else "") + "end_header\n"
    body = b""
    for i, vertex in enumerate(vertices):
        body += struct.pack("<fff", *vertex)
        body += b"" if faces_coloured else bytes(rgb[i // 4 * 2])
    for i, face in enumerate(faces):
        body += struct.pack("<Biii", 3, *face) + (bytes(rgb[i]) if faces_coloured else b"")
    path.write_bytes(head.encode() + body)
    return path


def cube_stl(path: Path) -> Path:
    """The cube as binary STL."""
    vertices, faces, _ = cube()
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *vertices[face].ravel(), 0) for face in faces)
    path.write_bytes(bytes(80) + struct.pack("<I", len(faces)) + body)
    return path
