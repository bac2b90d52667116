"""One whole step at SD-2.1's size: render, VAE encode, all predictions, backward to the scene, the student's update.

``ours`` is the real loop (``esd_bench.distill``) with the preset ``paper``: hash grid, LoRA, method. ``threestudio`` is its
sequence (``sequence.py``) eager, its student's attention without SDPA; then the same with SDPA; then that in a CUDA graph as
ours, so that each cause's share is seen. All sides run in turns in one process; peaks are taken while each is built, and
hold the networks that the side needs and everything it allocates, the text encoder left out on both.

python benchmarks/full_step.py --size sd21 --device cuda --methods esd --render 64 --batch 1 --out FILE
python benchmarks/full_step.py                                                       a tiny one on the CPU
"""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sd21
import torch
from race import captured, medians, parser, publish, race, ratio
from sequence import Sequence

from esd_bench import plugins
from esd_bench.distill import distill

OURS, EAGER = "ours", "ours, eager"
LAST, SAME, PIECES = "ours, channels last", "ours, own row fitted", "ours, small pieces"
MORE = (LAST, SAME, PIECES)
THEIRS, SDPA, GRAPH = "threestudio", "threestudio, SDPA", "threestudio, SDPA, graph"
SIDES = (OURS, EAGER, THEIRS, SDPA, GRAPH)
CAUSES = {"SDPA": (THEIRS, SDPA), "CUDA graph": (SDPA, GRAPH), "our sequence": (GRAPH, OURS)}


@dataclass
class Side:
    """A way to do a step, its resident networks in bytes, and its peak."""

    step: Callable[[], Any]
    weights: int
    peak: int


def ours(name: str, spec: Any, prior: Any, render: int, batch: int) -> Side:
    """The real loop; its networks are there already. ``small pieces`` computes more of the render again for memory."""
    if name == PIECES:
        chunk = tuple({**dict(spec.scene.options), "chunk": 2**18}.items())
        spec = replace(spec, scene=replace(spec.scene, options=chunk))
    student = {"fit": "same"} if name == SAME else {}
    graph = name != EAGER and prior.device.type == "cuda"

    def build() -> Callable[[], Any]:
        loop = distill(
            sd21.parts(spec, prior, **student), sd21.plan(spec, render, batch), graph=graph
        )
        next(loop), next(loop)
        return lambda: next(loop)

    step, rise = sd21.allocated(build)
    weights = sd21.weight(prior.denoiser.unet, prior.vae)
    return Side(step, weights, rise + weights)


def theirs(name: str, spec: Any, prior: Any, render: int, batch: int) -> Side:
    """threestudio's sequence; its U-Nets are copies, so that no hook of ours slows them."""

    def build() -> tuple[Callable[[], Any], Sequence]:
        made = sd21.parts(spec, prior)
        # Their student is their own.
        made = replace(made, student=plugins.load("students", "frozen")(prior, made.seeds))
        step = Sequence.of(made, sd21.plan(spec, render, batch), name != THEIRS, name == GRAPH)
        step()
        ready = captured(step) if name == GRAPH else step
        ready()
        return ready, step

    (ready, step), rise = sd21.allocated(build)
    return Side(ready, sd21.weight(*step.networks), rise + sd21.weight(prior.vae))


def measure(a: Any, method: str, render: int, batch: int, priors: dict[str, Any]) -> dict[str, Any]:
    """All sides at one size."""
    # A method without a student has no attention of the student's to fuse.
    studies = sd21.spec(method, a.size).stages[0].method.make("methods").studies
    names = [x for x in a.sides if studies or x not in (THEIRS, SAME)]
    spec, sides = sd21.spec(method, a.size), {}
    for name in names:
        kind = ours if name in (OURS, EAGER, *MORE) else theirs
        sides[name] = kind(name, spec, priors[name], render, batch)
        print(f"{method} {render} x {batch}: {name} is ready", file=sys.stderr, flush=True)
    seconds = race({name: side.step for name, side in sides.items()}, a.rounds, warmup=1)
    if not studies and SDPA in sides:
        seconds[THEIRS], sides[THEIRS] = seconds[SDPA], sides[SDPA]
    return {"method": method, "render": render, "batch": batch, **told(seconds, sides)}


def told(seconds: dict[str, list[float]], sides: dict[str, Side]) -> dict[str, Any]:
    """Times, memory and their ratios by side."""
    seen = sides if torch.cuda.is_available() else {}
    apart = {
        name: {
            "GiB": sd21.gib(side.peak),
            "weights GiB": sd21.gib(side.weights),
            "rest GiB": sd21.gib(side.peak - side.weights),
        }
        for name, side in seen.items()
    }
    shares = {
        cause: round(ratio(seconds, slow, fast), 3)
        for cause, (slow, fast) in CAUSES.items()
        if slow in seconds and fast in seconds
    }
    against = [x for x in sides if x != OURS] if OURS in sides else []
    return {
        "milliseconds": {name: round(1e3 * s, 2) for name, s in medians(seconds).items()},
        "memory": apart,
        "ours times faster than": {x: round(ratio(seconds, x, OURS), 3) for x in against},
        "ours of their memory": {
            x: round(sides[OURS].peak / sides[x].peak, 3) for x in against if x in seen
        },
        "share of each cause": shares,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", default="tiny", choices=sd21.SIZES)
    options.add_argument("--methods", default="esd")
    options.add_argument(
        "--render", type=sd21.numbers, default=(64,), help="64,256: side of pictures"
    )
    options.add_argument("--batch", type=sd21.numbers, default=(1,), help="1,4: views a step")
    options.add_argument("--sides", type=lambda x: x.split(";"), default=SIDES, help="joined by ;")
    options.add_argument("--more", action="store_true", help="also: " + "; ".join(MORE))
    options.add_argument("--precision", default="bfloat16")
    options.add_argument("--device", default="cpu")
    a = options.parse_args()
    a.sides = [*a.sides, *(MORE if a.more else ())]
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    device, found = torch.device(a.device), []
    dtype = getattr(torch, a.precision)
    prior = sd21.prior(a.size, device, dtype)
    last = sd21.prior(a.size, device, dtype, channels_last=True) if LAST in a.sides else prior
    priors = {name: last if name == LAST else prior for name in a.sides}
    for method in sd21.known(a.methods):
        for render in a.render:
            for batch in a.batch:
                found.append(measure(a, method, render, batch, priors))
                # After every row: an interruption loses one.
                publish(
                    "full_step", {"size": a.size, "precision": a.precision, "rows": found}, a.out
                )
                gc.collect()


if __name__ == "__main__":
    main()
