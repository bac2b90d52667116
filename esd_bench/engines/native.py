"""Our own distillation: the loop of :mod:`esd_bench.distill`, stage by stage, with checkpoints and evaluation views."""

import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.ahead import ahead
from esd_bench.cameras import protocol
from esd_bench.distill import FAULTS, Parts, Plan, Step, distill
from esd_bench.engines import Engine, Orders, Progress, Watch
from esd_bench.engines._outcome import judge, show
from esd_bench.files import aside
from esd_bench.pictures import sheet
from esd_bench.prompts import TEXTS
from esd_bench.spec import Choice, RunSpec, Stage
from esd_bench.store import Run, RunRecord, RunStore
from esd_bench.stored import look, scene_at
from esd_bench.views import ViewSet

NO_SURFACE = FAULTS.index("empty: no surface at any threshold")

FILMED = "ring:15:24"
"""The views of a film. Of fewer, R is large by chance."""

CHECKPOINT = 100
"""Steps between checkpoints unless said: at most so many are lost."""


def native(log_every: int = 10, film: int = 0, compile: bool = False) -> Engine:
    """Distil a pack here.

    Args:
        log_every: steps between lines of a run's log.
        film: steps between looks at each asset as it comes to be, kept in the run's folder ``film``; 0 keeps none.
        compile: have torch compile the prior's networks, which takes minutes at the first step of each method and shape and is
            for long work (``benchmarks/pack.py --compile``). Sums come in another order, so that bits differ; the record says so.
    """

    def make(specs: Sequence[RunSpec], store: RunStore, orders: Orders, watch: Watch) -> list[Run]:
        prior = _prior(specs[0].prior, orders.device, compile)
        _check(prior.files, orders.pins)
        with store.begin(specs):
            work = _Pack.of(prior, specs, store, orders, watch, log_every, film, compile)
            work.distil()
            # Threads write one member's pictures while the next member's are rendered.
            return list(ahead(work.finish, map(work.look, range(len(specs)))))

    return make


