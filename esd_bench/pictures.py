"""Contact sheets and turntables: how a person looks at an asset."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from esd_bench.types import Images


def _pixels(rgb: Images) -> np.ndarray:
    """(n, h, w, 3) bytes, rounded half up."""
    return (rgb.clamp(0, 1) * 255 + 0.5).floor().byte().permute(0, 2, 3, 1).cpu().numpy()


def row(rgb: Images, scale: int = 1) -> Image.Image:
    """Pictures side by side, enlarged by an integer."""
    strip = Image.fromarray(np.concatenate(list(_pixels(rgb)), 1))
    return strip.resize((strip.width * scale, strip.height * scale), Image.Resampling.NEAREST)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has Greek letters and comes with matplotlib on every machine."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size)


def sheet(
    rows: Sequence[tuple[str, Images]],
    path: Path,
    scale: int = 1,
    margin: int = 150,
    heads: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> None:
    """Captioned rows of pictures under each other, in the format that the file's ending names.

    Args:
        rows: a caption (wrapped to the margin; may hold line breaks) and the pictures of each row.
        path: the file to write, such as ``.png`` or ``.webp``.
        scale: enlargement by an integer.
        margin: width of the captions in pixels.
        heads: captions over equal shares of the width, with a line between them.
        columns: captions under these, over each picture of a row.
    """
    strips = [row(rgb, scale) for _, rgb in rows]
    wide = max(strip.width for strip in strips)
    wrapped = [textwrap.wrap(head, max(8, wide // len(heads) // 7)) for head in heads]
    under = 6 + 14 * max(map(len, wrapped)) if heads else 0
    top = under + (16 if columns else 0)
    height = top + sum(strip.height for strip in strips)
    page = Image.new("RGB", (margin + wide, height), "white")
    pen, font = ImageDraw.Draw(page), _font(11)
    for (caption, _), strip in zip(rows, strips, strict=True):
        lines = [x for line in caption.split("\n") for x in textwrap.wrap(line, margin // 7)]
        pen.multiline_text((4, top + 4), "\n".join(lines), fill="black", font=font)
        page.paste(strip, (margin, top))
        top += strip.height
    for number, column in enumerate(columns):
        pen.text(
            (margin + number * wide // len(columns) + 4, under), column, fill="black", font=font
        )
    for number, lines in enumerate(wrapped):
        left = margin + number * wide // len(heads)
        pen.multiline_text((left + 4, 3), "\n".join(lines), fill="black", font=font)
        pen.line((left, 0, left, height), fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, optimize=True, quality=90)


def turntable(
    rgb: Float[Tensor, "n 3 h w"], path: Path, scale: int = 3, seconds: float = 3.0
) -> None:
    """An endless animated WebP of views around the object.

    Args:
        rgb: the views in order of azimuth.
        path: the file to write.
        scale: enlargement by an integer.
        seconds: one turn.
    """
    frames = [Image.fromarray(x) for x in _pixels(rgb)]
    size = (frames[0].width * scale, frames[0].height * scale)
    large = [frame.resize(size, Image.Resampling.BICUBIC) for frame in frames]
    step = max(20, round(1000 * seconds / len(large)))
    large[0].save(path, save_all=True, append_images=large[1:], duration=step, loop=0, quality=80)
