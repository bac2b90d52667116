"""One training command: what to train for how long, where its files lie, and how a stage leaves its results."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from esd_bench.embedded import data
from esd_bench.embedded.fitting import Budget, Report, hardware


@dataclass(frozen=True)
class Bias:
    """Shares of pictures near the front, for captions without and with a view word.

    ``start`` is the prior whose U-Net training goes on from; "" begins from noise.
    """

    plain: float
    viewed: float
    start: str = ""


PRIORS = {"embedded": Bias(0.90, 0.55), "embedded-biased": Bias(0.985, 0.87, start="embedded")}
"""The two priors that ship: 80 % and 95 % front over all captions, of which 30 % have a view word."""
SECONDS = {"clip": 60, "vae": 80, "embedded": 160, "embedded-biased": 80, "classifier": 42}
"""Training time of each network on one GPU at pace 1."""
BATCH = {"vae": 256, "clip": 1024, "prior": 1024, "classifier": 512}
RATE = {"vae": 1e-3, "clip": 1e-3, "prior": 8e-4, "classifier": 1.2e-3}


@dataclass(frozen=True)
class Job:
    """One training command: where to write, on what, for how long.

    Attributes:
        out: gets ``data``, ``checkpoints``, ``notes`` and ``weights``.
        pace: factor on :data:`SECONDS`.
        steps: caps every stage's steps; equal caps repeat a run.
        front: overrides the bias of a prior with one share for all captions.
        quick: tiny data and batches, to try the chain on a CPU.
        eager: no CUDA graphs.
    """

    out: Path
    device: str = "cuda"
    pace: float = 1.0
    steps: int = 1_000_000
    seed: int = 0
    front: float | None = None
    quick: bool = False
    eager: bool = False

    @property
    def pools(self) -> Path:
        """Where the rendered pictures lie."""
        return self.out / "data"

    @property
    def weights(self) -> Path:
        """Where finished networks go."""
        return self.out / "weights"

    def budget(self, name: str, graph: bool = False) -> Budget:
        """How long to train a network, and how."""
        return Budget(
            self.pace * SECONDS.get(name, SECONDS["embedded"]),
            self.steps,
            self.device,
            self.out / "checkpoints",
            graph and not self.eager,
            decay=0.998 if name in PRIORS else 0.99,
        )

    def batch(self, stage: str) -> int:
        """Pictures per step."""
        return 8 if self.quick else BATCH[stage]

    def examples(self, n: int) -> int:
        """``n``, or few of a quick trial."""
        return 64 if self.quick else n

    def pool(self, *names: str) -> data.Pool:
        """Rendered pictures on the job's device."""
        return data.load(self.pools, *names, device=self.device)

    def note(self, name: str, report: Report, **values: object) -> None:
        """Keeps a stage's numbers for the model card."""
        folder = self.out / "notes"
        folder.mkdir(parents=True, exist_ok=True)
        numbers = asdict(report) | {"hardware": hardware(self.device)} | values
        (folder / f"{name}.json").write_text(json.dumps(numbers, indent=1))


def finish(build: Callable[[Path], object], target: Path) -> None:
    """Lets ``build`` write a folder beside ``target`` and moves it into place: what has its name is whole."""
    unfinished = target.with_name(f".{target.name}.partial")
    build(unfinished)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.replace(target)


def need(path: Path) -> Path:
    """``path``, which an earlier stage has written.

    Raises:
        ValueError: if it has not.
    """
    if not path.exists():
        raise ValueError(f"{path} is missing: run the stage that writes it first")
    return path


def pick(n: int, batch: int, device: str) -> Int[Tensor, " b"]:
    """Random indices; a function because every objective begins with it."""
    return torch.randint(n, (batch,), device=device)