@dataclass
class _Pack:
    """The members of a pack at work, padded to its width with copies of the last one, which stay frozen."""

    specs: Sequence[RunSpec]
    store: RunStore
    orders: Orders
    watch: Watch
    log_every: int
    film: int
    compiled: bool
    prior: Any
    number: int
    """Of the present stage, from 1."""
    scene: Any
    seeds: Tensor
    fault: Tensor
    origins: list[str]
    started: float
    """When the work began; a resumed pack is taken to have begun earlier by what it had worked."""

    @classmethod
    def of(
        cls,
        prior: Any,
        specs: Sequence[RunSpec],
        store: RunStore,
        orders: Orders,
        watch: Watch,
        log_every: int,
        film: int,
        compiled: bool,
    ) -> "_Pack":
        first, width = specs[0], max(orders.width, len(specs))
        padded = [*specs, *[specs[-1]] * (width - len(specs))]
        seeds = torch.tensor([spec.seed for spec in padded], device=orders.device)
        scene = scene_at(first, 1, seeds.cpu()).to(orders.device)
        fault = torch.tensor([0] * len(specs) + [-1] * (width - len(specs)), device=orders.device)
        return cls(
            specs,
            store,
            orders,
            watch,
            log_every,
            film,
            compiled,
            prior,
            1,
            scene,
            seeds,
            fault,
            [""] * len(specs),
            time.perf_counter(),
        )

    def distil(self) -> None:
        """All stages, from the last checkpoint or from a stage that another run has already made."""
        stages = self.specs[0].stages
        done, state = self._resume()
        before = 0
        for number, stage in enumerate(stages, 1):
            start, end = max(0, done - before), before + stage.steps
            if done <= end:
                self._reach(number, stage, before, start, state)
            before = end

    def _reach(
        self,
        number: int,
        stage: Stage,
        before: int,
        start: int,
        state: Mapping[str, Tensor] | None,
    ) -> None:
        """One stage to its end: from its first step, from a checkpoint in it, or from one at its end."""
        last = self.scene
        changed = self._change(number)
        if start == 0:
            if number < len(self.specs[0].stages) and self._borrow(number):
                return
            if changed:
                self._begin(last, before)
        if start == stage.steps and state is not None:
            self.scene.load_state_dict(_scene_of(state))
        else:
            self._stage(stage, before, start, state if start else None)
        self._keep(number)

    def _change(self, number: int) -> bool:
        """Have the scene that a stage wants, and say whether it is a new one."""
        spec, last = self.specs[0], self.number
        self.number = number
        if spec.scene_at(number) == spec.scene_at(last):
            return False
        self.scene = scene_at(spec, number, self.seeds.cpu()).to(self.orders.device)
        return True

    def _begin(self, last: Any, before: int) -> None:
        """Start the new scene from the last one; members that find nothing there are frozen from here on."""
        beginning = self.scene.begin(last)
        empty = beginning.empty & (self.fault == 0)
        self.fault = torch.where(empty, NO_SURFACE, self.fault)
        for i, spec in enumerate(self.specs):
            notes = {name: float(value[i]) for name, value in beginning.notes.items()}
            self.store.log(
                spec, {"step": before, "scene": spec.scene_at(self.number).title, **notes}
            )

    def _resume(self) -> tuple[int, dict[str, Tensor] | None]:
        """Steps done and the joined checkpoints of the members, if all stand at the same step."""
        found = [self.store.resume(spec) for spec in self.specs]
        steps = {step for _, step in filter(None, found)}
        if None in found or len(steps) != 1:
            return 0, None
        joined = self._joined([state for state, _ in filter(None, found)])
        joined["fault"][len(self.specs) :] = -1
        self.fault = joined["fault"].clone()
        self.origins = [self.store.origin(spec) for spec in self.specs]
        self.started -= float(joined.pop("seconds", torch.zeros(1))[0])
        return steps.pop(), joined

    def _borrow(self, number: int) -> bool:
        """Start from other runs' equal stages, if each member finds one."""
        found = [self.store.shared_stage(spec, number) for spec in self.specs]
        if None in found:
            return False
        self.scene.load_state_dict(self._joined([state for state, _ in filter(None, found)]))
        self.origins = [origin for _, origin in filter(None, found)]
        for spec, origin in zip(self.specs, self.origins, strict=True):
            self.store.set_origin(spec, origin)
        return True

    def _joined(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The members' states as the pack's, padded with the last one."""
        padded = [*states, *[states[-1]] * (len(self.seeds) - len(states))]
        return {
            name: torch.cat([state[name] for state in padded]).to(self.orders.device)
            for name in states[0]
        }

    def _stage(
        self, stage: Stage, before: int, start: int, state: Mapping[str, Tensor] | None
    ) -> None:
        spec = self.specs[0]
        wording = stage.wording or spec.wording
        plan = Plan(
            steps=stage.steps,
            before=before,
            views=stage.views,
            size=stage.size,
            later=stage.later,
            cameras=spec.cameras,
            wording=wording,
            regularisers=dict(stage.regularisers),
            background=stage.background,
            learning_rate=stage.learning_rate,
            warmup=stage.warmup,
            decay=stage.decay,
            floor=stage.floor,
            weight_decay=stage.weight_decay,
        )
        parts = Parts(
            method=stage.method.make("methods"),
            schedule=stage.schedule.make("schedules"),
            prior=self.prior,
            scene=self.scene,
            student=stage.student.make("students", self.prior, self.seeds),
            texts=self._texts(wording.suffix),
            seeds=self.seeds,
        )
        for step in distill(parts, plan, state, start, self.fault, self.orders.graph):
            self._after(step, before, stage)
        self.fault = step.fault.clone()

    def _texts(self, suffix: str) -> Float[Tensor, "p m l d"]:
        """The members' texts as the prior reads them; frozen padding reads the last one's."""
        padded = [*self.specs, *[self.specs[-1]] * (len(self.seeds) - len(self.specs))]
        words = [spec.prompt.facing(x, suffix) for spec in padded for x in TEXTS]
        return self.prior.words(words).unflatten(0, (len(padded), len(TEXTS)))

    def _after(self, step: Step, before: int, stage: Stage) -> None:
        done = before + step.index
        if step.index % self.log_every == 0 or step.index == stage.steps:
            rows = [
                {
                    "step": done,
                    "residual": float(step.residual[i]),
                    "student": float(step.student[i]),
                    "opacity": float(step.opacity[i]),
                    "saturated": float(step.saturated[i]),
                    **{k: float(v[i]) for k, v in {**step.penalties, **step.notes}.items()},
                }
                for i in range(len(self.specs))
            ]
            for spec, entry in zip(self.specs, rows, strict=True):
                self.store.log(spec, entry)
            means = {k: sum(r[k] for r in rows) / len(rows) for k in ("residual", "student")}
            self.watch(Progress(self.specs, done, self.specs[0].steps, stage.method.title, means))
        if self.film and done % self.film == 0:
            self._look(done)
        if done % (self.orders.checkpoint or CHECKPOINT) == 0 and done < self.specs[0].steps:
            worked = torch.full((len(self.seeds),), time.perf_counter() - self.started)
            state = {**step.state(), "seconds": worked}
            for i, spec in enumerate(self.specs):
                self.store.checkpoint(spec, {k: v[i : i + 1] for k, v in state.items()}, done)
            self._preview(done)

    def _look(self, done: int) -> None:
        """Keep a small ring of every member as it is."""
        for i, spec in enumerate(self.specs):
            views = look(self._alone(i), protocol(FILMED, spec.view_size), FILMED)
            views.save(self.store.working(spec) / "film" / f"{done:06d}")

    def _preview(self, done: int) -> None:
        """Show the first member as it is: six views, in one picture that the next preview replaces."""
        spec = self.specs[0]
        views = look(self._alone(0), protocol("ring:15:6", spec.view_size), "ring:15:6")
        caption = f"{spec.prompt.text}\n{spec.label}\nstep {done} of {spec.steps}"
        with aside(self.store.preview) as beside:
            sheet([(caption, views.over("white"))], beside, scale=2)

    def _alone(self, index: int) -> Any:
        """The scene of one member."""
        seeds = self.seeds[index : index + 1].cpu()
        scene = scene_at(self.specs[0], self.number, seeds).to(self.orders.device)
        scene.load_state_dict(self._member(index))
        return scene

    def _keep(self, number: int) -> None:
        """Store the scene between stages; the last one is stored by ``finish``."""
        if number == len(self.specs[0].stages):
            return
        for i, spec in enumerate(self.specs):
            self.store.stage(spec, number, self._member(i))

    def _member(self, index: int) -> dict[str, Tensor]:
        return {k: v[index : index + 1] for k, v in self.scene.state_dict().items()}

    def look(self, index: int) -> tuple[int, dict[str, ViewSet]]:
        """A member's evaluation views."""
        spec, scene = self.specs[index], self._alone(index)
        views = {name: look(scene, protocol(name, spec.view_size), name) for name in spec.views}
        return index, views

    def finish(self, member: tuple[int, dict[str, ViewSet]]) -> Run:
        """Judge a member by its views, and complete its folder."""
        index, sets = member
        spec = self.specs[index]
        folder = self.store.working(spec)
        reason = FAULTS[max(0, int(self.fault[index]))] or judge(next(iter(sets.values())))
        for name, views in sets.items():
            views.save(folder / "views" / name.replace(":", "-"))
        show(sets, spec, folder)
        record = RunRecord(
            status="failed" if reason else "finished",
            reason=reason,
            label=spec.label,
            seconds=round(time.perf_counter() - self.started, 2),
            peak_memory=_peak(self.orders.device),
            device=_device(self.orders.device),
            width=len(self.seeds),
            threads=torch.get_num_threads(),
            versions=_versions(),
            commit=_commit(),
            views={name: views.digest for name, views in sets.items()},
            prior=self.prior.digest,
            files=self.prior.files,
            compiled=self.compiled,
            warm_start=self.origins[index],
        )
        return self.store.finish(spec, record, self._member(index))


def _scene_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scene's part of a checkpoint."""
    return {k.removeprefix("scene."): v for k, v in state.items() if k.startswith("scene.")}


@lru_cache(maxsize=1)
def _prior(choice: Choice, device: str, compiled: bool) -> Any:
    """The last prior that was loaded stays: packs of one grid share it."""
    prior = choice.make("priors", torch.device(device))
    if compiled and not hasattr(prior, "compile"):
        raise ValueError(
            f"the prior {prior.name} has no networks to compile; leave engine.compile out"
        )
    if compiled:
        prior.compile()
    return prior


def _check(files: Mapping[str, str], pins: Mapping[str, str]) -> None:
    """Refuse a prior that loaded a file which is not pinned, or differs from its pin."""
    for name, digest in files.items() if pins else ():
        if pins.get(name) != digest:
            raise ValueError(f"{name} has SHA-256 {digest}, pinned is {pins.get(name, 'nothing')}")


def _peak(device: str) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _device(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("esd-bench", "torch", "diffusers", "transformers", "numpy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _commit() -> str:
    """The commit of the checkout this runs from, or "" outside of one."""
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
