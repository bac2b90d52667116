"""Whether scoring streams: memory and the cost of an asset while thousands of run folders are scored by the real ``score``.

Assets are smooth random pictures, and so are the reference sets, since the embedded networks judge any picture at the same price.
A goal is that neither memory nor the cost of an asset grows with their number; the cost may drift by 10 %.

python benchmarks/score_scale.py [--assets 2000] [--views sphere:120] [--metrics clip_distance,fid,...] [--out FILE]
"""

import os
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from statistics import median

import torch
from race import parser, publish
from scoring import pictures

from esd_bench import plugins, reference
from esd_bench.ahead import ahead
from esd_bench.cameras import protocol
from esd_bench.embedded.objects import COLOURS, NAMES
from esd_bench.prompts import Prompt
from esd_bench.score import Settings, score
from esd_bench.spec import Choice, RunSpec, Stage
from esd_bench.store import RunRecord, RunStore
from esd_bench.views import ViewSet

PRIOR = "5" * 64
"""The digest that runs and reference sets name, so that no prior is loaded."""
PROMPTS = 60


@dataclass
class Painter:
    """A stand-in for a prior: smooth random pictures."""

    size: int
    name, digest, files, device = "painter", PRIOR, {}, torch.device("cpu")

    def sample(self, texts, seeds, scale=7.5, steps=25):
        return torch.cat([pictures(1, 10**6 + seed, self.size) for seed in seeds]).float() / 255


def make(
    root: Path, count: int, views: tuple[str, ...], size: int = 64, prompts: int = PROMPTS
) -> None:
    """Finished runs of so many prompts, and the reference set of each prompt."""
    store, texts = RunStore(root / "runs"), [f"a {x} {y}" for x, y in product(COLOURS, NAMES)]
    method, schedule = Choice.of("methods", "sds"), Choice.of("schedules", "uniform")
    stage = Stage(method, schedule, Choice("none"), steps=1)
    prior, scene = Choice.of("priors", "stable_diffusion"), Choice.of("scenes", "voxels")
    for text in texts[: min(prompts, count)]:
        reference.build(Painter(size), text, root=root / "references")

    def one(number: int) -> None:
        prompt = Prompt(texts[number % prompts])
        spec = RunSpec("scale", prompt, prior, scene, (stage,), number // prompts, views=views)
        with store.begin([spec]):
            digests = {x: paint(store.working(spec), x, number, size) for x in views}
            record = RunRecord("finished", label="SDS", views=digests, prior=PRIOR)
            store.finish(spec, record, {"none": torch.zeros(1)})

    for _ in ahead(one, range(count)):
        pass


def paint(folder: Path, name: str, number: int, size: int) -> str:
    """The stored views of one protocol, and their digest."""
    cameras = protocol(name, size)
    rgb = pictures(len(cameras), number, size)
    made = ViewSet(torch.cat([rgb, torch.full_like(rgb[:, :1], 255)], 1), cameras, name)
    made.save(folder / "views" / name.replace(":", "-"))
    return made.digest


@dataclass
class Watch:
    """Told by ``score`` before each run: time, processor time and resident memory so far."""

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)

    def __call__(self, done: int, total: int, what: str) -> None:
        self.wall.append(time.perf_counter())
        self.busy.append(time.process_time())
        self.resident.append(resident())
        if done % 50 == 0:
            print(f"{done:>6} of {total}  {self.resident[-1]:7.1f} MiB", flush=True)


def resident() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def drift(marks: list[float]) -> dict[str, float]:
    """Median seconds of an asset of the first and the last quarter; the first asset, which loads the networks, is left out."""
    each = [b - a for a, b in pairwise(marks[1:])]
    quarter = max(1, len(each) // 4)
    first, last = median(each[:quarter]), median(each[-quarter:])
    return {"first quarter": first, "last quarter": last, "last / first": last / first}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--assets", type=int, default=2000)
    options.add_argument("--views", default="sphere:120", help="protocols, joined by commas")
    options.add_argument("--device", default="cpu")
    options.add_argument("--metrics", help="joined by commas; all that read these views by default")
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    views = tuple(a.views.split(","))
    kinds = {"ring" if name.startswith("ring") else "sphere" for name in views}
    every = {name: plugins.load("metrics", name)() for name in plugins.names("metrics")}
    metrics = a.metrics.split(",") if a.metrics else [x for x in every if every[x].views in kinds]
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, a.assets, views)
        settings = Settings(device=a.device, reference_root=root / "references")
        summary = score(root / "runs", metrics, settings, watch)
        assert not summary.problems
        assert not summary.skipped
    early = min(100, a.assets // 2)
    result = {
        "assets": a.assets,
        "views": a.views,
        "metrics": metrics,
        "files of scores": summary.scored,
        "MiB resident": {n: round(watch.resident[n], 1) for n in (0, early, a.assets)},
        "growth, MiB per 1000 assets": 1000
        * (watch.resident[a.assets] - watch.resident[early])
        / (a.assets - early),
        "seconds an asset": drift(watch.wall),
        "processor seconds an asset": drift(watch.busy),
    }
    publish("score_scale", result, a.out)


if __name__ == "__main__":
    main()
