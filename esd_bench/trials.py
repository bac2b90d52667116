"""The test pictures of a threestudio trial as a view set of ours; of its settings only what they need.

A picture is a strip: colour, perhaps normals, and opacity, side by side. The last view is the first again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from esd_bench.cameras import Cameras, orbit
from esd_bench.views import ViewSet, quantise

WHITE = (1.0, 1.0, 1.0)


def strips(folder: Path) -> list[Path]:
    """The test pictures of a folder ``it<step>-test``, in order."""
    found = folder.glob("*.png")
    return sorted((x for x in found if x.stem.isdecimal()), key=lambda x: int(x.stem))


def views(paths: Sequence[Path], settings: Mapping[str, Any], protocol: str) -> ViewSet:
    """Pictures that go once round the object, each view once, from the front towards our +x.

    Args:
        paths: the strips without the repeated last one.
        settings: of the trial, resolved.
        protocol: the name that the set gets.

    Raises:
        ValueError: when one is broken or not as the settings say; the message has the file's name only.
    """
    at, behind = _cameras(settings["data"], len(paths)), background(settings["system"])
    return ViewSet(
        torch.cat([_rgba(path, at.height, at.width, behind) for path in paths]), at, protocol
    )


def background(system: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The colour that the pictures lie on; None is a panorama that was learned, which can't be taken away again."""
    own = system.get("background") or {}
    kind = system.get("background_type")
    learned = isinstance(kind, str) and "environment" in kind
    colour = (
        own.get("eval_color") or (None if learned else own.get("color")) or (not learned and WHITE)
    )
    if not colour:
        return None
    red, green, blue = (_between("a colour", colour[i], 0, 1) for i in range(3))
    return red, green, blue


def _between(name: str, value: Any, low: float, high: float) -> float:
    """A number of the settings.

    Raises:
        ValueError: when it is none, or can't be.
    """
    number = float(value)
    if not low <= number <= high:
        raise ValueError(f"{name} is {number:g}, not from {low:g} to {high:g}")
    return number


def _cameras(data: Mapping[str, Any], n: int) -> Cameras:
    """The test cameras. There +z is up and +x the front, azimuth goes towards +y; here +y, +z and +x: the angles agree."""
    turn = torch.arange(n, dtype=torch.float64) * (2 * torch.pi / n)
    turn = (torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi).float()
    tilt, fov, away = (
        _between(name, data[name], low, high)
        for name, low, high in (
            ("eval_elevation_deg", -90, 90),
            ("eval_fovy_deg", 0.1, 179),
            ("eval_camera_distance", 1e-3, 1e6),
        )
    )
    angles = (torch.deg2rad(torch.full((n,), x)) for x in (tilt, fov))
    made = orbit(turn, next(angles), away, next(angles), int(data["eval_height"]))
    return made.sized(int(data["eval_height"]), int(data["eval_width"]))


def _rgba(path: Path, height: int, width: int, behind: tuple[float, ...] | None) -> Tensor:
    """A strip as straight RGBA without the background that it lies on."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            _check(path.name, image.size, height, width)
            strip = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 255
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is not a whole picture: {error}") from None
    rgb, opacity = strip[None, :, :, :width], strip[None, :1, :, -width:]
    if behind is None:
        return quantise(rgb * opacity, opacity)
    return quantise(_bare(rgb, opacity, torch.tensor(behind)), opacity)


def _check(name: str, size: tuple[int, int], height: int, width: int) -> None:
    """Before anything is unpacked."""
    if size[1] != height or size[0] not in (2 * width, 3 * width):
        raise ValueError(f"{name} is {size[0]} x {size[1]}, no strip of pictures")


def _bare(
    rgb: Float[Tensor, "n 3 h w"], opacity: Float[Tensor, "n 1 h w"], colour: Float[Tensor, " c"]
) -> Float[Tensor, "n 3 h w"]:
    """The object's own colour, times opacity."""
    return (rgb - (1 - opacity) * colour[:, None, None]).clamp(min=0)
