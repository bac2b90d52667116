"""glTF 2.0 and GLB: meshes with base colours, textures and colours of vertices (+y up, front on +z)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from esd_bench.adapters import Refused, Renderer, Solid, _skins
from esd_bench.adapters import _gltf as tree_of
from esd_bench.adapters._files import (
    GIGABYTE,
    Folder,
    broken_means_value_error,
    read,
)
from esd_bench.adapters._surface import Material, Surface, solid
from esd_bench.adapters._texture import Wrap
from esd_bench.adapters._texture_files import picture

WRAPS: dict[Any, Wrap] = {10497: "repeat", 33648: "mirror", 33071: "clamp"}


def reads(path: Path) -> bool:
    """A file whose name ends in ``.glb`` or ``.gltf``."""
    return path.suffix.lower() in (".glb", ".gltf")


def gltf(
    path: Path,
    /,
    *,
    max_faces: int = 2_000_000,
    max_pixels: int = 2**26,
    max_bytes: int = GIGABYTE,
    renderer: Renderer = "torch",
) -> Solid:
    """A glTF file as it stands: nodes, skins and morph targets as they are stored, animations not played, lights ignored.

    Args:
        path: the file; its buffers and textures lie beside it or in it.
        max_faces: more are refused.
        max_pixels: of all textures together.
        max_bytes: of the file, and of what it names together.
        renderer: who draws it.

    Raises:
        ValueError: one line, for a file that is broken, empty or more than allowed.
    """
    with broken_means_value_error(), np.errstate(all="ignore"):
        tree, binary = tree_of.parse(read(path, max_bytes))
        folder = Folder(path, max_bytes)
        arrays = tree_of.Arrays(tree, binary, folder, 64 * max_faces)
        scene = _Scene(tree, arrays, max_pixels)
        surface = scene.surface(max_faces)
        told = {"format": "glTF 2.0", "files": folder.files, **scene.told()}
        return solid(surface, told, renderer=renderer)


@dataclass
class _Part:
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None
    colour: np.ndarray | None
    material: int | None
    joints: np.ndarray | None = None
    weights: np.ndarray | None = None


@dataclass
class _Scene:
    tree: Mapping[str, Any]
    arrays: tree_of.Arrays
    max_pixels: int

    def __post_init__(self) -> None:
        self._parts: dict[tuple[int, int | None], list[_Part]] = {}
        self._pictures: dict[int, Any] = {}
        self._done = Counter[str]()

    def told(self) -> dict[str, Any]:
        """What was done to meshes beyond their nodes, and what was not."""
        animations = self.tree.get("animations")
        left = {"animations": len(animations)} if animations else {}
        both = {"moved_by": dict(self._done), "left_alone": left}
        return {key: counts for key, counts in both.items() if counts}

    def surface(self, max_faces: int) -> Surface:
        """All meshes in their places, as one."""
        found: list[tuple[_Part, np.ndarray]] = []
        count = 0
        places = list(tree_of.placed(self.tree))
        nodes = dict(places)
        for number, matrix in places:
            node = tree_of.item(self.tree, "nodes", number)
            if "mesh" not in node:
                continue
            parts = self._mesh(node, number)
            count += sum(len(part.faces) for part in parts)
            if count > max_faces:
                raise Refused(f"it has more than {max_faces} faces; --set max_faces=N allows more")
            found += zip(parts, self._stand(parts, node, matrix, nodes), strict=True)
        if not count:
            raise ValueError("it has no triangles")
        return self._joined(found)

    def _stand(
        self,
        parts: list[_Part],
        node: Mapping[str, Any],
        matrix: np.ndarray,
        nodes: Mapping[int, np.ndarray],
    ) -> Iterator[np.ndarray]:
        """Vertices in the scene: where the joints stand that carry them, or else where their node does."""
        joints = None
        if "skin" in node:
            joints = _skins.matrices(self.tree, self.arrays, node["skin"], nodes)
        for part in parts:
            if joints is not None and part.joints is not None and part.weights is not None:
                self._done["skins"] += 1
                yield _skins.posed(part.vertices, part.joints, part.weights, joints)
            else:
                yield part.vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]

    def _mesh(self, node: Mapping[str, Any], number: int) -> list[_Part]:
        key = tree_of.whole(node, "mesh"), number if "weights" in node else None
        if key not in self._parts:
            mesh = tree_of.item(self.tree, "meshes", key[0])
            primitives, shares = mesh.get("primitives"), node.get("weights", mesh.get("weights"))
            if not isinstance(primitives, list):
                raise ValueError(f"meshes number {key[0]} has no primitives")
            morph = tree_of.numbers(shares, len(shares)) if shares else np.zeros(0)
            made = [self._part(p, morph) for p in primitives if isinstance(p, Mapping)]
            self._parts[key] = [part for part in made if len(part.faces)]
        return self._parts[key]

    def _part(self, primitive: Mapping[str, Any], morph: np.ndarray) -> _Part:
        if "KHR_draco_mesh_compression" in tree_of.entry(primitive, "extensions"):
            raise Refused("it is compressed by Draco, which is not read")
        given = tree_of.entry(primitive, "attributes")
        vertices = self._morphed(self._floats(given.get("POSITION"), 3), primitive, morph)
        material = primitive.get("material")
        slot, uv = self._slot(material), None
        if f"TEXCOORD_{slot}" in given:
            uv = self._floats(given[f"TEXCOORD_{slot}"], 2)
        colour = self._floats(given["COLOR_0"], None) if "COLOR_0" in given else None
        if "indices" in primitive:
            order = self.arrays.array(primitive["indices"])
            if order.dtype.kind != "u" or order.shape[1] != 1:
                raise ValueError("indices of a primitive are no whole numbers")
            order = order[:, 0].astype(np.int64)
        else:
            order = np.arange(len(vertices))
        faces = tree_of.triangles(order, tree_of.whole(primitive, "mode", 4))
        # Without a skin nobody asks for joints.
        held = _skins.carried(self.arrays, given, len(vertices)) if self.tree.get("skins") else None
        joints, weights = held or (None, None)
        least = min(len(x) for x in (vertices, uv, colour) if x is not None)
        if faces.size and int(faces.max()) >= least:
            raise ValueError("a face names a vertex that is not there")
        uv = _moved(uv, self._shift(material))
        return _compact(_Part(vertices, faces, uv, colour, material, joints, weights))

    def _morphed(
        self, vertices: np.ndarray, primitive: Mapping[str, Any], morph: np.ndarray
    ) -> np.ndarray:
        """Vertices moved by the morph targets, each as far as its weight says."""
        for share, target in zip(morph, primitive.get("targets") or (), strict=False):
            if share and "POSITION" in target:
                moves = self._floats(target["POSITION"], 3)
                if moves.shape != vertices.shape:
                    raise ValueError("a morph target has another number of vertices than its mesh")
                vertices = vertices + np.float32(share) * moves
                self._done["morph targets"] += 1
        return vertices

    def _floats(self, index: Any, width: int | None) -> np.ndarray:
        found = self.arrays.array(index)
        if found.shape[1] != width and not (width is None and found.shape[1] in (3, 4)):
            raise ValueError(f"accessors number {index} has {found.shape[1]} columns")
        return found.astype(np.float32)

    def _joined(self, found: list[tuple[_Part, np.ndarray]]) -> Surface:
        starts = np.cumsum([0, *(len(part.vertices) for part, _ in found)])
        faces = [p.faces + start for (p, _), start in zip(found, starts, strict=False)]
        numbers = list(dict.fromkeys(part.material for part, _ in found))
        material = [np.full(len(p.faces), numbers.index(p.material)) for p, _ in found]
        parts = [part for part, _ in found]
        return Surface(
            torch.from_numpy(np.concatenate([there for _, there in found])),
            torch.from_numpy(np.concatenate(faces)),
            torch.from_numpy(np.concatenate(material)),
            tuple(self._material(number) for number in numbers),
            _corners([(p.uv, p.faces) for p in parts], 2),
            _corners([(_opaque(p.colour), p.faces) for p in parts], 4),
            linear=True,
        )

    # ---- materials -------------------------------------------------------------------------------------------------

    def _look(self, number: Any) -> tuple[Mapping[str, Any], Any, Mapping[str, Any]]:
        """A material, its factor, and what it says of its texture."""
        material = tree_of.item(self.tree, "materials", number)
        other = tree_of.entry(
            tree_of.entry(material, "extensions"), "KHR_materials_pbrSpecularGlossiness"
        )
        if other:
            return material, other.get("diffuseFactor"), tree_of.entry(other, "diffuseTexture")
        usual = tree_of.entry(material, "pbrMetallicRoughness")
        return material, usual.get("baseColorFactor"), tree_of.entry(usual, "baseColorTexture")

    def _shift(self, number: Any) -> Mapping[str, Any]:
        """How a material's texture is moved on the surface (KHR_texture_transform)."""
        texture = self._look(number)[2] if number is not None else {}
        return tree_of.entry(tree_of.entry(texture, "extensions"), "KHR_texture_transform")

    def _slot(self, number: Any) -> int:
        """Which texture coordinates a material's texture wants."""
        texture = self._look(number)[2] if number is not None else {}
        return tree_of.whole(self._shift(number), "texCoord", tree_of.whole(texture, "texCoord", 0))

    def _material(self, number: Any) -> Material:
        if number is None:
            return Material()
        material, factor, texture = self._look(number)
        factor = tree_of.numbers([1, 1, 1, 1] if factor is None else factor, 4).clip(0, 1)
        mode = str(material.get("alphaMode", "OPAQUE")).lower()
        if mode not in ("opaque", "mask", "blend"):
            raise ValueError(f"a material's alphaMode is {mode[:20]!r}")
        cutoff = float(tree_of.numbers([material.get("alphaCutoff", 0.5)], 1)[0])
        seen, wrap = self._texture(texture)
        return Material(tuple(map(float, factor)), seen, wrap, mode, cutoff)  # type: ignore[arg-type]

    def _texture(self, given: Mapping[str, Any]) -> tuple[Any, tuple[Wrap, Wrap]]:
        if "index" not in given:
            return None, ("repeat", "repeat")
        texture = tree_of.item(self.tree, "textures", given["index"])
        webp = tree_of.entry(tree_of.entry(texture, "extensions"), "EXT_texture_webp")
        source = webp.get("source", texture.get("source"))
        if source is None:
            raise Refused("a texture is in a format of an extension that is not read")
        wrap: Mapping[str, Any] = {}
        if "sampler" in texture:
            wrap = tree_of.item(self.tree, "samplers", texture["sampler"])
        both = tuple(WRAPS.get(wrap.get(key), "repeat") for key in ("wrapS", "wrapT"))
        return self._picture(source), both  # type: ignore[return-value]

    def _picture(self, index: Any) -> Any:
        if index not in self._pictures:
            found = tree_of.item(self.tree, "images", index)
            uri, name = found.get("uri"), f"number {index}"
            if isinstance(uri, str):
                content = self.arrays.folder[uri]
            else:
                part = self.arrays.view(found.get("bufferView"))
                self.arrays.folder.spend(len(part))
                content = bytes(part)
            self._pictures[index] = picture(content, name, self.max_pixels)
            self.max_pixels -= self._pictures[index][..., 0].numel()
        return self._pictures[index]


