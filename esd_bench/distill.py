"""THE loop: score distillation of a pack of scenes, one update rule for every method.

With x = encode(render(scene, camera)) and x_t = alpha_t x + sigma_t eps, a step moves the scene against

    w(t) * residual * dx/dtheta,   residual = (teacher's eps prediction) - (a baseline),

then lets the student fit the same views. ``distill`` yields; it writes no file, prints nothing and holds no global:
logging, previews, early stop and checkpoints live outside. Letters: p pack members, v views per step, k rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.cameras import Cameras, TrainingCameras
from esd_bench.draws import Draws
from esd_bench.methods import Method, Predictions, View
from esd_bench.optim import PackAdam, finite_members
from esd_bench.priors import Prior
from esd_bench.prompts import Wording
from esd_bench.scenes import Render, Scene
from esd_bench.schedules import Schedule
from esd_bench.students import Noised, Student
from esd_bench.types import Weight

FAULTS = (
    "",
    "not finite: a gradient was NaN or infinite",
    "empty: nothing was left to see",
    "saturated",
    "empty: no surface at any threshold",
)
"""Why a member was frozen, by its fault number."""


@dataclass(frozen=True)
class Plan:
    """The numbers of one stretch of distillation.

    Attributes:
        steps: how many; ``before`` of them were done in earlier stages, so that no random number comes twice.
        views: per step and member.
        size: side of the training pictures in pixels.
        later: (step, side) pairs: from that step on, that side.
        cameras: the distribution of training views.
        wording: how the teacher's text depends on the view.
        regularisers: penalty name -> weight.
        background: "random" (pale, a new one each view), "shared" (one for all views of a step, so that nothing but the
            object tells them apart), or "white", "grey", "black".
        learning_rate: factor on the scene's own learning rates.
        warmup: steps over which it rises.
        decay: share of it that is left at the end.
        floor: under the optimiser's denominator (see :class:`esd_bench.optim.PackAdam`).
        weight_decay: of the scene's optimiser.
    """

    steps: int
    before: int = 0
    views: int = 1
    size: int = 64
    later: tuple[tuple[int, int], ...] = ()
    cameras: TrainingCameras = TrainingCameras()
    wording: Wording = Wording()
    regularisers: Mapping[str, Weight] | None = None
    background: str = "random"
    learning_rate: float = 1.0
    warmup: int = 50
    decay: float = 0.1
    floor: float = 0.03
    weight_decay: float = 0.0

    def side(self, index: int) -> int:
        """Side of the training pictures at a step."""
        return next((side for step, side in reversed(self.later) if index >= step), self.size)


@dataclass(frozen=True)
class Step:
    """What the loop yields. Tensors are overwritten by the next step; read them at once or copy.

    Attributes:
        index: number of steps done in this stretch.
        residual: (p,) root mean square of the weighted residual.
        student: (p,) the student's loss.
        opacity: (p,) mean opacity of the training views.
        saturated: (p,) share of their opaque pixels whose three channels are all 0 or 255 as bytes.
        penalties: (p,) each, unweighted.
        t: (p, v) noise levels.
        notes: (p,) each, what only some methods or students can tell: ``apart``, the root mean square of w(t) times the
            difference between the student's answers with and without the camera, which is ESD's entropy term at lambda 1;
            and the student's own.
        fault: (p,) index into :data:`FAULTS`; members with a fault are frozen.
        state: all tensors of a checkpoint; the first axis of each is the pack.
    """

    index: int
    residual: Float[Tensor, " p"]
    student: Float[Tensor, " p"]
    opacity: Float[Tensor, " p"]
    saturated: Float[Tensor, " p"]
    penalties: Mapping[str, Float[Tensor, " p"]]
    t: Int[Tensor, "p v"]
    notes: Mapping[str, Float[Tensor, " p"]]
    fault: Int[Tensor, " p"]
    state: Callable[[], dict[str, Tensor]]


@dataclass(frozen=True)
class Parts:
    """What is distilled with what: a method, its schedule, and the pack's models.

    ``texts`` are the (p, m, l, d) embeddings of :data:`esd_bench.prompts.TEXTS` for each member.
    """

    method: Method
    schedule: Schedule
    prior: Prior
    scene: Scene
    student: Student
    texts: Float[Tensor, "p m l d"]
    seeds: Int[Tensor, " p"]


def distill(
    parts: Parts,
    plan: Plan,
    state: Mapping[str, Tensor] | None = None,
    start: int = 0,
    fault: Int[Tensor, " p"] | None = None,
    graph: bool = False,
) -> Iterator[Step]:
    """Distil a pack, yielding after every step.

    Args:
        parts: the models; the scene and the student are changed in place.
        plan: the numbers.
        state: of a checkpoint, to go on from step ``start``.
        start: steps already done.
        fault: members to leave frozen from the start (padding of a pack).
        graph: capture the step in a CUDA graph and replay it (CUDA only): all of it, or all but the scene's own work where
            that can't be captured.
    """
    whole = getattr(parts.scene, "capturable", True)
    # A student that renders views of its own asks the scene in the middle of the step.
    graph = graph and (whole or not parts.student.renders)
    capture = _captured if whole else _half_captured
    loop = _Loop(parts, plan, fault)
    if state is not None:
        loop.restore(state)
    every, advance = parts.student.every, None
    for index in range(start, plan.steps):
        loop.count.fill_(index)
        if advance is None or loop.size != plan.side(index):
            loop.size = plan.side(index)
            advance = None  # a graph of another size gives its memory back first
            advance = capture(loop, every > 1) if graph else loop.advance
        advance(index % every == 0)
        yield replace(loop.latest, index=index + 1)


@dataclass(frozen=True)
class _Seen:
    """A render, and its pictures before a background."""

    render: Render
    pictures: Float[Tensor, "n 3 h w"]


@dataclass(frozen=True)
class _Answer:
    """Where pictures are pulled (the descent's gradient), and what the log wants to know; see :class:`Step`."""

    pull: Float[Tensor, "n 3 h w"]
    residual: Float[Tensor, " p"]
    student: Float[Tensor, " p"]
    t: Int[Tensor, "p v"]
    notes: Mapping[str, Float[Tensor, " p"]]


class _Loop:
    """One stretch's working state; :meth:`advance` touches only tensors, so that it can be captured."""

    def __init__(self, parts: Parts, plan: Plan, fault: Int[Tensor, " p"] | None) -> None:
        device = parts.texts.device
        self.parts, self.plan = parts, plan
        self.members, self.size = len(parts.seeds), plan.size
        self.count = torch.zeros((), dtype=torch.long, device=device)
        self.fault = torch.zeros(self.members, dtype=torch.long, device=device)
        if fault is not None:
            self.fault.copy_(fault)
        self.optimiser = PackAdam(
            [(group, rate * plan.learning_rate) for group, rate in parts.scene.learning_rates()],
            floor=plan.floor,
            weight_decay=plan.weight_decay,
            warmup=plan.warmup,
            total=plan.steps,
            final=plan.decay,
        )
        self.latest: Step

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, pack first."""
        return {
            **{f"scene.{k}": v for k, v in self.parts.scene.state_dict().items()},
            **{f"optimiser.{k}": v for k, v in self.optimiser.state().items()},
            **{f"student.{k}": v for k, v in self.parts.student.state().items()},
            "fault": self.fault,
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Copy a checkpoint into the present tensors (in place: a captured graph keeps its addresses)."""
        self.parts.scene.load_state_dict(_under(state, "scene."))
        self.optimiser.restore(_under(state, "optimiser."))
        self.parts.student.restore(_under(state, "student."))
        self.fault.copy_(state["fault"])

    def advance(self, fit: bool) -> None:
        """One step of the scene and, if ``fit``, one of the student."""
        seen = self.see()
        self.move(seen, self.ask(seen.pictures.detach(), fit))

    def see(self) -> "_Seen":
        """Render the scene before a background."""
        draws, progress = self._now()
        render = self.parts.scene.render(self._places(draws), progress, draws)
        behind = _background(self.plan.background, draws, "training", self.plan.views)
        return _Seen(render, render.over(behind))

    def ask(self, pictures: Float[Tensor, "n 3 h w"], fit: bool) -> "_Answer":
        """What the prior and the student make of pictures, and where they pull them; the student learns, if ``fit``."""
        parts, plan = self.parts, self.plan
        draws, progress = self._now()
        cameras = self._places(draws)
        leaf = pictures.requires_grad_()
        latent = self._encode(leaf, draws, "training")
        view = View(*self._angles(cameras), progress, plan.wording)
        noised = self._noise(latent.detach(), cameras, view, draws)
        alive = (self.fault == 0).float()
        gradient, notes = self._gradient(noised, view)
        pulled = gradient * alive[:, None, None, None, None] / plan.views
        (pull,) = torch.autograd.grad(latent, leaf, pulled)
        loss = torch.zeros_like(alive)
        if fit:
            loss = parts.student.fit(noised, parts.method.camera_dropout, alive)
        return _Answer(pull, _size(gradient), loss.detach(), noised.t, notes)

    def move(self, seen: "_Seen", answer: "_Answer") -> None:
        """Move the scene as its pictures are pulled, and against its penalties."""
        render, members = seen.render, self.members
        penalties = self.parts.scene.regularisers(render)
        self._descend(seen.pictures, answer.pull, penalties)
        opacity = render.opacity.detach().reshape(members, -1).mean(1)
        self._watch(opacity, self._now()[1])
        self.latest = Step(
            index=0,
            residual=answer.residual,
            student=answer.student,
            opacity=opacity,
            saturated=_saturated(render, members),
            penalties={name: value.detach() for name, value in penalties.items()},
            t=answer.t,
            notes=answer.notes,
            fault=self.fault,
            state=self.state,
        )

    def _now(self) -> tuple[Draws, Float[Tensor, ""]]:
        """The step's random numbers, and how far the stretch has come."""
        progress = self.count.float() / self.plan.steps
        return Draws(self.parts.seeds, self.count + self.plan.before), progress

    def _places(self, draws: Draws) -> Cameras:
        return self.plan.cameras.place(
            draws.uniform("cameras", self.plan.views, self.plan.cameras.numbers), self.size
        )

    def _angles(self, cameras: Cameras) -> tuple[Tensor, Tensor]:
        shape = (self.members, self.plan.views)
        return cameras.azimuth.reshape(shape), cameras.elevation.reshape(shape)

    def _encode(
        self, rgb: Float[Tensor, "n 3 side side"], draws: Draws, purpose: str
    ) -> Float[Tensor, "p v c h w"]:
        """Latents of pictures."""
        noise = draws.normal(
            f"posterior {purpose}", len(rgb) // self.members, *self.parts.prior.latent
        )
        latent = self.parts.prior.encode(rgb, noise.flatten(0, 1))
        return latent.float().unflatten(0, (self.members, -1))

    def _noise(
        self, latent: Float[Tensor, "p v c h w"], cameras: Cameras, view: View, draws: Draws
    ) -> Noised:
        """The views at the noise levels of this step, with what the rows are told."""
        prior, views = self.parts.prior, self.plan.views
        t = self.parts.schedule(draws.uniform("t", views), view.progress, prior.alpha**2)
        noise = draws.normal("noise", views, *prior.latent)
        alpha, sigma = (s[t][:, :, None, None, None] for s in (prior.alpha, prior.sigma))
        return Noised(
            latent=latent,
            noised=alpha * latent + sigma * noise,
            noise=noise,
            t=t,
            camera=cameras.c2w.reshape(self.members, views, 16),
            texts=self.parts.texts,
            mixes=torch.stack([row.mix(view) for row in self.parts.method.rows], 2),
            draws=draws,
            others=lambda count: self._others(count, draws, view.progress),
        )

    @torch.no_grad()
    def _others(
        self, count: int, draws: Draws, progress: Float[Tensor, ""]
    ) -> Float[Tensor, "p n c h w"]:
        """Latents of other views from the training distribution, rendered anew."""
        places = self.plan.cameras.place(
            draws.uniform("other cameras", count, self.plan.cameras.numbers), self.size
        )
        render = self.parts.scene.render(places, progress, None)
        behind = _background(self.plan.background, draws, "others", count)
        return self._encode(render.over(behind), draws, "others")

    def _gradient(
        self, noised: Noised, view: View
    ) -> tuple[Float[Tensor, "p v c h w"], dict[str, Float[Tensor, " p"]]]:
        """w(t) times the method's residual, bounded if the method bounds it; and notes for the log."""
        method, prior = self.parts.method, self.parts.prior
        answers = self.parts.student.predict(noised, method.rows, method.camera_dropout).float()
        named = {row.name: answers[:, :, k] for k, row in enumerate(method.rows)}
        residual = method.residual(Predictions(**named, noise=noised.noise, view=view))
        weight = method.weight(prior.alpha[noised.t], prior.sigma[noised.t])[:, :, None, None, None]
        gradient = weight * residual
        notes = dict(self.parts.student.notes)
        if {"camera", "anywhere"} <= named.keys():
            notes["apart"] = _size(weight * (named["camera"] - named["anywhere"]))
        if method.bound is None:
            return gradient, notes
        bound = method.bound(view.progress)
        return torch.maximum(torch.minimum(gradient, bound), -bound), notes

    def _descend(
        self,
        pictures: Float[Tensor, "n 3 h w"],
        pull: Float[Tensor, "n 3 h w"],
        penalties: Mapping[str, Float[Tensor, " p"]],
    ) -> None:
        """Inject the gradient at the pictures (mean over views, sum over members) and move the scene."""
        outputs: list[Tensor] = [pictures]
        gradients: list[Tensor] = [pull]
        alive = (self.fault == 0).float()
        for name, weight in (self.plan.regularisers or {}).items():
            outputs.append(penalties[name])
            gradients.append(alive * weight_at(weight, self.count))
        torch.autograd.backward(outputs, gradients)
        finite = finite_members(x.grad for x in self.optimiser.tensors if x.grad is not None)
        self.fault.copy_(torch.where((self.fault == 0) & ~finite, 1, self.fault))
        self.optimiser.step(self.count, self.fault == 0)

    def _watch(self, opacity: Float[Tensor, " p"], progress: Float[Tensor, ""]) -> None:
        """Freeze members that have become empty once a fifth of the steps is done."""
        empty = (opacity < 1e-3) & (progress > 0.2)
        self.fault.copy_(torch.where((self.fault == 0) & empty, 2, self.fault))


def weight_at(weight: Weight, step: Int[Tensor, ""]) -> float | Float[Tensor, ""]:
    """A penalty's weight at a step; one that changes does so linearly."""
    if not isinstance(weight, tuple):
        return weight
    start, low, high, end = weight
    return low + (high - low) * ((step - start) / (end - start)).clamp(0, 1)


def _size(x: Float[Tensor, "p v c h w"]) -> Float[Tensor, " p"]:
    """Root mean square of each member."""
    return x.flatten(1).square().mean(1).sqrt()


def _background(kind: str, draws: Draws, purpose: str, views: int) -> Float[Tensor, "n 3 1 1"]:
    """What is behind the object: the pale, nearly grey colours that the embedded world is drawn on, or a plain one."""
    members = len(draws.seeds)
    if kind in ("random", "shared"):
        whose, count = (purpose, views) if kind == "random" else ("shared", 1)
        grey = 0.6 + 0.4 * draws.uniform(f"background {whose}", count, 1)
        tint = 0.03 * draws.normal(f"tint {whose}", count, 3)
        colour = (grey + tint).clamp(0.5, 1).expand(-1, views, -1)
    else:
        value = {"white": 1.0, "grey": 0.5, "black": 0.0}[kind]
        colour = torch.full((members, views, 3), value, device=draws.seeds.device)
    return colour.reshape(members * views, 3, 1, 1)


@torch.no_grad()
def _saturated(render: Render, members: int) -> Float[Tensor, " p"]:
    """Share of the opaque pixels that are at the end of the range in every channel, as the finished run is judged."""
    opaque = render.opacity > 0.5
    away = (render.rgb / render.opacity.clamp_min(1e-4) - 0.5).abs()
    extreme = (away.amin(1, keepdim=True) > 0.5 - 0.5 / 255) & opaque
    both = (x.reshape(members, -1).float().sum(1) for x in (extreme, opaque))
    return next(both) / next(both).clamp_min(1)


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _captured(loop: _Loop, idle: bool) -> Callable[[bool], Any]:
    """The whole step as CUDA graphs."""

    def work(fit: bool) -> Step:
        loop.advance(fit)
        return loop.latest

    again = _graphs(loop, work, idle)

    def replay(fit: bool) -> None:
        loop.latest = again(fit)

    return replay


def _half_captured(loop: _Loop, idle: bool) -> Callable[[bool], Any]:
    """CUDA graphs of all but the scene, whose shapes depend on its values: most of a step's kernels are the networks'."""
    given = loop.see().pictures.detach().clone()
    again = _graphs(loop, lambda fit: loop.ask(given.detach(), fit), idle)

    def replay(fit: bool) -> None:
        seen = loop.see()
        given.copy_(seen.pictures.detach())
        loop.move(seen, again(fit))

    return replay


def _graphs(loop: _Loop, work: Callable[[bool], Any], idle: bool) -> Callable[[bool], Any]:
    """Work as CUDA graphs, with the student's fit and, if ``idle``, without; its answer is overwritten by the next one.

    Warm-up steps on a side stream change the state, which is put back.
    """
    before = {name: value.clone() for name, value in loop.state().items()}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work(True)
    torch.cuda.current_stream().wait_stream(side)
    replays, answers = {}, {}
    for fit in (True, False) if idle else (True,):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answers[fit] = work(fit)
        replays[fit] = graph
    loop.restore(before)

    def replay(fit: bool) -> Any:
        replays[fit].replay()
        return answers[fit]

    return replay
