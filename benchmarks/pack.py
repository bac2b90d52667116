"""Scene-steps per second of whole runs at several pack widths, with and without CUDA graphs.

Runs are made by ``generate`` with a preset; the time is that between two of its progress messages, so that loading, capture
and evaluation views are left out and logging is not.

python benchmarks/pack.py [--method esd] [--packs 1,16,64] [--steps 150] [--device cuda] [--out FILE]
python benchmarks/pack.py --preset embedded --steps 20,60 --packs 1 --device cpu --threads 2       the CPU demo's ESD stage
"""

import tempfile
import time
from dataclasses import replace
from typing import Any

import torch
from race import parser, publish

from esd_bench.engines import Progress
from esd_bench.generate import generate
from esd_bench.presets import Settings, preset
from esd_bench.prompts import load_suite
from esd_bench.spec import RunSpec, expand
from esd_bench.store import Run, RunStore

SKIP = 50
"""Steps of the last stage before the clock starts."""


def marked(
    template: RunSpec, width: int, graph: bool, device: str, compiled: bool = False
) -> tuple[dict[int, float], int, list[Run]]:
    """A pack made by ``generate``: when each step was reached, the peak of the GPU's memory in bytes, and the runs."""
    specs = expand([template], load_suite("embedded").prompts, range(width))[:width]
    marks: dict[int, float] = {}

    def watch(news: Progress) -> None:
        marks[news.step] = time.perf_counter()

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        made = generate(
            specs,
            RunStore(folder),
            device=device,
            pack=width,
            checkpoint=10**9,
            graph=graph,
            engine_options={"compile": compiled},
            watch=watch,
        )
        runs = list(made)
    assert len(runs) == width
    return marks, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0, runs


def speed(a: Any, width: int, graph: bool) -> dict[str, float]:
    """Scene-steps per second, milliseconds per step, and peak memory of one pack."""
    settings = Settings(
        a.method, {}, steps=a.steps, views=a.views, view_sets=("sphere:4", "ring:15:4")
    )
    template = replace(preset(a.preset, settings), suite="pack")
    marks, memory, _ = marked(template, width, graph, a.device, a.compile)
    begun = sum(stage.steps for stage in template.stages[:-1])
    last = template.stages[-1].steps
    counted = sorted(step for step in marks if step >= begun + min(SKIP, last // 2))
    seconds = (marks[counted[-1]] - marks[counted[0]]) / (counted[-1] - counted[0])
    return {
        "scene-steps per second": round(width / seconds, 2),
        "milliseconds per step": round(1e3 * seconds, 2),
        "peak GiB": round(memory / 2**30, 2),
    }


def steps(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--method", default="esd")
    options.add_argument("--preset", default="embedded_gpu")
    options.add_argument("--packs", default="1,16,64")
    options.add_argument("--steps", type=steps, default=(150,), help="of the last stage, or of all")
    options.add_argument(
        "--views", type=int, default=None, help="views per step; the preset's own by default"
    )
    options.add_argument("--tf32", action="store_true", help="matrix products in TF32")
    options.add_argument("--compile", action="store_true", help="with engine.compile")
    options.add_argument("--captured", action="store_true", help="with CUDA graphs only")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    torch.backends.cuda.matmul.allow_tf32 = a.tf32
    graphs = (True,) if a.captured else (False, True) if a.device.startswith("cuda") else (False,)
    found: dict[str, Any] = {}
    for width in map(int, a.packs.split(",")):
        for graph in graphs:
            name = f"pack {width}, {'graph' if graph else 'eager'}"
            found[name] = speed(a, width, graph)
            print(name, found[name], flush=True)
    rates = {name: value["scene-steps per second"] for name, value in found.items()}
    first = next(iter(rates.values()))
    publish(
        "pack",
        {
            "method": a.method,
            "preset": a.preset,
            "matrix products": "TF32" if a.tf32 else "float32",
            "compiled": a.compile,
            "steps": preset(a.preset, Settings(a.method, {})).stages[-1].steps,
            "times faster than the first": {name: round(x / first, 2) for name, x in rates.items()},
            **found,
        },
        a.out,
    )


if __name__ == "__main__":
    main()