def _compact(part: _Part) -> _Part:
    """Without vertices that no face has, where these are many."""
    if len(part.vertices) <= 3 * len(part.faces):
        return part
    used, faces = np.unique(part.faces, return_inverse=True)
    of_corners = (part.uv, part.colour, part.joints, part.weights)
    uv, colour, joints, weights = (None if x is None else x[used] for x in of_corners)
    faces = faces.reshape(-1, 3)
    return _Part(part.vertices[used], faces, uv, colour, part.material, joints, weights)


def _moved(uv: np.ndarray | None, how: Mapping[str, Any]) -> np.ndarray | None:
    if uv is None or not how:
        return uv
    (turn,) = tree_of.numbers([how.get("rotation", 0)], 1)
    c, s = np.cos(turn), np.sin(turn)
    scaled = uv * tree_of.numbers(how.get("scale", [1, 1]), 2)
    turned = scaled @ np.array([[c, -s], [s, c]])
    return (turned + tree_of.numbers(how.get("offset", [0, 0]), 2)).astype(np.float32)


def _opaque(colour: np.ndarray | None) -> np.ndarray | None:
    """Colours with an opacity."""
    if colour is None or colour.shape[1] == 4:
        return colour
    return np.concatenate([colour, np.ones((len(colour), 1), np.float32)], 1)


def _corners(parts: list[tuple[np.ndarray | None, np.ndarray]], width: int) -> Tensor | None:
    """Values at the corners of all faces; ones where a part has none; None where no part has any."""
    if all(values is None for values, _ in parts):
        return None
    made = [
        np.ones((len(faces), 3, width), np.float32) if values is None else values[faces]
        for values, faces in parts
    ]
    return torch.from_numpy(np.concatenate(made))
