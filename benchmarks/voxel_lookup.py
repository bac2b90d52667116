"""The voxel scenes' own trilinear lookup against torch's ``grid_sample``, forward and backward.

python benchmarks/voxel_lookup.py [--threads 1] [--samples 32768] [--cells 48] [--members 1]
"""

import argparse
import statistics
import time

import torch
from torch.nn import functional

from esd_bench.scenes._trilinear import _Lookup


def milliseconds(work, repeats=20):
    """Median time of some work after a warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def rays(members, samples):
    """Points in order along straight lines through the cube, as a renderer asks for them."""
    ends = torch.rand(members, 2, samples // 32, 1, 3) * 2 - 1
    return torch.lerp(ends[:, 0], ends[:, 1], torch.linspace(0, 1, 32)[:, None]).flatten(1, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("threads", 1), ("samples", 32768), ("cells", 48), ("members", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    table = torch.randn(a.members, 4, a.cells, a.cells, a.cells, requires_grad=True)
    points = rays(a.members, a.samples)
    gradient = torch.randn(a.members, 4, points.shape[1])

    def ours():
        table.grad = None
        _Lookup.apply(table, points).backward(gradient)

    def peer():
        table.grad = None
        place = points[:, :, None, None]
        functional.grid_sample(table, place, align_corners=True).backward(gradient[..., None, None])

    one, two = milliseconds(ours), milliseconds(peer)
    print(f"{a.members} x {points.shape[1]} samples, 4 x {a.cells}^3 cells, {a.threads} threads")
    print(f"ours {one:.1f} ms, grid_sample {two:.1f} ms: {two / one:.1f} times as fast")


if __name__ == "__main__":
    main()
