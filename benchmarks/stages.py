"""What a step of each of the three stages costs, in whole runs: by graphs (a mesh's own work eager), alone also eager.

Runs are made by ``generate`` with ``--stages full``; times are those between progress messages in the second half of a stage,
so that loading, capture and the first steps are left out.

python benchmarks/stages.py [--method esd] [--packs 1,8] [--steps 200,60,60] [--device cuda] [--out FILE]
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from pack import marked, steps
from race import parser, publish

from esd_bench.presets import Settings, preset
from esd_bench.spec import RunSpec, Stage


def speed(template: RunSpec, width: int, graph: bool, device: str) -> list[dict[str, Any]]:
    """Of each stage milliseconds per step of the pack; of the whole its seconds, peak and outcomes."""
    marks, memory, runs = marked(template, width, graph, device)
    lost = [run.record.reason for run in runs if run.record.status != "finished"]
    rows = told(template, marks)
    same = {"width": width, "graph": graph, "GiB": round(memory / 2**30, 2), "failed": len(lost)}
    return [{**row, **same} for row in rows]


def told(template: RunSpec, marks: dict[int, float]) -> list[dict[str, Any]]:
    """The stages' rates, from when each step was reached."""
    ends = list(accumulate(stage.steps for stage in template.stages))
    return [
        {
            "stage": number,
            "method": stage.method.title,
            "scene": template.scene_at(number).title,
            "size": stage.size,
            "views": stage.views,
            "milliseconds": round(1e3 * seconds(marks, end - stage.steps // 2, end), 2),
        }
        for number, (stage, end) in enumerate(zip(template.stages, ends, strict=True), 1)
    ]


def seconds(marks: dict[int, float], first: int, last: int) -> float:
    """Of one step, the median over the messages between two steps."""
    counted = sorted(step for step in marks if first <= step <= last)
    return statistics.median((marks[b] - marks[a]) / (b - a) for a, b in pairwise(counted))


def whole(stages: Sequence[Stage], rows: list[dict[str, Any]]) -> float:
    """Seconds of a pack's three stages at the preset's own numbers of steps."""
    return sum(
        stage.steps * row["milliseconds"] / 1e3 for stage, row in zip(stages, rows, strict=True)
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--method", default="esd")
    options.add_argument("--preset", default="embedded_gpu")
    options.add_argument("--packs", default="1,8")
    options.add_argument("--steps", type=steps, default=(200, 60, 60))
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    settings = Settings(a.method, {}, stages="full", view_sets=("sphere:4", "ring:15:4"))
    usual = preset(a.preset, settings)
    template = replace(preset(a.preset, replace(settings, steps=a.steps)), suite="stages")
    cuda, rows, runs = a.device.startswith("cuda"), [], []
    widths = list(map(int, a.packs.split(",")))
    # Eager steps are the comparison, made once.
    for width, graph in [(w, cuda) for w in widths] + ([(widths[0], False)] if cuda else []):
        found = speed(template, width, graph, a.device)
        rows += found
        seconds = round(whole(usual.stages, found), 1)
        runs.append({"width": width, "graph": graph, "seconds at the preset's steps": seconds})
        # After every pack: an interruption loses one.
        publish("stages", {"preset": a.preset, "rows": rows, "packs": runs}, a.out)


if __name__ == "__main__":
    main()
