"""Textures from bytes: the size in the header is looked at before anything is decoded."""

import io
import warnings

import torch
from PIL import Image

from esd_bench.adapters import Refused
from esd_bench.adapters._stills import pixels
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
                rgba = pixels(image, "it")
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(f"the texture {name} is too large: {' '.join(str(error).split())}") from None
    except Exception as error:  # its decoders raise all kinds
        said = " ".join(str(error).split())[:120]
        raise ValueError(f"the texture {name} can't be decoded: {said}") from None
    return torch.from_numpy(rgba)
