"""ViewSet: pictures of one asset with the cameras that saw them; lossless to and from a folder."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from esd_bench.ahead import ahead
from esd_bench.cameras import Cameras
from esd_bench.types import Images

BACKGROUNDS = {"white": (1.0, 1.0, 1.0), "grey": (0.5, 0.5, 0.5), "black": (0.0, 0.0, 0.0)}


@dataclass(frozen=True)
class ViewSet:
    """``n`` pictures of one asset.

    Attributes:
        rgba: straight (not premultiplied) 8-bit colour and opacity: the bytes that every metric reads.
        cameras: the cameras, one per picture.
        protocol: the name of the view set, such as ``sphere:120``.
    """

    rgba: UInt8[Tensor, "n 4 h w"]
    cameras: Cameras
    protocol: str

    def __len__(self) -> int:
        return self.rgba.shape[0]

    def over(self, background: str = "white") -> Images:
        """The pictures composited over a named background (a key of :data:`BACKGROUNDS`)."""
        if background not in BACKGROUNDS:
            raise ValueError(f"unknown background {background!r}; use {', '.join(BACKGROUNDS)}")
        colour = torch.tensor(BACKGROUNDS[background])[None, :, None, None]
        rgba = self.rgba.float() / 255
        return rgba[:, :3] * rgba[:, 3:] + colour * (1 - rgba[:, 3:])

    @property
    def digest(self) -> str:
        """SHA-256 of the cameras and of every pixel."""
        value = hashlib.sha256(json.dumps(self.cameras.to_json()).encode())
        value.update(self.rgba.contiguous().numpy().tobytes())
        return value.hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``cameras.json`` and ``000.png`` and on into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(self.rgba.permute(0, 2, 3, 1).contiguous().numpy()):
            Image.fromarray(picture, "RGBA").save(folder / f"{index:03d}.png")
        value = {"protocol": self.protocol, **self.cameras.to_json()}
        (folder / "cameras.json").write_text(json.dumps(value))

    @classmethod
    def load(cls, folder: Path) -> "ViewSet":
        """The inverse of :meth:`save`.

        Raises:
            ValueError: when a picture is missing, broken or of another size.
        """
        try:
            value = dict(json.loads((folder / "cameras.json").read_text()))
            cameras = Cameras.from_json(value)
            files = [folder / f"{i:03d}.png" for i in range(len(cameras))]
            pictures = list(ahead(partial(_read, cameras=cameras), files))
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"cannot read the views in {folder}: {error}") from None
        return cls(torch.stack(pictures), cameras, value["protocol"])


def _read(path: Path, cameras: Cameras) -> UInt8[Tensor, "4 h w"]:
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGBA"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path} is not a whole picture: {error}") from None
    if pixels.shape[:2] != (cameras.height, cameras.width):
        raise ValueError(f"{path} is {pixels.shape[1]} x {pixels.shape[0]}, not as its cameras say")
    return torch.from_numpy(pixels).permute(2, 0, 1)


def quantise(
    rgb: Float[Tensor, "n 3 h w"], opacity: Float[Tensor, "n 1 h w"]
) -> UInt8[Tensor, "n 4 h w"]:
    """8-bit straight RGBA of premultiplied colour; rounds half up, fully transparent pixels are white."""
    straight = torch.where(opacity > 1e-4, rgb / opacity.clamp_min(1e-4), torch.ones_like(rgb))
    both = torch.cat([straight, opacity], 1).clamp(0, 1)
    return (both * 255 + 0.5).floor().to(torch.uint8).cpu()
