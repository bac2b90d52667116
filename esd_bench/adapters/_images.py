"""Textures from bytes: the size in the header is looked at before anything is decoded."""

import io
import warnings

import numpy as np
import torch
from PIL import Image

from esd_bench.adapters import Refused
from esd_bench.adapters._texture import Picture

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "TIFF")
"""What is decoded; others of Pillow's start programs, or are videos."""


def picture(content: bytes, name: str, max_pixels: int) -> Picture:
    """A texture as straight 8-bit RGBA.

    Raises:
        ValueError: for what is no picture, or a broken one.
        Refused: for one of more pixels than the limit.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise Refused(
                        f"the texture {name} has {width} x {height} pixels, more than {max_pixels}; "
                        "--set max_pixels=N allows more"
                    )
                if not width * height:
                    raise ValueError("no pixels")
                pixels = np.array(_eight_bits(image).convert("RGBA"))
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(f"the texture {name} is too large: {' '.join(str(error).split())}") from None
    except Exception as error:  # its decoders raise all kinds
        said = " ".join(str(error).split())[:120]
        raise ValueError(f"the texture {name} can't be decoded: {said}") from None
    return torch.from_numpy(pixels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit grey as eight; Pillow would cut it off at 255."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray((values / 257 + 0.5).clip(0, 255).astype(np.uint8))
    return image
