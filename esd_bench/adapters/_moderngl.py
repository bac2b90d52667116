"""Pictures of meshes by OpenGL (moderngl, headless by EGL): the samples of :mod:`._surface`, other bits on other drivers.

The same sample positions, the same light and the same bilinear lookup, written out in the shader because hardware filters
in 8 bits. What it can't draw as torch does is torch's: see :func:`unable`.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from esd_bench.adapters import _spans
from esd_bench.adapters._surface import Draw, Material, Surface, lamp
from esd_bench.cameras import Cameras

WRAPS = ("repeat", "mirror", "clamp")
HIDDEN = -1.0
"""The light of a face that is not drawn."""
VERTEX = """#version 330
uniform mat4 seen;
in vec3 place; in vec2 at; in vec4 tint; in float light;
out vec2 uv; out vec4 colour; flat out float lit;
void main() {
    uv = at; colour = tint; lit = light;
    gl_Position = light < 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : seen * vec4(place, 1.0);
}"""
FRAGMENT = """#version 330
uniform sampler2D picture; uniform bool textured; uniform ivec2 wrap;
uniform vec4 factor; uniform bool linear; uniform float cutoff;
in vec2 uv; in vec4 colour; flat in float lit;
out vec4 rgba;
float near(float x, int how) {
    if (isnan(x) || isinf(x)) return 0.0;
    return how == 2 ? clamp(x, 0.0, 1.0) : how == 0 ? x - floor(x) : x - floor(x / 2.0) * 2.0;
}
int inside(int i, int size, int how) {
    if (how == 0) i = i < 0 ? i + size : i >= size ? i - size : i;
    if (how == 1) {
        i = i < 0 ? -1 - i : i >= 2 * size ? 4 * size - 1 - i : i;
        i = min(i, 2 * size - 1 - i);
    }
    return clamp(i, 0, size - 1);
}
vec4 texel(ivec2 at) {
    ivec2 size = textureSize(picture, 0);
    return texelFetch(picture, ivec2(inside(at.x, size.x, wrap.x), inside(at.y, size.y, wrap.y)), 0);
}
vec4 bilinear() {
    vec2 place = vec2(near(uv.x, wrap.x), near(uv.y, wrap.y)) * vec2(textureSize(picture, 0)) - 0.5;
    ivec2 at = ivec2(floor(place));
    vec2 share = place - floor(place);
    vec4 above = mix(texel(at), texel(at + ivec2(1, 0)), share.x);
    return mix(above, mix(texel(at + ivec2(0, 1)), texel(at + ivec2(1, 1)), share.x), share.y);
}
vec3 to_linear(vec3 x) {
    return mix(pow((x + 0.055) / 1.055, vec3(2.4)), x / 12.92, lessThanEqual(x, vec3(0.04045)));
}
vec3 to_srgb(vec3 x) {
    return mix(1.055 * pow(x, vec3(1.0 / 2.4)) - 0.055, x * 12.92, lessThanEqual(x, vec3(0.0031308)));
}
void main() {
    vec4 found = textured ? bilinear() : vec4(1.0), by = factor * colour;
    if (clamp(found.a * by.a, 0.0, 1.0) < cutoff) discard;
    vec3 rgb = linear ? to_srgb(clamp(to_linear(found.rgb) * by.rgb, 0.0, 1.0)) : found.rgb * by.rgb;
    rgba = vec4(lit * clamp(rgb, 0.0, 1.0), 1.0);
}"""

CORNERS = """#version 330
void main() {
    gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}"""
MEAN = """#version 330
uniform sampler2D fine; uniform int samples;
out vec4 mean;
void main() {
    vec4 total = vec4(0.0);
    for (int i = 0; i < samples * samples; i++)
        total += texelFetch(fine, ivec2(gl_FragCoord.xy) * samples + ivec2(i % samples, i / samples), 0);
    mean = total / float(samples * samples);
}"""


@lru_cache(maxsize=1)
def _context() -> Any:
    """The one context of this process.

    Raises:
        ImportError: without moderngl.
        OSError: where there is no device to draw on.
    """
    try:
        import moderngl
    except ImportError:
        raise ImportError(
            'drawing by OpenGL needs moderngl: pip install "esd-bench[gl]", or use --renderer torch'
        ) from None
    try:
        # By the names that drivers install; names without a number come with compilers' files only.
        names = {"libgl": "libGL.so.1", "libegl": "libEGL.so.1"}
        context = moderngl.create_standalone_context(backend="egl", **names)
    except Exception as error:
        raise OSError(
            f"OpenGL finds no EGL device here ({error}): install a GPU driver with EGL or Mesa's "
            "(apt-get install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri), or use --renderer torch"
        ) from None
    # Freed where we say so: on their own they complain while the interpreter ends.
    context.gc_mode = "context_gc"
    return context


def ready() -> str:
    """What draws: the package, the device and its driver; or an error that says what is missing."""
    context = _context()
    from importlib.metadata import version

    device, driver = context.info["GL_RENDERER"], context.info["GL_VERSION"]
    return f"moderngl {version('moderngl')} on {device}, OpenGL {driver}"


def unable(surface: Surface) -> str:
    """Why a surface is not drawn here, or ""."""
    if any(m.alpha == "blend" for m in surface.materials):
        return "a material is translucent"
    most = _context().info["GL_MAX_TEXTURE_SIZE"]
    if any(m.picture is not None and max(m.picture.shape[:2]) > most for m in surface.materials):
        return f"a texture is larger than {most} pixels"
    return ""


def drawer(surface: Surface, centre: Float[Tensor, "3"]) -> Draw:
    """Pictures of a surface that :func:`unable` does not name; it goes to the device at the first picture."""
    scene = lru_cache(maxsize=1)(lambda: _Scene(surface, centre))
    return lambda camera, samples: scene().picture(camera, samples)


class _Canvas:
    """A picture of ``samples x samples`` times as many pixels, and its mean."""

    def __init__(self, width: int, height: int, samples: int) -> None:
        self.context, self.size, fine = (
            _context(),
            (width, height),
            (width * samples, height * samples),
        )
        self.fine = self.context.texture(fine, 4, dtype="f4")
        self.target = self.context.framebuffer([self.fine], self.context.depth_renderbuffer(fine))
        self.small = self.context.simple_framebuffer(self.size, dtype="f4")
        program = self.context.program(vertex_shader=CORNERS, fragment_shader=MEAN)
        program["samples"] = samples
        self.mean = self.context.vertex_array(program, [])

    def clear(self) -> None:
        """Draw on it from here on."""
        self.target.use()
        self.context.enable_only(self.context.DEPTH_TEST)
        self.target.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)

    def read(self) -> Float[Tensor, "h w 4"]:
        """The mean, its first row the uppermost."""
        self.small.use()
        self.context.enable_only(self.context.NOTHING)
        self.fine.use(0)
        self.mean.render(vertices=3)
        found = bytearray(self.small.read(components=4, dtype="f4"))
        return torch.frombuffer(found, dtype=torch.float32).view(*self.size[::-1], 4)


_canvas = lru_cache(maxsize=1)(_Canvas)


class _Scene:
    """A surface on the device, its faces ordered by material."""

    def __init__(self, surface: Surface, centre: Float[Tensor, "3"]) -> None:
        self.surface, self.centre, self.context = surface, centre, _context()
        self.context.gc()  # what the mesh before left
        self.order = surface.material.argsort(stable=True)
        self.counts = surface.material.bincount(minlength=len(surface.materials)).tolist()
        faces = surface.faces[self.order]
        used, self.corners = faces.unique(return_inverse=True)
        self.places = surface.vertices[used] - centre
        # OpenGL's floats end at 1e38; what is near the centre keeps its digits.
        self.unit = float(self.places.abs().max())
        uv, colour = (
            x[self.order] if x is not None else torch.full((len(faces), 3, width), fill)
            for x, width, fill in ((surface.uv, 2, 0.0), (surface.colour, 4, 1.0))
        )
        both = [(self.places / self.unit)[self.corners], uv, colour]
        vertices = torch.cat([x.float() for x in both], -1)
        self.program = self.context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self.program["linear"] = surface.linear
        self.light, self.plain = self.context.buffer(_bytes(torch.ones(len(faces), 3))), True
        content = [
            (self.context.buffer(_bytes(vertices)), "3f 2f 4f", "place", "at", "tint"),
            (self.light, "1f", "light"),
        ]
        self.faces = self.context.vertex_array(self.program, content)
        pictures = {id(m.picture): m.picture for m in surface.materials if m.picture is not None}
        self.pictures = {key: self._texture(x) for key, x in pictures.items()}

    def _texture(self, picture: Tensor) -> Any:
        height, width = picture.shape[:2]
        return self.context.texture((width, height), 4, _bytes(picture))

    def picture(self, camera: Cameras, samples: int) -> Float[Tensor, "h w 4"]:
        """Colour times opacity, and opacity."""
        c2w = camera.c2w[0].double()
        away = self.centre - c2w[:3, 3]
        depth = ((self.places + away) * -c2w[:3, 2]).sum(-1)
        before = depth > _spans.NEAR * float(away.norm())
        shown = before[self.corners].all(-1)
        if not bool(shown.any()):
            return torch.zeros(camera.height, camera.width, 4)
        self._light(c2w[:3, 3], shown)
        span = float(depth[before].min()) * 0.999, float(depth[before].max()) * 1.001
        # OpenGL's matrices are written column by column.
        self.program["seen"].write(_bytes(_seen(camera, away, self.unit, span).T.float()))
        canvas = _canvas(camera.width, camera.height, samples)
        canvas.clear()
        first = 0
        for material, count in zip(self.surface.materials, self.counts, strict=True):
            if count:
                self._choose(material)
                self.faces.render(vertices=3 * count, first=3 * first)
            first += count
        return canvas.read()

    def _light(self, eye: Float[Tensor, "3"], shown: Bool[Tensor, " m"]) -> None:
        """Write the light of all faces, unless all of it is 1 and was."""
        plain = not self.surface.bare and bool(shown.all())
        if not (plain and self.plain):
            lit = (
                lamp(self.surface, eye)[self.order] if self.surface.bare else torch.ones(len(shown))
            )
            self.light.write(_bytes(torch.where(shown, lit, HIDDEN)[:, None].expand(-1, 3)))
        self.plain = plain

    def _choose(self, material: Material) -> None:
        textured = material.picture is not None and self.surface.uv is not None
        self.program["textured"] = textured
        self.program["factor"] = material.factor
        self.program["wrap"] = tuple(WRAPS.index(x) for x in material.wrap)
        self.program["cutoff"] = material.cutoff if material.alpha == "mask" else -1.0
        if textured:
            self.pictures[id(material.picture)].use(0)


def _seen(
    camera: Cameras, away: Float[Tensor, "3"], unit: float, span: tuple[float, float]
) -> Float[Tensor, "4 4"]:
    """From places in the buffer to OpenGL's clip coordinates, upside down, so that its first row is the uppermost."""
    axes = camera.c2w[0, :3, :3].double().T
    right, up, back = torch.cat([axes * unit, (axes @ away)[:, None]], 1)
    focal = 1 / torch.tan(camera.fov[0].double() / 2)
    near, far = span
    depth = -back * (far + near) / (far - near)
    depth[3] -= 2 * far * near / (far - near)
    return torch.stack([right * focal * camera.height / camera.width, -up * focal, depth, -back])


def _bytes(x: Tensor) -> bytes:
    return np.ascontiguousarray(x.numpy()).tobytes()
