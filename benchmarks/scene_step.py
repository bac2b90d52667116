"""Time and memory of one optimisation step of a scene: render, backward, Adam; eager and as a CUDA graph.

python benchmarks/scene_step.py voxels [--members 1] [--views 1] [--size 64] [--set samples=32] [--device cuda]
"""

import argparse
import statistics
import time

import torch
from race import captured

from esd_bench import plugins
from esd_bench.cameras import TrainingCameras
from esd_bench.draws import Draws
from esd_bench.optim import PackAdam


def make_step(a):
    """A function of no arguments that does one step, and the count that it reads."""
    function = plugins.load("scenes", a.scene)
    options = plugins.bind(function, dict(x.split("=", 1) for x in a.set))
    seeds = torch.arange(a.members, device=a.device)
    scene = function(seeds, **options).to(a.device)
    optimiser = PackAdam(scene.learning_rates(), floor=0.03, warmup=50, total=1000)
    count = torch.zeros((), dtype=torch.long, device=a.device)
    alive = torch.ones(a.members, dtype=torch.bool, device=a.device)
    gradient = torch.randn(a.members * a.views, 3, a.size, a.size, device=a.device)

    def step():
        draws = Draws(seeds, count)
        cameras = TrainingCameras().place(draws.uniform("cameras", a.views, 5), a.size)
        render = scene.render(cameras, count / 1000, draws)
        render.over(torch.full((1, 3, 1, 1), 0.8, device=a.device)).backward(gradient)
        optimiser.step(count, alive)

    return step


def milliseconds(work, device, repeats=15):
    """Median time of some work after a warm-up."""
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[3:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene")
    for name, default in (("members", 1), ("views", 1), ("size", 64), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    step = make_step(a)
    what = f"{a.scene} {' '.join(a.set)} {a.members} x {a.views} views of {a.size}^2"
    print(f"{what}: eager {milliseconds(step, a.device):.1f} ms", end="")
    if a.device == "cuda":
        print(f", graph {milliseconds(captured(step), 'cuda'):.1f} ms", end="")
        print(f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", end="")
    print()


if __name__ == "__main__":
    main()
