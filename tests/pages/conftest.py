"""A small report of made-up runs: three methods, two seeds, two prompts of which one is an attack, and a failure."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from esd_bench import pages
from esd_bench.cameras import protocol
from esd_bench.views import ViewSet
from tests.tables.fakes import Runs

ATTACK = "<script>document.title='broken'</script> a \"cat\" & 'dog'"
REASON = "diverged <img src=x onerror=alert(1)>"
RING, SPHERE = "ring:15:36", "sphere:24"


def views(folder: Path, name: str, seed: int) -> None:
    """A view set whose red rises with the index of the view, so that frames can be told apart."""
    cameras = protocol(name, 16)
    rgba = torch.full((len(cameras), 4, 16, 16), 255, dtype=torch.uint8)
    rgba[:, 0] = (torch.arange(len(cameras)) * 255 // len(cameras)).byte()[:, None, None]
    rgba[:, 1] = 40 * (seed % 5)
    rgba[:, 2] = 0
    ViewSet(rgba, cameras, name).save(folder / "views" / name.replace(":", "-"))


def edit(path: Path, **changes: object) -> None:
    """Fields of a JSON file put in."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def score(runs: Runs, folder: Path, name: str, per_view: np.ndarray, view_set: str) -> None:
    """A score that is a mean over views, with the value of each."""
    runs.score(folder, name, float(per_view.mean()), key={"protocol": view_set, "n": len(per_view)})
    path = folder / "scores" / f"{name}.json"
    (found,) = json.loads(path.read_text())["scores"]
    edit(path, scores=[{**found, "per_view": per_view.tolist()}])


def asset(runs: Runs, prompt: str, method: str, seed: int, **how: object) -> Path:
    """One finished run with everything that a page can show."""
    rng = np.random.default_rng([len(method), seed, len(prompt)])
    values = {
        "janus_rate": rng.uniform(),
        "consistency": rng.uniform(),
        "clip_distance": rng.uniform(0.6, 0.8),
    }
    folder = runs.add(prompt, method, seed, values, **how)
    views(folder, RING, seed + len(method))
    views(folder, SPHERE, seed)
    score(runs, folder, "iq", rng.uniform(1, 3, 24), SPHERE)
    score(runs, folder, "front_share", rng.uniform(0, 1, 36), RING)
    edit(
        folder / "record.json",
        seconds=10 * rng.uniform(1, 2),
        peak_memory=10**9,
        versions={"torch": "2.9"},
    )
    return folder


def fill(root: Path) -> Runs:
    """The runs of the report."""
    runs = Runs(root)
    for prompt in (ATTACK, "a red cat"):
        asset(runs, prompt, "sds", 0)
        for entropy in (0.5, 1.0):
            asset(runs, prompt, "esd", 0, entropy=entropy, label=f"ESD (λ = {entropy:g})")
    asset(runs, "a red cat", "vsd", 1)
    runs.add("a red cat", "vsd", 2, reason=REASON)
    return runs


@dataclass(frozen=True)
class Report:
    """Where the runs and the pages lie."""

    runs: Path
    folder: Path
    built: pages.Built

    def html(self) -> list[Path]:
        """All pages."""
        return sorted(self.folder.rglob("*.html"))


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Built once; not to be changed."""
    root = tmp_path_factory.mktemp("pages")
    fill(root / "runs")
    return Report(root / "runs", root / "report", pages.write(root / "runs", root / "report"))
