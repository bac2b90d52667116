"""glTF 2.0 (https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html): a file's tree, its arrays, and where its meshes lie.

Read here and not by trimesh, which drops samplers, takes normalised integers as they are and sparse accessors for zeros;
it is the other opinion in tests.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from esd_bench.adapters import Refused
from esd_bench.adapters._files import Folder

KINDS: dict[Any, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
UNDERSTOOD = (
    "KHR_materials_unlit",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "EXT_texture_webp",
    "KHR_materials_pbrSpecularGlossiness",
)
"""Extensions that a file may require. Other materials of KHR's change how light falls, which is not looked at."""
DEEP = 64
"""Most levels of nodes in nodes."""
PLACED = 10**5
"""Most nodes."""
JSON = 2**25
"""Most bytes of a tree: in memory it is some thirty times as large."""


def parse(content: bytes) -> tuple[dict[str, Any], bytes | None]:
    """The tree of a ``.gltf`` or ``.glb`` file, and the latter's own binary part.

    Raises:
        ValueError: when it is neither.
    """
    if content[:4] != b"glTF":
        return _tree(content), None
    try:
        version, _, length, kind = struct.unpack_from("<IIII", content, 4)
    except struct.error:
        raise ValueError("the file is cut off in its header") from None
    if version != 2 or kind != 0x4E4F534A:
        raise ValueError(f"GLB of version {version}; 2 is read")
    if 20 + length > len(content):
        raise ValueError("the file is cut off in its JSON")
    return _tree(content[20 : 20 + length]), _binary(content, 20 + length)


def _binary(content: bytes, start: int) -> bytes | None:
    if start + 8 > len(content):
        return None
    length, kind = struct.unpack_from("<II", content, start)
    if kind != 0x004E4942:
        return None
    if start + 8 + length > len(content):
        raise ValueError("the file is cut off in its binary part")
    return content[start + 8 : start + 8 + length]


def _tree(text: bytes) -> dict[str, Any]:
    if len(text) > JSON:
        raise Refused(f"its JSON has more than {JSON} bytes; as GLB it would be smaller")
    try:
        tree = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("its JSON is broken") from None
    if not isinstance(tree, dict):
        raise ValueError("its JSON is no object")
    version = str(entry(tree, "asset").get("version", "2.0"))
    if not version.startswith("2."):
        raise Refused(f"glTF {version[:20]}; 2.0 is read")
    unknown = [x for x in tree.get("extensionsRequired") or () if x not in UNDERSTOOD]
    if unknown:
        raise Refused(f"it needs the extension {str(unknown[0])[:60]}, which is not read")
    return tree


