"""Cameras, the view sets that metrics look from, and the distribution that training looks from.

Conventions of :mod:`esd_bench.types`: +y up, azimuth 0 on +z, positive towards +x, camera-to-world matrices, radians.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

COMPASS = ("front", "side", "back", "overhead")
"""The four view words of text-to-3D prompts; ``side`` covers left and right."""


@dataclass(frozen=True)
class Cameras:
    """A batch of ``n`` perspective cameras that share a picture size.

    Attributes:
        c2w: camera-to-world matrices; columns are right, up, back and position.
        fov: vertical field of view in radians, one per camera.
        height, width: picture size in pixels.
    """

    c2w: Float[Tensor, "n 4 4"]
    fov: Float[Tensor, " n"]
    height: int
    width: int

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> "Cameras":
        if isinstance(index, int):
            index = [index]
        return replace(self, c2w=self.c2w[index], fov=self.fov[index])

    @property
    def position(self) -> Float[Tensor, "n 3"]:
        """Camera centres in world units."""
        return self.c2w[:, :3, 3]

    @property
    def azimuth(self) -> Float[Tensor, " n"]:
        """Radians in (-pi, pi]; 0 looks at the front."""
        return torch.atan2(self.position[:, 0], self.position[:, 2])

    @property
    def elevation(self) -> Float[Tensor, " n"]:
        """Radians in [-pi/2, pi/2]; positive looks down on the object."""
        return torch.atan2(self.position[:, 1], self.position[:, ::2].norm(dim=-1))

    @property
    def distance(self) -> Float[Tensor, " n"]:
        """Distance of the camera centre from the origin."""
        return self.position.norm(dim=-1)

    def to(self, device: torch.device | str) -> "Cameras":
        """The same cameras on another device."""
        return replace(self, c2w=self.c2w.to(device), fov=self.fov.to(device))

    def sized(self, height: int, width: int | None = None) -> "Cameras":
        """The same cameras with another picture size."""
        return replace(self, height=height, width=width or height)

    def rays(self) -> tuple[Float[Tensor, "n hw 3"], Float[Tensor, "n hw 3"]]:
        """Origins and unit directions through pixel centres, row by row from the top left."""
        device, dtype = self.c2w.device, self.c2w.dtype
        half = torch.tan(self.fov / 2)[:, None]
        x = (torch.arange(self.width, device=device, dtype=dtype) + 0.5) * 2 - self.width
        y = self.height - (torch.arange(self.height, device=device, dtype=dtype) + 0.5) * 2
        grid_y, grid_x = torch.meshgrid(y / self.height, x / self.height, indexing="ij")
        local = torch.stack(
            [
                grid_x.flatten() * half,
                grid_y.flatten() * half,
                -torch.ones_like(half).expand(-1, grid_x.numel()),
            ],
            dim=-1,
        )
        directions = local @ self.c2w[:, :3, :3].transpose(1, 2)
        directions = directions / directions.norm(dim=-1, keepdim=True)
        return self.position[:, None].expand_as(directions), directions

    def to_json(self) -> dict[str, Any]:
        """A JSON value from which :meth:`from_json` restores the same float32 cameras."""
        return {
            "height": self.height,
            "width": self.width,
            "fov": self.fov.tolist(),
            "camera_to_world": self.c2w.tolist(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Cameras":
        """The inverse of :meth:`to_json`."""
        return cls(
            torch.tensor(value["camera_to_world"], dtype=torch.float32).reshape(-1, 4, 4),
            torch.tensor(value["fov"], dtype=torch.float32),
            int(value["height"]),
            int(value["width"]),
        )


def orbit(
    azimuth: Float[Tensor, " n"],
    elevation: Float[Tensor, " n"],
    distance: Float[Tensor, " n"] | float,
    fov: Float[Tensor, " n"] | float,
    size: int,
) -> Cameras:
    """Cameras on spheres round the origin that look at it; upright, also at the poles.

    Angles in radians. The right vector depends on the azimuth only, so straight up and straight down are well defined.
    """
    sin_a, cos_a = torch.sin(azimuth), torch.cos(azimuth)
    sin_e, cos_e = torch.sin(elevation), torch.cos(elevation)
    back = torch.stack([cos_e * sin_a, sin_e, cos_e * cos_a], -1)
    right = torch.stack([cos_a, torch.zeros_like(cos_a), -sin_a], -1)
    up = torch.stack([-sin_e * sin_a, cos_e, -sin_e * cos_a], -1)
    radius = torch.as_tensor(distance, dtype=back.dtype, device=back.device).expand(len(azimuth))
    top = torch.stack([right, up, back, back * radius[:, None]], -1)
    bottom = torch.zeros_like(top[:, :1])
    bottom[..., 3] = 1
    angle = torch.as_tensor(fov, dtype=back.dtype, device=back.device).expand(len(azimuth))
    return Cameras(torch.cat([top, bottom], 1), angle, size, size)


FOV = math.radians(38.0)
"""Field of view of the evaluation views."""
DISTANCE = 2.9
"""Distance at which the unit ball fills an evaluation view (1 / sin(FOV / 2) is 3.07; corners are empty)."""


def sphere(n: int = 120, size: int = 64, distance: float = DISTANCE, fov: float = FOV) -> Cameras:
    """``n`` views spread uniformly on the sphere: the half-offset Fibonacci lattice (deterministic, any ``n``)."""
    return band(-90.0, 90.0, n, size, distance, fov)


def band(
    low: float,
    high: float,
    n: int = 120,
    size: int = 64,
    distance: float = DISTANCE,
    fov: float = FOV,
) -> Cameras:
    """``n`` views spread uniformly, by area, on the part of the sphere between two elevations in degrees."""
    if not -90 <= low < high <= 90:
        raise ValueError(f"a band needs -90 <= low < high <= 90 degrees, got {low} and {high}")
    index = torch.arange(n, dtype=torch.float64)
    z_low, z_high = math.sin(math.radians(low)), math.sin(math.radians(high))
    height = z_high - (index + 0.5) / n * (z_high - z_low)
    golden = math.pi * (3 - math.sqrt(5))
    azimuth = torch.remainder(index * golden + math.pi, 2 * math.pi) - math.pi
    return orbit(azimuth.float(), torch.asin(height).float(), distance, fov, size)


def ring(
    elevation: float = 15.0,
    n: int = 36,
    size: int = 64,
    distance: float = DISTANCE,
    fov: float = FOV,
) -> Cameras:
    """``n`` distinct views at one elevation in degrees, the first at azimuth 0; the last is not the first again."""
    azimuth = torch.arange(n, dtype=torch.float32) * (2 * math.pi / n)
    azimuth = torch.remainder(azimuth + math.pi, 2 * math.pi) - math.pi
    tilt = torch.full((n,), math.radians(elevation))
    return orbit(azimuth, tilt, distance, fov, size)


MOST = 2**16
"""Views of a protocol: as many of 64 x 64 pixels are the gibibyte that an asset's views may take."""


