"""Views a second of a textured mesh as ``ingest`` draws it: our torch rasteriser against OpenGL (moderngl), and how far apart.

Says on which device OpenGL drew: Mesa's llvmpipe is software on the processor, and nothing of a GPU's speed follows from it.
"""

import math
import os

import torch
from race import medians, parser, publish, race, ratio

from esd_bench.adapters._surface import Material, Surface, solid
from esd_bench.cameras import orbit


def bumpy(side: int) -> Surface:
    """A ball with bumps of 2 side^2 faces and a texture of noise."""
    v, u = torch.meshgrid(*[torch.linspace(0, 1, side + 1, dtype=torch.float64)] * 2, indexing="ij")
    polar, azimuth = v * math.pi, u * 2 * math.pi
    radius = 0.8 + 0.2 * torch.sin(5 * polar) * torch.sin(6 * azimuth)
    x, z = (radius * polar.sin() * f(azimuth) for f in (torch.sin, torch.cos))
    number = torch.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    a, b, c, d = (
        x.flatten() for x in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
    )
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    noise = torch.randint(256, (512, 512, 4), generator=torch.Generator().manual_seed(0))
    uv = torch.stack([u, v], -1).reshape(-1, 2).float()
    return Surface(
        torch.stack([x, radius * polar.cos(), z], -1).reshape(-1, 3),
        faces,
        torch.zeros(len(faces), dtype=torch.long),
        (Material(picture=noise.byte()),),
        uv[faces],
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--side", type=int, default=100, help="quads along each side of the mesh")
    options.add_argument("--views", type=int, default=8)
    options.add_argument("--size", type=int, default=512, help="side of a view in pixels")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    os.environ["LP_NUM_THREADS"] = str(a.threads)  # Mesa's software would take all cores
    mesh = bumpy(a.side)
    cameras = orbit(torch.linspace(-3, 3, a.views), torch.full((a.views,), 0.3), 2.9, 0.66, a.size)
    ours, theirs = (solid(mesh, {}, renderer=x) for x in ("torch", "moderngl"))
    seconds = race(
        {"torch": lambda: ours.look(cameras), "moderngl": lambda: theirs.look(cameras)}, a.rounds
    )
    apart = (ours.look(cameras).int() - theirs.look(cameras).int()).abs()
    result = {
        "faces": len(mesh.faces),
        "views": a.views,
        "pixels": a.size,
        "drawn by": theirs.facts["renderer"],
        "views per second": {k: round(a.views / x, 2) for k, x in medians(seconds).items()},
        "times faster": round(ratio(seconds, "torch", "moderngl"), 2),
        "mean difference, of 255": round(float(apart.float().mean()), 4),
        "share of pixels whose opacity differs": float((apart[:, 3] > 0).float().mean()),
        "seconds": seconds,
    }
    publish("mesh_views", result, a.out)


if __name__ == "__main__":
    main()
