"""The voxel scenes' own trilinear lookup against torch's ``grid_sample``, forward and backward.

python benchmarks/voxel_lookup.py [--threads 1] [--samples 32768] [--cells 48] [--members 1] [--out FILE]
python benchmarks/voxel_lookup.py --device cuda --members 48 --samples 786432
"""

import torch
from race import medians, parser, publish, race, ratio
from torch.nn import functional

from esd_bench.scenes._trilinear import trilinear


def rays(members, samples):
    """Points in order along straight lines through the cube, as a renderer asks for them."""
    ends = torch.rand(members, 2, samples // 32, 1, 3) * 2 - 1
    return torch.lerp(ends[:, 0], ends[:, 1], torch.linspace(0, 1, 32)[:, None]).flatten(1, 2)


def main():
    options = parser(__doc__)
    for name, default in (("samples", 32768), ("cells", 48), ("members", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--device", default="cpu")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    table = torch.randn(a.members, 4, a.cells, a.cells, a.cells).to(a.device).requires_grad_()
    points = rays(a.members, a.samples).to(a.device)
    gradient = torch.randn(a.members, 4, points.shape[1]).to(a.device)

    def ours():
        table.grad = None
        trilinear(table, points).backward(gradient)

    def peer():
        table.grad = None
        place = points[:, :, None, None]
        functional.grid_sample(table, place, align_corners=True).backward(gradient[..., None, None])

    seconds = race({"ours": ours, "grid_sample": peer}, a.rounds, warmup=3)
    found = {
        "device of the tensors": a.device,
        "members": a.members,
        "samples": points.shape[1],
        "cells": a.cells,
        "milliseconds": {name: round(1e3 * x, 2) for name, x in medians(seconds).items()},
        "grid_sample / ours": round(ratio(seconds, "grid_sample", "ours"), 2),
    }
    publish("voxel_lookup", found, a.out)


if __name__ == "__main__":
    main()
