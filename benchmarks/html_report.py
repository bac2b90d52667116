"""A report of many assets: how long it takes to build, to build again, how large it is, and how soon it opens.

python benchmarks/html_report.py [--prompts 120] [--seeds 3] [--out FILE]
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from race import parser, publish

from esd_bench import pages
from esd_bench.cameras import protocol
from esd_bench.views import ViewSet

METHODS = (
    ("sds", {}),
    ("vsd", {}),
    ("debiased_sds", {}),
    ("perp_neg", {}),
    ("esd", {"entropy": 0.5}),
)
SETS = ("sphere:120", "ring:15:36")


def picture_sets(root: Path, count: int = 12) -> list[Path]:
    """A few sets of views of coloured noise blobs, which many runs then share as hard links."""
    random = np.random.default_rng(0)
    for i in range(count):
        for name in SETS:
            cameras = protocol(name, 64)
            small = torch.from_numpy(random.integers(0, 256, (len(cameras), 3, 16, 16))).float()
            large = torch.nn.functional.interpolate(small, size=64, mode="bicubic").clamp(0, 255)
            opacity = torch.full((len(cameras), 1, 64, 64), 255.0)
            rgba = torch.cat([large, opacity], 1).byte()
            ViewSet(rgba, cameras, name).save(root / str(i) / name.replace(":", "-"))
    return sorted(root.iterdir())


def link(source: Path, target: Path) -> None:
    """A folder whose files are those of another."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, place)


def make(root: Path, prompts: int, seeds: int) -> int:
    """Folders of runs as ``generate`` and ``score`` leave them."""
    random, count = np.random.default_rng(1), 0
    sets = picture_sets(root / "sets")
    for p in range(prompts):
        for name, options in METHODS:
            for seed in range(seeds):
                folder = root / "runs" / "study" / f"thing-{p}" / f"{name}-s{seed}"
                run(folder, f"a thing number {p}", name, options, seed, random)
                link(sets[count % len(sets)], folder / "views")
                count += 1
    return count


def run(
    folder: Path,
    text: str,
    name: str,
    options: dict[str, float],
    seed: int,
    random: np.random.Generator,
) -> None:
    """A spec, a record and the scores of five metrics."""
    put(folder / "spec.json", {
        "suite": "study", "seed": seed, "prompt": {"id": folder.parent.name, "text": text},
        "prior": {"name": "stable_diffusion", "options": [["folder", "embedded"]]},
        "stages": [{"method": {"name": name, "options": [[k, v] for k, v in options.items()]}, "steps": 1200}],
    })  # fmt: skip
    digests = {x: f"{random.integers(2**63):064x}" for x in SETS}
    put(folder / "record.json", {
        "status": "finished", "reason": "", "label": name.upper(), "seconds": float(random.uniform(60, 90)),
        "peak_memory": 10**9, "views": digests, "versions": {"torch": torch.__version__},
    })  # fmt: skip
    score(
        folder,
        "inception",
        "sphere:120",
        {"iq": random.uniform(0, 3, 120), "iv": None, "ig": None, "mi": None},
        random,
    )
    score(
        folder,
        "clip_distance",
        "sphere:120",
        {"clip_distance": random.uniform(0.6, 0.8, 120)},
        random,
    )
    score(folder, "fid", "sphere:120", {"fid": None, "fid_floor": None}, random)
    score(folder, "kid", "sphere:120", {"kid": None}, random)
    oracle = {
        "front_share": random.uniform(0, 1, 36),
        **dict.fromkeys(("janus_rate", "consistency", "faces", "success")),
    }
    score(folder, "janus", "ring:15:36", oracle, random)


def score(
    folder: Path, metric: str, views: str, found: dict[str, Any], random: np.random.Generator
) -> None:
    """A file of scores, with values of single views where they are given."""
    n = int(views.split(":")[-1])
    network = {"name": "embedded", "digest": "ab" * 32}
    put(folder / "scores" / f"{metric}.json", {
        "metric": metric, "network": "embedded", "key": "0" * 16,
        "scores": [
            {"name": name, "value": float(random.uniform()), "unit": "", "better": "lower", "n": n,
             "per_view": [] if each is None else each.tolist(), "version": 1, "note": ""}
            for name, each in found.items()
        ],
        "comparability": {"networks": {"role": network}, "background": "white", "protocol": views, "n": n, "reference": None},
        "provenance": {"device": "x86_64", "threads": 1, "batch": {"embedded": 12}, "versions": {"torch": torch.__version__}},
    })  # fmt: skip


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def opening(index: Path) -> float | None:
    """Seconds until a browser has the first page ready; None without Playwright or Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        return None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.goto("about:blank")
        seconds, _ = timed(lambda: page.goto(index.as_uri(), wait_until="load"))
        browser.close()
    return seconds


def largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*.html"))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--prompts", type=int, default=120)
    options.add_argument("--seeds", type=int, default=3)
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        count = make(root, a.prompts, a.seeds)
        seconds, built = timed(lambda: pages.write(root / "runs", root / "report"))
        again, second = timed(lambda: pages.write(root / "runs", root / "report"))
        result = {
            "assets": count,
            "seconds to build": round(seconds, 1),
            "seconds to build again": round(again, 1),
            "files": built.files,
            "files written by the second build": second.fresh,
            "bytes": built.size,
            "bytes of the largest page": largest(root / "report"),
            "seconds to open the first page": opening(built.index),
        }
    publish("html_report", result, a.out)


if __name__ == "__main__":
    main()
