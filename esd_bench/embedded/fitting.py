"""One training loop for every network here: AdamW, cosine to the end of a time budget, EMA, checkpoints, CUDA graphs."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


class CaptureError(RuntimeError):
    """A CUDA graph could not be recorded; the process should start again without one."""


def hardware(device: str) -> str:
    """The name of a device for the record."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"


@dataclass(frozen=True)
class Budget:
    """How long and how to train.

    Attributes:
        seconds: wall time after which training has annealed to its end, interruptions not counted.
        steps: the same in steps; whichever comes first. Equal steps on equal hardware repeat a run.
        graph: record the step as a CUDA graph (small networks are launch-bound).
        decay: of the moving average, per step.
    """

    seconds: float
    steps: int
    device: str
    checkpoints: Path
    graph: bool = False
    decay: float = 0.99
    save_every: float = 60.0


@dataclass
class Report:
    """What happened: steps, seconds and the running mean of the loss at the end."""

    steps: int
    seconds: float
    loss: float


class Fit:
    """The state of one training: network, its moving average, optimiser, and progress in steps and seconds."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        objective: Callable[[], Tensor],
        rate: float,
        budget: Budget,
    ) -> None:
        self.name, self.model, self.objective = name, model, objective
        self.budget, self.peak = budget, rate
        self.cuda = budget.device.startswith("cuda")
        self.weights: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
        # From zero, and divided by 1 - decay^steps at the end: a short run must not keep a share of its first weights.
        self.average = [torch.zeros_like(p) for p in self.weights]
        self.rate = torch.tensor(1e-6, device=budget.device)
        self.optimiser = torch.optim.AdamW(
            self.weights,
            self.rate,
            betas=(0.9, 0.99),
            weight_decay=1e-2,
            fused=self.cuda,
            capturable=self.cuda,
        )
        self.loss = torch.zeros((), device=budget.device)
        self.steps, self.elapsed = 0, 0.0
        self.restore()

    @property
    def file(self) -> Path:
        """Where the checkpoint lies."""
        return self.budget.checkpoints / f"{self.name}.pt"

    def step(self) -> None:
        """One update; nothing here waits for the GPU, so that it can be recorded."""
        with torch.autocast(
            self.budget.device.split(":")[0], torch.bfloat16, enabled=self.cuda, cache_enabled=False
        ):
            loss = self.objective()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.loss.lerp_(loss.detach().float(), 0.02)
        torch._foreach_lerp_(
            self.average, [p.detach() for p in self.weights], 1 - self.budget.decay
        )

    def recorded(self) -> Callable[[], Any]:
        """The step as a CUDA graph, after the warm-up that PyTorch asks for."""
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.step()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.step()
        except RuntimeError as error:
            raise CaptureError(f"{self.name}: {error}; go on with --eager") from error
        return graph.replay

    def progress(self) -> float:
        """0 at the start, 1 at the end of the budget."""
        return max(self.steps / self.budget.steps, self.elapsed / self.budget.seconds)

    def run(self) -> Report:
        """Trains to the end of the budget and leaves the moving average in the model."""
        self.model.train()
        step = (
            self.recorded()
            if self.budget.graph and self.cuda and self.progress() < 1
            else self.step
        )
        begin, saved, said = time.time() - self.elapsed, time.time(), -math.inf
        while (done := self.progress()) < 1:
            warm = min(1.0, (self.steps + 1) / 200)
            self.rate.fill_(self.peak * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))))
            step()
            self.steps += 1
            if self.cuda and self.steps % 10 == 0:
                torch.cuda.synchronize()
            self.elapsed = time.time() - begin
            if self.elapsed - said > 10:
                said = self.elapsed
                self.say()
            if time.time() - saved > self.budget.save_every:
                saved = time.time()
                self.save()
        self.save()
        self.say()
        with torch.no_grad():
            seen = 1 - self.budget.decay**self.steps
            torch._foreach_copy_(self.weights, torch._foreach_div(self.average, seen))
        self.model.eval()
        return Report(self.steps, round(self.elapsed, 1), round(self.loss.item(), 5))

    def say(self) -> None:
        """One line of progress."""
        loss = self.loss.item()
        log.info("[%s] %6.1f s  step %d  loss %.4f", self.name, self.elapsed, self.steps, loss)

    def save(self) -> None:
        """Writes the checkpoint, whole or not at all."""
        self.budget.checkpoints.mkdir(parents=True, exist_ok=True)
        state = {
            "weights": [p.detach() for p in self.weights],
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "progress": {"steps": self.steps, "elapsed": self.elapsed, "loss": self.loss.item()},
        }
        partial = self.file.with_suffix(".tmp")
        torch.save(state, partial)
        partial.replace(self.file)

    def restore(self) -> None:
        """Continues from the checkpoint, if there is one."""
        if not self.file.exists():
            return
        state = torch.load(self.file, map_location=self.budget.device, weights_only=True)
        with torch.no_grad():
            torch._foreach_copy_(self.weights, state["weights"])
            torch._foreach_copy_(self.average, state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.optimiser.param_groups[0]["lr"] = self.rate
        self.steps, self.elapsed = state["progress"]["steps"], state["progress"]["elapsed"]
        self.loss.fill_(state["progress"]["loss"])
        log.info("[%s] continues at step %d", self.name, self.steps)
