"""Time on the GPU of the parts of a step of the real loop, from one profiled eager step.

Each kernel belongs to the part during which the host launched it, whichever thread that was; parts are named ranges
around the loop's own calls, and the innermost one counts.
"""

import json
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sd21
import torch
from torch.profiler import ProfilerActivity, record_function

from esd_bench.distill import distill
from esd_bench.optim import PackAdam

PULL, BACK, REST = "VAE encode, backward", "render, backward", "other"
PARTS = {
    "render": "render, forward",
    "encode": "VAE encode, forward",
    "predict": "predictions of the U-Net",
    "fit": "student's fit, backward",
    "own": "student's fit, forward",
    "learn": "student's optimiser",
    "move": "scene's optimiser",
}


def _named(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The same work in a range of the profile."""

    def wrapped(*args: Any, **options: Any) -> Any:
        with record_function(f"part: {name}"):
            return work(*args, **options)

    return wrapped


@contextmanager
def named_parts(parts: Any) -> Iterator[None]:
    """Names what the loop calls for as long as it lasts."""
    prior, student = parts.prior, parts.student
    pull, descend, move = torch.autograd.grad, torch.autograd.backward, PackAdam.step
    own = getattr(student, "optimiser", None)

    def step(self: PackAdam, *args: Any) -> None:
        with record_function(f"part: {PARTS['learn' if self is own else 'move']}"):
            move(self, *args)

    prior.encode = _named(PARTS["encode"], prior.encode)
    parts.scene.render = _named(PARTS["render"], parts.scene.render)
    student.predict = _named(PARTS["predict"], student.predict)
    student.fit = _named(PARTS["fit"], student.fit)
    if own is not None:
        student._fresh_loss = _named(PARTS["own"], student._fresh_loss)
    torch.autograd.grad, PackAdam.step = _named(PULL, pull), step
    torch.autograd.backward = _named(BACK, descend)
    try:
        yield
    finally:
        torch.autograd.grad, torch.autograd.backward, PackAdam.step = pull, descend, move
        del prior.encode  # the class's own again; scene and student are not used any more


def profile(spec: Any, prior: Any, render: int, batch: int) -> list[dict[str, Any]]:
    """Rows of part, milliseconds of kernels, share and number of kernels, longest first."""
    made = sd21.parts(spec, prior)
    on_gpu = prior.device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with named_parts(made):
        loop = distill(made, sd21.plan(spec, render, batch))
        for _ in range(3):
            next(loop)
        with torch.profiler.profile(activities=kinds) as found:
            next(loop)
            if on_gpu:
                torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        found.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    return table(events, on_gpu)


def table(events: list[dict[str, Any]], on_gpu: bool) -> list[dict[str, Any]]:
    """Adds up a trace."""
    ranges = [
        e
        for e in events
        if e.get("name", "").startswith("part: ") and e.get("cat") == "user_annotation"
    ]
    time: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for start, microseconds in _kernels(events) if on_gpu else _operators(events):
        part = _part(start, ranges)
        time[part] += microseconds / 1e3
        count[part] += 1
    total = sum(time.values()) or 1
    return [
        {
            "part": part,
            "milliseconds": round(t, 3),
            "share": round(t / total, 3),
            "kernels": count[part],
        }
        for part, t in sorted(time.items(), key=lambda pair: -pair[1])
    ]


def _part(start: float, ranges: list[dict[str, Any]]) -> str:
    inside = [r for r in ranges if r["ts"] <= start < r["ts"] + r["dur"]]
    names = [r["name"].removeprefix("part: ") for r in sorted(inside, key=lambda r: r["dur"])]
    if not names:
        return REST
    # What the student's fit takes back is its own.
    return PARTS["fit"] if names[0] in (PULL, BACK) and PARTS["fit"] in names else names[0]


def _kernels(events: list[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    """When each kernel was launched, and how long it took."""
    launched = {
        e["args"]["correlation"]: e["ts"]
        for e in events
        if e.get("cat") in ("cuda_runtime", "cuda_driver") and "correlation" in e.get("args", {})
    }
    for e in events:
        if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset"):
            yield launched.get(e["args"].get("correlation"), -1.0), e["dur"]


def _operators(events: list[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    """Operators that are in no other, where there is no GPU."""
    ends: dict[Any, list[float]] = defaultdict(lambda: [-1.0])
    for e in sorted((e for e in events if e.get("cat") == "cpu_op"), key=lambda e: e["ts"]):
        known = ends[e["tid"]]
        if not bisect_right(known, e["ts"]) < len(known):
            known[0] = e["ts"] + e["dur"]
            yield e["ts"], e["dur"]