def protocol(text: str, size: int = 64) -> Cameras:
    """Cameras of a protocol name: ``sphere:120``, ``ring:15:36`` (elevation, n) or ``band:-10:45:120``.

    Raises:
        ValueError: with the accepted forms, when the text is none of them or asks for too many views to build.
    """
    kind, *numbers = text.split(":")
    makers: dict[str, tuple[int, Callable[..., Cameras]]] = {
        "sphere": (0, sphere),
        "ring": (1, ring),
        "band": (2, band),
    }
    try:
        angles, count = [float(x) for x in numbers[:-1]], int(numbers[-1])
        wanted, make = makers[kind]
        if len(angles) == wanted and 1 <= count <= MOST and all(abs(x) <= 90 for x in angles):
            return make(*angles, count, size)
    except (KeyError, IndexError, ValueError):
        pass
    raise ValueError(
        f"bad view protocol {text!r}; use sphere:120, ring:15:36 or band:-10:45:120, of at most {MOST} views"
    )


def compass(
    azimuth: Tensor,
    elevation: Tensor,
    front: float = 45.0,
    back: float = 45.0,
    overhead: float = 60.0,
) -> Tensor:
    """Index into :data:`COMPASS` of each view, as threestudio chooses the view word (thresholds in degrees).

    The later rule wins: side, then front, then back, then overhead. Shapes of the two tensors broadcast.
    """
    degrees = torch.rad2deg(torch.remainder(azimuth + math.pi, 2 * math.pi) - math.pi)
    word = torch.ones_like(degrees, dtype=torch.long)
    word = torch.where(degrees.abs() < front, 0, word)
    word = torch.where(degrees.abs() > 180 - back, 2, word)
    return torch.where(torch.rad2deg(elevation) > overhead, 3, word)


