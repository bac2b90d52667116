"""Somebody's mesh with its materials, and how it is looked at: its base colour unlit, from either side, supersampled."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from esd_bench.adapters import Renderer, Solid, _spans
from esd_bench.adapters._texture import Picture, Wrap, bilinear
from esd_bench.cameras import Cameras
from esd_bench.views import quantise

LAYERS = 8
"""Most translucent or cut-out faces that a pixel is seen through."""
FINE = 256
"""Side of the smallest picture that is rendered; smaller ones are averages of it."""
GREY = 0.8
"""Of a mesh without any colour."""
PIECE = 2**15
"""Pixels that are shaded together: their numbers stay in a core's cache."""
SAMPLES = 2**15
"""Points that stand for a surface when it is framed."""
Draw = Callable[[Cameras, int], Float[Tensor, "h w 4"]]
"""One camera, and how many samples each pixel has across and down, to their mean: colour times opacity, and opacity."""


@dataclass(frozen=True)
class Material:
    """What a face looks like.

    Attributes:
        factor: red, green, blue and opacity that multiply all else.
        picture: the texture; None is none.
        wrap: how it goes on beyond its edges, across and down.
        alpha: whether opacity counts: ``opaque`` not at all, ``mask`` as there or not there, ``blend`` as it is.
        cutoff: of ``mask``.
    """

    factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    picture: Picture | None = field(default=None, repr=False)
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")
    alpha: Literal["opaque", "mask", "blend"] = "opaque"
    cutoff: float = 0.5


@dataclass(frozen=True)
class Surface:
    """A mesh in the axes and units of its file.

    Attributes:
        vertices: in double precision, since a file's origin may lie far away.
        faces: corners.
        uv: of the corners of each face, from the texture's upper left corner.
        colour: of the corners of each face.
        material: number of each face's material.
        materials: there is one at least.
        linear: whether factors and colours of corners are linear light, as in glTF, or sRGB like all textures.
    """

    vertices: Float[Tensor, "k 3"]
    faces: Int[Tensor, "m 3"]
    material: Int[Tensor, " m"]
    materials: tuple[Material, ...]
    uv: Float[Tensor, "m 3 2"] | None = None
    colour: Float[Tensor, "m 3 4"] | None = None
    linear: bool = False

    @cached_property
    def bare(self) -> bool:
        """Whether nothing gives it a colour; white corners, which many programs write, are none."""
        plain = all(m.picture is None and m.factor[:3] == (1, 1, 1) for m in self.materials)
        return plain and (self.colour is None or bool((self.colour[..., :3] == 1).all()))


def solid(
    surface: Surface,
    facts: Mapping[str, Any],
    up: str = "+y",
    front: str = "+z",
    renderer: Renderer = "torch",
) -> Solid:
    """A mesh as an asset that can be looked at.

    A mesh without any colour is lit from the camera, or its pictures would be shadows.

    Raises:
        ValueError: when it has no face with an area, or a vertex that is not finite.
    """
    if not len(surface.faces):
        raise ValueError("it has no faces")
    if not bool(torch.isfinite(surface.vertices[surface.faces.unique()]).all()):
        raise ValueError("a vertex is not a finite number")
    areas = _areas(surface)
    if not float(areas.sum()) > 0 or not math.isfinite(float(areas.sum())):
        raise ValueError("no face has an area")
    points = _points(surface, areas)
    weights = torch.ones(len(points))
    draw, who = _drawer(surface, points.mean(0), renderer)
    told = {
        "renderer": who,
        "faces": len(surface.faces),
        "vertices": len(surface.vertices),
        "textures": sum(m.picture is not None for m in surface.materials),
        "light": "from the camera, because the file has no colour" if surface.bare else "none",
        **facts,
    }

    def look(cameras: Cameras) -> UInt8[Tensor, "n 4 h w"]:
        return torch.cat([_picture(draw, cameras[i]) for i in range(len(cameras))])

    return Solid(look, points.float(), weights, up, front, told)


