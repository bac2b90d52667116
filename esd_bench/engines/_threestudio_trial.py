"""A trial's folder: what is done, where to go on, and its pictures as a view set of ours.

Checkpoints are pickles, so they are looked at from outside only.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from esd_bench.cameras import Cameras, orbit
from esd_bench.engines import _threestudio_yaml as yaml
from esd_bench.engines._threestudio_launch import StageError
from esd_bench.views import ViewSet, quantise


@dataclass(frozen=True)
class Trial:
    """One stage's folder, ``<name>/<tag>`` or ``<name>/<tag>@<time>``.

    Attributes:
        folder: where it is.
        steps: of the whole stage.
    """

    folder: Path
    steps: int

    @classmethod
    def find(cls, trials: Path, name: str, tag: str, steps: int) -> "Trial | None":
        """The one that got farthest, or None."""
        found = [cls(x, steps) for x in (trials / name).glob(f"{tag}*") if x.is_dir()]
        return max(found, key=lambda trial: (trial.done, trial.age), default=None)

    @property
    def config(self) -> Path:
        """All settings, resolved."""
        return self.folder / "configs" / "parsed.yaml"

    @property
    def last(self) -> Path | None:
        """The newest checkpoint that is whole."""
        found = [x for x in (self.folder / "ckpts").glob("*.ckpt") if _whole(x)]
        return max(found, key=lambda x: (x.stat().st_mtime_ns, x.name[:4] == "last"), default=None)

    @property
    def age(self) -> int:
        """When its newest checkpoint was written."""
        return self.last.stat().st_mtime_ns if self.last else 0

    @property
    def done(self) -> bool:
        """Whether the training has come to its end."""
        return any(_whole(x) for x in (self.folder / "ckpts").glob(f"*step={self.steps}.ckpt"))

    @property
    def resumable(self) -> bool:
        """Whether there is something to go on from."""
        return self.config.is_file() and self.last is not None

    @property
    def pictures(self) -> list[Path]:
        """The test pictures, in order."""
        found = (self.folder / "save" / f"it{self.steps}-test").glob("*.png")
        return sorted((x for x in found if x.stem.isdigit()), key=lambda x: int(x.stem))

    def views(self, protocol: str) -> ViewSet:
        """The pictures without the last one, which is the first again.

        Raises:
            StageError: when some are missing or not as they should be.
        """
        value, (_, _, count) = yaml.read(self.config), protocol.split(":")
        paths, n = self.pictures, int(count)
        if [x.stem for x in paths] != [str(i) for i in range(n + 1)]:
            raise StageError(f"{len(paths)} of {n + 1} views were rendered")
        at = _cameras(value["data"], n)
        colour = (value["system"].get("background") or {}).get("eval_color") or (1.0, 1.0, 1.0)
        pictures = [_rgba(path, at.height, at.width, colour) for path in paths[:n]]
        return ViewSet(torch.cat(pictures), at, protocol)


def _whole(path: Path) -> bool:
    """Whether a file was written to its end, as far as can be told: an archive that was cut off lacks its directory."""
    with path.open("rb") as file:
        start = file.read(2)
    return bool(start) and (start != b"PK" or zipfile.is_zipfile(path))


def _cameras(data: dict[str, Any], n: int) -> Cameras:
    """The test cameras. There +z is up and +x the front, azimuth goes towards +y; here +y, +z and +x: the angles agree."""
    turn = torch.arange(n, dtype=torch.float64) * (2 * torch.pi / n)
    turn = (torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi).float()
    tilt, fov = (
        torch.deg2rad(torch.full((n,), float(data[name])))
        for name in ("eval_elevation_deg", "eval_fovy_deg")
    )
    made = orbit(turn, tilt, float(data["eval_camera_distance"]), fov, int(data["eval_height"]))
    return made.sized(int(data["eval_height"]), int(data["eval_width"]))


def _rgba(path: Path, height: int, width: int, colour: Any) -> Tensor:
    """A strip of colour, perhaps normals, and opacity, as straight RGBA without the background that it lies on."""
    try:
        with Image.open(path) as image:
            strip = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 255
    except (OSError, SyntaxError) as error:
        raise StageError(f"{path.name} is not a whole picture: {error}") from None
    columns = strip.shape[2] / width
    if strip.shape[1] != height or columns not in (2, 3):
        raise StageError(
            f"{path.name} is {strip.shape[2]} x {strip.shape[1]}, no strip of pictures"
        )
    rgb, opacity = strip[None, :, :, :width], strip[None, :1, :, -width:]
    return quantise(_bare(rgb, opacity, torch.tensor(colour)), opacity)


def _bare(
    rgb: Float[Tensor, "n 3 h w"], opacity: Float[Tensor, "n 1 h w"], colour: Float[Tensor, " c"]
) -> Float[Tensor, "n 3 h w"]:
    """The object's own colour, times opacity."""
    return (rgb - (1 - opacity) * colour[:, None, None]).clamp(min=0)