@dataclass(frozen=True)
class TrainingCameras:
    """The distribution of training views; every range is uniform. Angles in degrees.

    Attributes:
        elevation, distance, fov: inclusive ranges.
        area: probability of drawing the elevation uniformly by area of the band instead of by degree (threestudio: .5).
        shake: in scene units, how far a camera is moved at most along each axis, and the standard deviations of where it
            looks and of which way is up (threestudio's camera, center and up perturbations: .1, .2, .02).
    """

    elevation: tuple[float, float] = (-2.0, 28.0)
    distance: tuple[float, float] = (DISTANCE, DISTANCE)
    fov: tuple[float, float] = (38.0, 38.0)
    area: float = 0.0
    shake: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def numbers(self) -> int:
        """How many random numbers a view takes."""
        return 14 if any(self.shake) else 5

    def place(self, uniform: Float[Tensor, "p v k"], size: int) -> Cameras:
        """Cameras for ``(p, v)`` views out of uniform numbers in [0, 1), azimuth stratified over the views of a member.

        All :attr:`numbers` but the first are used per view; the first view's first number turns the whole stratified set.
        Returns ``p * v`` cameras, member by member.
        """
        p, v, _ = uniform.shape
        strata = torch.arange(v, device=uniform.device) / v
        azimuth = (torch.remainder(uniform[:, :1, 0] + strata, 1.0) * 2 - 1) * math.pi
        low, high = (math.radians(x) for x in self.elevation)
        by_degree = low + uniform[..., 1] * (high - low)
        by_area = torch.asin(math.sin(low) + uniform[..., 1] * (math.sin(high) - math.sin(low)))
        elevation = torch.where(uniform[..., 2] < self.area, by_area, by_degree)
        distance = self.distance[0] + uniform[..., 3] * (self.distance[1] - self.distance[0])
        fov = torch.deg2rad(self.fov[0] + uniform[..., 4] * (self.fov[1] - self.fov[0]))
        flat = [x.expand(p, v).reshape(-1) for x in (azimuth, elevation, distance, fov)]
        cameras = orbit(flat[0], flat[1], flat[2], flat[3], size)
        if not any(self.shake):
            return cameras
        return self._shaken(cameras, uniform[..., 5:].reshape(p * v, -1))

    def _shaken(self, cameras: Cameras, uniform: Float[Tensor, "n 9"]) -> Cameras:
        """Cameras a little off; their azimuth is where they really stand."""
        moved, aimed, tilted = self.shake
        normal = torch.special.ndtri(uniform[:, 3:].clamp(1e-6, 1 - 1e-6))
        position = cameras.position + moved * (uniform[:, :3] * 2 - 1)
        x, y, z = (tilted * normal[:, 3:]).unbind(-1)
        upright = torch.stack([x, y + 1, z], -1)
        back = normalize(position - aimed * normal[:, :3], dim=-1)
        right = normalize(torch.linalg.cross(upright, back), dim=-1)
        columns = torch.stack([right, torch.linalg.cross(back, right), back, position], -1)
        return replace(cameras, c2w=torch.cat([columns, cameras.c2w[:, 3:]], 1))