def _drawer(surface: Surface, centre: Float[Tensor, "3"], renderer: Renderer) -> tuple[Draw, str]:
    """What draws a surface, and its name for the record; torch draws what others can't."""
    ours = partial(_averaged, surface, centre)
    if renderer != "moderngl":
        return ours, "torch"
    from esd_bench.adapters import _moderngl

    who, why = _moderngl.ready(), _moderngl.unable(surface)
    if why:
        return ours, f"torch, because {why}"
    return _moderngl.drawer(surface, centre), who


def _areas(surface: Surface) -> Float[Tensor, " m"]:
    a, b, c = surface.vertices[surface.faces].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=-1) / 2


def _points(surface: Surface, areas: Float[Tensor, " m"]) -> Float[Tensor, "k 3"]:
    """Points spread evenly by area; always the same ones."""
    ends = areas.cumsum(0)
    at = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES * ends[-1]
    face = torch.searchsorted(ends, at).clamp_max(len(areas) - 1)
    # The additive sequence of the plastic number (Roberts 2018), folded into the triangle.
    index = torch.arange(SAMPLES, dtype=torch.float64)[:, None]
    share = torch.remainder(index * torch.tensor([0.7548776662466927, 0.5698402909980532]), 1)
    share = torch.where(share.sum(1, keepdim=True) > 1, 1 - share, share)
    a, b, c = surface.vertices[surface.faces[face]].unbind(1)
    return a + (b - a) * share[:, :1] + (c - a) * share[:, 1:]


def _picture(draw: Draw, camera: Cameras) -> UInt8[Tensor, "1 4 h w"]:
    """One picture: 2 x 2 samples a pixel, or more where it is small."""
    samples = max(2, math.ceil(FINE / min(camera.height, camera.width)))
    mean = draw(camera, samples).permute(2, 0, 1)[None]
    return quantise(mean[:, :3], mean[:, 3:])


def _averaged(
    surface: Surface, centre: Float[Tensor, "3"], camera: Cameras, samples: int
) -> Float[Tensor, "h w 4"]:
    """Colour with opacity as weight, and opacity."""
    fine = replace(camera, height=camera.height * samples, width=camera.width * samples)
    rgba = _premultiplied(surface, fine, centre)
    split = rgba.reshape(camera.height, samples, camera.width, samples, 4)
    # One after the other, so that no thread count changes the order of the sum.
    total = torch.zeros(camera.height, camera.width, 4)
    for i in range(samples):
        for j in range(samples):
            total += split[:, i, :, j]
    return total / samples**2


def _premultiplied(
    surface: Surface, camera: Cameras, centre: Float[Tensor, "3"]
) -> Float[Tensor, "hw 4"]:
    """Colour times opacity, and opacity: the nearest face, and what lies behind it while light comes through."""
    c2w, size = camera.c2w[0].double(), (camera.height, camera.width)
    focal = size[0] / 2 / torch.tan(camera.fov[0].double() / 2)
    near = _spans.NEAR * float((c2w[:3, 3] - centre).norm())
    seen = _spans.project(surface.vertices, surface.faces, c2w, focal, size, near)
    known = _spans.table(seen)
    light = lamp(surface, c2w[:3, 3]) if surface.bare else None
    total, behind = torch.zeros(size[0] * size[1], 4), None
    clear = any(m.alpha != "opaque" for m in surface.materials)
    for _ in range(LAYERS if clear else 1):
        key = _spans.nearest(seen, size, behind)
        pixel = (key >= 0).nonzero()[:, 0]
        if not len(pixel):
            break
        face = _spans.face_of(key.index_select(0, pixel))
        pieces = zip(face.split(PIECE), pixel.split(PIECE), strict=True)
        rgba = torch.cat([_shaded(surface, known, f, p, size[1], light) for f, p in pieces])
        if not clear:
            return total.index_copy(0, pixel, rgba)
        through = (1 - total[pixel, 3]) * rgba[:, 3]
        total[pixel] += torch.cat([rgba[:, :3], torch.ones(len(pixel), 1)], 1) * through[:, None]
        behind = torch.full_like(key, _spans.NOTHING)
        behind[pixel] = torch.where(total[pixel, 3] < 0.999, key[pixel], _spans.NOTHING)
    return total


