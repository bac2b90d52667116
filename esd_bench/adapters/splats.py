"""Splats of 3D Gaussian splatting (Kerbl et al., arXiv 2308.04079): the authors' PLY and the 32-byte ``.splat``."""

from contextlib import suppress
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from esd_bench.adapters import Refused, Renderer, Solid, _gsplat
from esd_bench.adapters._gaussians import sound
from esd_bench.adapters._splat_files import read_header, read_ply, read_splat
from esd_bench.adapters._splatting import NEAR, picture
from esd_bench.cameras import Cameras
from esd_bench.views import quantise

SAMPLE = 20_000
"""Centres that stand for the asset when it is framed."""


def reads(path: Path) -> bool:
    """Whether it is a PLY whose header names splats, or a ``.splat``."""
    with suppress(OSError, ValueError):
        if not path.is_file():
            return False
        if path.suffix.lower() == ".ply":
            return read_header(path).is_splats
        return path.suffix.lower() == ".splat"  # which has no mark of its own
    return False


def splats(path: Path, /, *, degree: int = 3, renderer: Renderer = "torch") -> Solid:
    """Splats to pictures, with colours that depend on the view; drawn on the cameras' device.

    Neither file says which way is up. Most come from COLMAP's world, +y down and +z forward, so that is assumed.

    Args:
        path: the file.
        degree: of the spherical harmonics, 0 to 3; 0 leaves out what depends on the view.
        renderer: who draws them.

    Raises:
        ValueError: in one line, when it is broken, cut off, or nothing of it can be drawn.
    """
    if degree not in range(4):
        raise Refused(f"the degree of spherical harmonics is 0, 1, 2 or 3, not {degree}")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        found = read_splat(path) if path.suffix.lower() == ".splat" else read_ply(path)
        kept, left_out = sound(found)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if not len(kept):
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ValueError(f"nothing of {path} can be drawn: {why}")
    kept = kept.degree(degree)
    radius, by_gsplat = kept.radius, renderer == "gsplat"

    def look(cameras: Cameras) -> UInt8[Tensor, "n 4 h w"]:
        if by_gsplat:
            found = _gsplat.picture(kept, cameras, NEAR * radius)
            return quantise(found[:, :3], found[:, 3:])
        moved = kept.to(cameras.c2w.device)
        made = (picture(moved, cameras[i], radius) for i in range(len(cameras)))
        return torch.cat([quantise(x[:, :3], x[:, 3:]) for x in made])

    step = -(-len(kept) // SAMPLE)
    size = kept.scale.log().mean(1).exp()
    facts = {
        "renderer": _gsplat.ready() if by_gsplat else "torch",
        "splats": len(kept),
        "left out": left_out,
        "degree": round(kept.harmonics.shape[1] ** 0.5) - 1,
    }
    return Solid(
        look, kept.mean[::step], (kept.opacity * size)[::step], up="-y", front="-z", facts=facts
    )