def entry(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object in an object; empty where there is none."""
    found = tree.get(key)
    return found if isinstance(found, Mapping) else {}


def item(tree: Mapping[str, Any], key: str, index: Any) -> Mapping[str, Any]:
    """An object of one of the tree's lists.

    Raises:
        ValueError: when there is none of that number.
    """
    found = tree.get(key)
    if not isinstance(found, list) or not isinstance(index, int) or isinstance(index, bool):
        raise ValueError(f"it has no {key} number {str(index)[:20]}")
    if not 0 <= index < len(found) or not isinstance(found[index], Mapping):
        raise ValueError(f"it has no {key} number {index}")
    return found[index]


def whole(tree: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A number from 0 of an object.

    Raises:
        ValueError: when it is something else.
    """
    value = tree.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**40:
        raise ValueError(f"{key} is {str(value)[:20]}, not a number from 0")
    return value


@dataclass
class Arrays:
    """The arrays of a file, each read once.

    Attributes:
        tree: of the file.
        binary: its own binary part.
        folder: where its other buffers lie.
        left: numbers that may still be read: a small file can name the same bytes many times.
    """

    tree: Mapping[str, Any]
    binary: bytes | None
    folder: Folder
    left: int

    def __post_init__(self) -> None:
        self._buffers: dict[int, bytes] = {}

    def spend(self, count: int) -> None:
        """So many numbers fewer may be read.

        Raises:
            Refused: when there are no more.
        """
        self.left -= count
        if self.left < 0:
            raise Refused("its arrays are too large; --set max_faces=N allows more")

    def view(self, index: Any) -> bytes | memoryview:
        """The bytes of a buffer view.

        Raises:
            ValueError: when they are not all there.
        """
        found = item(self.tree, "bufferViews", index)
        start, length = whole(found, "byteOffset", 0), whole(found, "byteLength")
        buffer = self._buffer(whole(found, "buffer"))
        if start + length > len(buffer):
            raise ValueError(f"bufferViews number {index} goes beyond its buffer")
        return memoryview(buffer)[start : start + length]

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            found = item(self.tree, "buffers", index)
            uri = found.get("uri")
            if uri is not None and not isinstance(uri, str):
                raise ValueError("a buffer's uri is no text")
            if uri is None and (index or self.binary is None):
                raise ValueError(f"buffers number {index} is nowhere")
            self._buffers[index] = self.folder[uri] if uri is not None else self.binary or b""
        return self._buffers[index]

    def array(self, index: Any) -> np.ndarray:
        """An accessor as (count, width) numbers; normalised integers as floats in [-1, 1].

        Raises:
            ValueError: when it is not all there.
        """
        found = item(self.tree, "accessors", index)
        kind, width = KINDS.get(found.get("componentType", 0)), WIDTHS.get(str(found.get("type")))
        if kind is None or width is None:
            raise ValueError(f"accessors number {index} is of an unknown type")
        count = whole(found, "count")
        self.spend(count * width)
        if "bufferView" in found:
            values = self._rows(found, kind, width, count)
        else:
            values = np.zeros((count, width), kind)
        if isinstance(found.get("sparse"), Mapping):
            values = self._sparse(values.copy(), found["sparse"], kind, width)
        if found.get("normalized") and kind.kind in "iu":
            values = np.maximum(values.astype(np.float32) / np.iinfo(kind).max, -1)
        return values

    def _rows(
        self, found: Mapping[str, Any], kind: np.dtype[Any], width: int, count: int
    ) -> np.ndarray:
        data, size = self.view(found["bufferView"]), kind.itemsize * width
        stride = whole(item(self.tree, "bufferViews", found["bufferView"]), "byteStride", 0) or size
        start = whole(found, "byteOffset", 0)
        if stride < size or (count and start + (count - 1) * stride + size > len(data)):
            raise ValueError("an accessor goes beyond its bytes")
        if not count:
            return np.zeros((0, width), kind)
        table = np.ndarray((count, width), kind, data, start, (stride, kind.itemsize))
        return np.ascontiguousarray(table)

    def _sparse(
        self, values: np.ndarray, sparse: Mapping[str, Any], kind: np.dtype[Any], width: int
    ) -> np.ndarray:
        """The accessor with the few values put in that it has differently."""
        count, places, given = (
            whole(sparse, "count"),
            entry(sparse, "indices"),
            entry(sparse, "values"),
        )
        short = KINDS.get(places.get("componentType", 0))
        if short is None or short.kind != "u":
            raise ValueError("a sparse accessor's indices are of an unknown type")
        if count > len(values):
            raise ValueError("a sparse accessor has more entries than the accessor")
        at = self._rows(places, short, 1, count)[:, 0]
        if count and int(at.max()) >= len(values):
            raise ValueError("a sparse accessor goes beyond its entries")
        values[at] = self._rows(given, kind, width, count)
        return values


def placed(tree: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Each node of the scene by number, and its matrix to the scene.

    Raises:
        ValueError: for nodes that hold themselves, lie too deep, or are too many.
    """
    scenes, nodes = tree.get("scenes"), tree.get("nodes") or []
    if scenes:
        roots = item(tree, "scenes", tree.get("scene", 0)).get("nodes") or []
    else:  # a file without a scene: all that lies in nothing
        inner = {x for n in nodes if isinstance(n, Mapping) for x in n.get("children") or ()}
        roots = [i for i in range(len(nodes)) if i not in inner]
    waiting = [(root, np.eye(4), 0) for root in reversed(roots)]
    done = 0
    while waiting:
        index, above, depth = waiting.pop()
        node, done = item(tree, "nodes", index), done + 1
        if depth > DEEP or done > PLACED:
            raise ValueError(
                f"its nodes hold themselves, lie deeper than {DEEP} or are over {PLACED}"
            )
        matrix = above @ local(node)
        yield index, matrix
        children = node.get("children") or []
        if not isinstance(children, list) or len(waiting) + len(children) > PLACED:
            raise ValueError(f"its nodes are over {PLACED}")
        waiting += [(child, matrix, depth + 1) for child in reversed(children)]


def local(node: Mapping[str, Any]) -> np.ndarray:
    """The matrix of a node: as given, or translation times rotation times scale.

    Raises:
        ValueError: when its numbers are not numbers.
    """
    if "matrix" in node:
        return numbers(node["matrix"], 16).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = numbers(node.get("rotation", [0, 0, 0, 1]), 4)
    length = x * x + y * y + z * z + w * w
    if length > 0:
        s = 2 / length
        matrix[:3, :3] = [
            [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
            [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
            [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
        ]
    matrix[:3, :3] *= numbers(node.get("scale", [1, 1, 1]), 3)
    matrix[:3, 3] = numbers(node.get("translation", [0, 0, 0]), 3)
    return matrix


def numbers(value: Any, count: int) -> np.ndarray:
    """So many finite numbers of a list.

    Raises:
        ValueError: when it holds something else.
    """
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ValueError(f"{str(value)[:40]} is not {count} numbers")
    return found


def triangles(order: np.ndarray, mode: int) -> np.ndarray:
    """Corners of triangles out of a primitive's order of vertices; (0, 3) for points and lines."""
    order = order[: len(order) // 3 * 3] if mode == 4 else order
    if mode == 4:
        return order.reshape(-1, 3)
    if mode not in (5, 6) or len(order) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == 6:
        return np.stack([np.full(len(order) - 2, order[0]), order[1:-1], order[2:]], -1)
    faces = np.stack([order[:-2], order[1:-1], order[2:]], -1)
    faces[1::2] = faces[1::2, [1, 0, 2]]
    return faces
