"""Ways of doing the same thing, interleaved, so that whatever else the machine does hits all alike."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def race(
    ways: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of every way, round by round, in turns; warm-up rounds are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(warmup + rounds):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def captured(step: Callable[[], Any]) -> Callable[[], Any]:
    """A step as a CUDA graph, after three on a side stream; the step itself where there is no GPU."""
    if not torch.cuda.is_available():
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay() -> None:
        # A graph owns no memory but what it allocated itself: whoever holds this holds the step, too.
        assert step is not None
        graph.replay()

    return replay


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Median over the rounds of how many times longer one way took than the other in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median seconds of every way."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def parser(what: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    made = argparse.ArgumentParser(description=what, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--out", type=Path, help="a JSON file for the result")
    return made


def publish(name: str, result: Mapping[str, Any], out: Path | None) -> None:
    """Print a result and, if asked for, store it with the machine and the versions that it was found on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    machine = {
        "device": device or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    text = json.dumps({"benchmark": name, **result, "machine": machine}, indent=1)
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
