"""Pictures of splats by gsplat (arXiv 2409.06765), where it is installed, on CUDA, and only when it is asked for.

Differs from ours where a splat ends (at about three standard deviations) and where compositing does (with a pixel, not a tile).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.adapters._gaussians import Gaussians
from esd_bench.cameras import Cameras


def ready() -> str:
    """What draws: the package and the device; or an error that says what is missing."""
    try:
        import gsplat
    except ImportError:
        raise ImportError(
            "drawing by gsplat needs it: pip install gsplat, or use --renderer torch"
        ) from None
    if not torch.cuda.is_available():
        raise OSError("gsplat draws on a CUDA device, and there is none; use --renderer torch")
    return f"gsplat {gsplat.__version__} on {torch.cuda.get_device_name()}"


@torch.no_grad()
def picture(splats: Gaussians, cameras: Cameras, near: float) -> Float[Tensor, "n 4 h w"]:
    """Premultiplied colour and opacity; ``near`` is a depth before which nothing is drawn."""
    from gsplat import rasterization

    device = torch.device("cuda")
    splats, there = splats.to(device), cameras.to(device)
    # Its cameras look along +z with +y down.
    seen = torch.linalg.inv(there.c2w * there.c2w.new_tensor([1.0, -1.0, -1.0, 1.0]))
    inside = torch.eye(3, device=device).repeat(len(there), 1, 1)
    inside[:, 0, 0] = inside[:, 1, 1] = there.height / 2 / torch.tan(there.fov / 2)
    inside[:, 0, 2], inside[:, 1, 2] = there.width / 2, there.height / 2
    rgb, alpha, _ = rasterization(
        splats.mean,
        splats.rotation,
        splats.scale,
        splats.opacity,
        splats.harmonics,
        seen,
        inside,
        there.width,
        there.height,
        near_plane=near,
        sh_degree=round(splats.harmonics.shape[1] ** 0.5) - 1,
    )
    return torch.cat([rgb, alpha], -1).permute(0, 3, 1, 2).to(cameras.c2w.device)
