"""DreamFusion's shading (arXiv 2209.14988, section 3.2; constants of threestudio): a lamp near the camera, in training only.

Differs from both: colour, normal and depth are composited along a ray before they are lit, not after.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.scenes import Render

AMBIENT, DIFFUSE = 0.1, 0.9
PLAIN_UNTIL = 0.2
"""Share of the run without a lamp: 2000 of threestudio's 10,000 steps."""
PLAIN_SHARE = 0.25
"""Views without a lamp after that; half of the others are lit without their texture."""


def lit(render: Render, cameras: Cameras, progress: Float[Tensor, ""], draws: Draws) -> Render:
    """A render with normals, as its views are lit in training: plain, lit, or lit and white.

    Args:
        render: with normals.
        cameras: of its views.
        progress: share of the run done.
        draws: place the lamps, and choose the kind of each view.
    """
    shade = AMBIENT + DIFFUSE * _cosine(render, cameras, draws)
    kind = draws.uniform("shading", len(cameras) // len(draws.seeds)).reshape(-1, 1, 1, 1)
    plain = (kind < PLAIN_SHARE) | (progress < PLAIN_UNTIL)
    white = kind >= (1 + PLAIN_SHARE) / 2
    colour = torch.where(white, render.opacity.expand_as(render.rgb), render.rgb)
    return replace(render, rgb=torch.where(plain, render.rgb, colour * shade))


def _cosine(render: Render, cameras: Cameras, draws: Draws) -> Float[Tensor, "n 1 h w"]:
    """max(n . l, 0) with l from the seen point to a lamp .8 to 1.5 away from the origin, roughly where the camera is."""
    assert render.normals is not None
    views = len(cameras) // len(draws.seeds)
    towards = cameras.position + draws.normal("lamp", views, 3).flatten(0, 1)
    distance = 0.8 + 0.7 * draws.uniform("lamp distance", views).reshape(-1, 1)
    lamp = distance * functional.normalize(towards, dim=-1)
    origin, direction = (
        x.transpose(1, 2).unflatten(2, (cameras.height, cameras.width)) for x in cameras.rays()
    )
    depth = render.depth / render.opacity.clamp_min(1e-4)
    light = functional.normalize(lamp[:, :, None, None] - (origin + depth * direction), dim=1)
    normal = functional.normalize(render.normals, dim=1)
    return (normal * light.detach()).sum(1, keepdim=True).clamp_min(0)
