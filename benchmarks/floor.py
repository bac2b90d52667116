"""How far one ESD step is from what the machine can do, and where its time goes.

The floors, none of which the program can beat without doing less:

- ``matrix``: floating-point operations of all matrix products, convolutions and attentions over the measured rate of a
  bfloat16 product of 8192 x 8192 matrices;
- ``weights``: every network that is read, once for each of its passes, over the measured bandwidth of a copy;
- ``operators``: operator by operator the longer of its operations and of its tensors' bytes (nothing fused): what eager
  kernels could reach at best. Only this one tells the kernels' quality from the number of kernels.

The hash grid's own kernels are in none of them. ``profile``: the time of kernels on the GPU in one eager step by part.

python benchmarks/floor.py --size sd21 --device cuda [--method esd] [--render 64] [--batch 1] [--out FILE]
"""

import statistics
from collections import defaultdict
from typing import Any

import sd21
import torch
from parts import profile
from race import parser, publish, race
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from esd_bench.distill import distill


class Roofline(TorchDispatchMode):
    """Counts operations and bytes of every operator that runs under it, backward passes too."""

    def __init__(self, rate: float, bandwidth: float) -> None:
        super().__init__()
        self.rate, self.bandwidth = rate, bandwidth
        self.flops, self.bytes, self.seconds = 0, 0, 0.0
        self.kinds: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if _is_view(func) or "empty" in func._schema.name:
            return out
        packet = func.overloadpacket
        flops = (
            flop_registry[packet](*args, **kwargs, out_val=out) if packet in flop_registry else 0
        )
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        moved = sum(_bytes(x) for x in {id(x): x for x in tensors}.values())
        self.flops += flops
        self.bytes += moved
        self.kinds[str(packet).removeprefix("aten.")] += flops
        self.seconds += max(flops / self.rate, moved / self.bandwidth)
        return out


def _bytes(x: torch.Tensor) -> int:
    """What must be read or written of a tensor; an expanded one is no larger than its storage."""
    return min(x.numel() * x.element_size(), x.untyped_storage().nbytes())


def _is_view(func: Any) -> bool:
    """Whether an operator touches no data."""
    return any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)


def rates(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Operations per second of a big product, and bytes per second, read and written, of a big copy."""
    n = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    source = torch.empty(
        2**30 if device.type == "cuda" else 2**22, dtype=torch.uint8, device=device
    )
    target = torch.empty_like(source)
    ways = {"product": lambda: a @ b, "copy": lambda: target.copy_(source)}
    seconds = {name: statistics.median(x) for name, x in race(ways, 20, warmup=3).items()}
    return 2 * n**3 / seconds["product"], 2 * source.numel() / seconds["copy"]


def passes(spec: Any) -> tuple[int, int]:
    """How often a step reads the U-Net and the VAE's encoder: predictions, and there and back for fit and encode."""
    return (3 if spec.stages[0].method.make("methods").studies else 1), 2


def wall(spec: Any, prior: Any, a: Any, graph: bool) -> tuple[Any, float]:
    """A loop that is going, and its median seconds a step."""
    loop = distill(sd21.parts(spec, prior), sd21.plan(spec, a.render, a.batch), graph=graph)
    return loop, statistics.median(race({"step": lambda: next(loop)}, a.rounds, warmup=3)["step"])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", default="tiny", choices=sd21.SIZES)
    options.add_argument("--method", default="esd")
    options.add_argument("--render", type=int, default=64)
    options.add_argument("--batch", type=int, default=1)
    options.add_argument("--precision", default="bfloat16")
    options.add_argument("--device", default="cpu")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    device, dtype = torch.device(a.device), getattr(torch, a.precision)
    rate, bandwidth = rates(device, dtype)
    prior, spec = sd21.prior(a.size, device, dtype), sd21.spec(a.method, a.size)
    loop, eager = wall(spec, prior, a, False)
    with Roofline(rate, bandwidth) as roof:
        next(loop)
    table = profile(spec, prior, a.render, a.batch)
    seconds = wall(spec, prior, a, True)[1] if device.type == "cuda" else eager
    unet, encoder = passes(spec)
    read = unet * sd21.weight(prior.denoiser.unet) + encoder * sd21.weight(prior.vae.encoder)
    floors = {
        "matrix": roof.flops / rate,
        "weights": read / bandwidth,
        "operators": roof.seconds,
    }
    result = {
        "size": a.size,
        "method": a.method,
        "render": a.render,
        "batch": a.batch,
        "measured": {
            "matrix product, Tflop/s": round(rate / 1e12, 1),
            "copy, GB/s": round(bandwidth / 1e9),
        },
        "of a step": {
            "Tflop": round(roof.flops / 1e12, 3),
            "GB through operators": round(roof.bytes / 1e9, 2),
            "GB of weights": round(read / 1e9, 2),
            "Tflop by operator": {
                name: round(x / 1e12, 3)
                for name, x in sorted(roof.kinds.items(), key=lambda pair: -pair[1])
                if x
            },
        },
        "milliseconds": {"graph": round(1e3 * seconds, 2), "eager": round(1e3 * eager, 2)},
        "floor, milliseconds": {name: round(1e3 * x, 2) for name, x in floors.items()},
        "times the floor": {name: round(seconds / x, 2) for name, x in floors.items()},
        "profile": table,
    }
    publish("floor", result, a.out)


if __name__ == "__main__":
    main()
