"""Pictures of a pack of voxel scenes, forward and backward, by the kernel along rays and by torch's own operations at the same samples.

python benchmarks/voxel_march.py --device cuda [--members 48] [--views 4] [--size 64] [--out FILE]
"""

from functools import partial
from typing import Any

import torch
from race import captured, medians, parser, publish, race, ratio
from torch.nn import functional

from esd_bench.cameras import TrainingCameras
from esd_bench.draws import Draws
from esd_bench.scenes.voxels import voxels


def sampled(scene: Any, table: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The scene's field out of ``grid_sample``."""
    place = points[:, :, None, None]
    raw = functional.grid_sample(table, place, align_corners=True, padding_mode="border")[..., 0, 0]
    density = scene.scale * functional.softplus(raw[:, 0])
    return density, torch.sigmoid(raw[:, 1:]).transpose(1, 2)


def main() -> None:
    options = parser(__doc__)
    for name, default in (("members", 48), ("views", 4), ("size", 64)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--device", default="cpu")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    seeds = torch.arange(a.members, device=a.device)
    draws = Draws(seeds, torch.zeros((), dtype=torch.long, device=a.device))
    scene: Any = voxels(seeds.cpu()).to(a.device)
    cameras = TrainingCameras((-10.0, 45.0), (2.0, 3.0), (40.0, 70.0))
    places = cameras.place(draws.uniform("cameras", a.views, cameras.numbers), a.size)

    def ours() -> None:
        scene.render(places, None, draws).rgb.sum().backward()
        scene.zero_grad(set_to_none=True)

    def peer() -> None:
        field = partial(sampled, scene, scene.table())
        scene.renderer(field, places, a.members, draws).rgb.sum().backward()
        scene.zero_grad(set_to_none=True)

    with torch.no_grad():
        field = partial(sampled, scene, scene.table())
        theirs = scene.renderer(field, places, a.members, draws).rgb
        apart = float((scene.render(places, None, draws).rgb - theirs).abs().max())
    ways = {"ours": ours, "grid_sample": peer}
    if a.device.startswith("cuda"):
        ways = {name: captured(work) for name, work in ways.items()}
    seconds = race(ways, a.rounds, warmup=3)
    found = {
        "device of the tensors": a.device,
        **{name: getattr(a, name) for name in ("members", "views", "size")},
        "pictures apart": apart,
        "milliseconds": {name: round(1e3 * x, 2) for name, x in medians(seconds).items()},
        "grid_sample / ours": round(ratio(seconds, "grid_sample", "ours"), 2),
    }
    publish("voxel_march", found, a.out)


if __name__ == "__main__":
    main()