def lamp(surface: Surface, eye: Float[Tensor, "3"]) -> Float[Tensor, " m"]:
    """Brightness of faces under a lamp at the camera, seen from either side."""
    a, b, c = surface.vertices[surface.faces].unbind(1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    towards = torch.nn.functional.normalize(eye - (a + b + c) / 3, dim=-1)
    return (0.25 + 0.75 * (normal * towards).sum(-1).abs()).float() * GREY


def _shaded(
    surface: Surface,
    known: Float[Tensor, "m 9"],
    face: Int[Tensor, " k"],
    pixel: Int[Tensor, " k"],
    width: int,
    light: Float[Tensor, " m"] | None,
) -> Float[Tensor, "k 4"]:
    """Colour and opacity of what pixels see, opacity 1 where it does not count."""
    x, y = (pixel % width).float() + 0.5, (pixel // width).float() + 0.5
    flat = surface.uv is None and surface.colour is None
    weights = None if flat else torch.stack(_spans.weights(known, face, x, y), -1)
    shared = surface.material.index_select(0, face)
    if len(surface.materials) == 1:
        rgba = _colour(surface, surface.materials[0], face, weights)
        return _lit(rgba, face, light)
    rgba = torch.ones(len(face), 4)
    for number in shared.bincount().nonzero()[:, 0].tolist():  # of perhaps thousands
        own = (shared == number).nonzero()[:, 0]
        share = None if weights is None else weights[own]
        rgba[own] = _colour(surface, surface.materials[number], face[own], share)
    return _lit(rgba, face, light)


def _lit(rgba: Float[Tensor, "k 4"], face: Int[Tensor, " k"], light: Tensor | None) -> Tensor:
    if light is None:
        return rgba
    return torch.cat([light.index_select(0, face)[:, None] * rgba[:, :3], rgba[:, 3:]], 1)


def _colour(
    surface: Surface, material: Material, face: Int[Tensor, " k"], weights: Tensor | None
) -> Float[Tensor, "k 4"]:
    parts = []
    if material.factor != (1, 1, 1, 1):
        parts.append(torch.tensor(material.factor).expand(len(face), 4))
    if surface.colour is not None and weights is not None:
        parts.append(_mean(surface.colour.index_select(0, face), weights))
    texture = torch.ones(len(face), 4)
    if material.picture is not None and surface.uv is not None and weights is not None:
        uv = _mean(surface.uv.index_select(0, face), weights)
        texture = bilinear(material.picture, uv, material.wrap)
    return _opacity(_product(texture, parts, surface.linear), material)


def _mean(corners: Float[Tensor, "k 3 c"], weights: Float[Tensor, "k 3"]) -> Float[Tensor, "k c"]:
    a, b, c = (corners[:, i] * weights[:, i : i + 1] for i in range(3))
    return a + b + c


def _product(texture: Tensor, parts: list[Tensor], linear: bool) -> Float[Tensor, "k 4"]:
    """The product of colours; where they are linear light the texture is turned into that and the result back."""
    if not parts:
        return texture
    rgb = to_linear(texture[:, :3]) if linear else texture[:, :3]
    alpha = texture[:, 3:]
    for part in parts:
        rgb, alpha = rgb * part[:, :3], alpha * part[:, 3:]
    rgb = to_srgb(rgb.clamp(0, 1)) if linear else rgb
    return torch.cat([rgb, alpha], 1).clamp(0, 1)


def _opacity(rgba: Float[Tensor, "k 4"], material: Material) -> Float[Tensor, "k 4"]:
    if material.alpha == "blend":
        return rgba
    there = rgba[:, 3] >= material.cutoff if material.alpha == "mask" else torch.ones(len(rgba))
    return torch.cat([rgba[:, :3], there.to(rgba)[:, None]], 1)


def to_linear(x: Tensor) -> Tensor:
    """sRGB to linear light (IEC 61966-2-1)."""
    return torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def to_srgb(x: Tensor) -> Tensor:
    """The inverse of :func:`to_linear`."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)
