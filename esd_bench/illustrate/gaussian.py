"""Figure 3 of ESD (arXiv 2401.00909): a Gaussian distilled by SDS, VSD and ESD, drawn and compared with theory.

theta = (A, b); a view is x = A z + b with z ~ N(0, I), and z is its "camera". Teacher and student are closed forms and
the residual is the real method's, so the picture shows the update rule and nothing else. How gradually the collapse
gives way to lambda depends on the noise levels; those of diffusion models and those of the authors' script are drawn.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench import plugins
from esd_bench.draws import Draws
from esd_bench.methods import Method, Predictions, View

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
_RATE, _WARMUP = 0.01, 100


@dataclass(frozen=True)
class Levels:
    """Some noise levels, and the factor that each puts on residual * dx/dtheta."""

    alpha: Float[Tensor, "1 n"]
    sigma: Float[Tensor, "1 n"]
    weight: Float[Tensor, "1 n"]


Law: TypeAlias = Callable[[Draws, int], Levels]
"""Draws n noise levels."""


@dataclass(frozen=True)
class Fit:
    """Where one method came to rest.

    Attributes:
        law: of the noise levels, "ddpm" or "script".
        label: the method.
        mean, covariance: b and A A^T.
        eigenvalues: of A A^T, ascending.
        theory: where the expected gradient vanishes: :func:`rest_points`.
        apart: distance of b from the target's mean.
    """

    law: str
    label: str
    mean: Float[Tensor, " d"]
    covariance: Float[Tensor, "d d"]
    eigenvalues: Float[Tensor, " d"]
    theory: Float[Tensor, " d"]
    apart: float


@dataclass(frozen=True)
class _Toy:
    """Target and methods, which are distilled side by side: one pack member each, on the same random numbers."""

    target: Any
    labels: tuple[str, ...]
    methods: tuple[Method, ...]
    entropies: tuple[float, ...]
    seed: int


def gaussian(
    out: Path,
    steps: int = 3000,
    batch: int = 256,
    seed: int = 0,
    offset: float = 10.0,
    lambdas: Sequence[float] = LAMBDAS,
) -> list[Fit]:
    """Distil, draw ``out/gaussian.png`` and ``out/gaussian.pdf``, and return what was fitted.

    Defaults are the authors': AdamW at 0.01 without decay, 100 steps of warm-up, a cosine planned over 1.5 times the
    steps, the target's mean ~ U[0, 1]^2, a factor of its covariance ~ U[0, 1]^(2 x 2) + I, A ~ U[0, 1]^(2 x 2), and b
    ``offset`` U[0, 1]^2 away from the mean. Differs from their script: 3000 steps instead of 2000, which leave b 0.9
    short of the mean; SDS is the paper's, with its score scaled by sigma and the sign that lowers the variance.

    Args:
        out: folder, made if need be.
        steps: of the optimiser.
        batch: views per step.
        seed: of everything.
        offset: how far away b starts.
        lambdas: of ESD; 0 is VSD.
    """
    toy = _toy(seed, lambdas)
    laws = {"ddpm": _ddpm(toy.target), "script": _script}
    fits = [
        fit for name, law in laws.items() for fit in _fits(toy, name, law, steps, batch, offset)
    ]
    out.mkdir(parents=True, exist_ok=True)
    _draw(fits, toy, out)
    return fits


def table(fits: Sequence[Fit]) -> str:
    """Fitted eigenvalues of A A^T beside the theory's, as lines of text."""
    head = f"{'levels':<8}{'method':<12}{'fitted':>14}{'theory':>14}{'|b - mean|':>12}"
    return "\n".join([head, *(_line(fit) for fit in fits)])


def _line(fit: Fit) -> str:
    found, wanted = (
        " ".join(f"{x:.3f}" for x in xs.tolist()) for xs in (fit.eigenvalues, fit.theory)
    )
    return f"{fit.law:<8}{fit.label:<12}{found:>14}{wanted:>14}{fit.apart:>12.3f}"


def rest_points(levels: Levels, target: Float[Tensor, " d"], entropy: float) -> Float[Tensor, " d"]:
    """Eigenvalues a of A A^T where the expected gradient of ESD vanishes, one for each eigenvalue s of the target.

    Roots of sum w sigma alpha [1 / (alpha^2 s + sigma^2) - lambda / (alpha^2 a + sigma^2)], or 0 where there is none:
    the sum rises with a and is not negative at a = s.
    """
    alpha, sigma, weight = (x.T for x in (levels.alpha, levels.sigma, levels.weight))

    def pull(a: Tensor) -> Tensor:
        inside = 1 / (alpha**2 * target + sigma**2) - entropy / (alpha**2 * a + sigma**2)
        return (weight * sigma * alpha * inside).sum(0)

    low, high = torch.zeros_like(target), target.clone()
    for _ in range(60):
        middle = (low + high) / 2
        below = pull(middle) < 0
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return torch.where(pull(torch.zeros_like(target)) < 0, high, 0.0)


def _toy(seed: int, lambdas: Sequence[float]) -> _Toy:
    draws = Draws(torch.tensor([seed]), torch.tensor(0))
    mean, factor = draws.uniform("mean", 2)[0].double(), draws.uniform("factor", 2, 2)[0].double()
    factor = factor + torch.eye(2)
    numbers = (factor @ factor.T).flatten().tolist()
    prior = plugins.load("priors", "gaussian")
    target = prior(torch.device("cpu"), mean=tuple(mean.tolist()), covariance=tuple(numbers))
    named: list[tuple[str, Method, float]] = [
        (name.upper(), plugins.load("methods", name)(), 0.0) for name in ("sds", "vsd")
    ]
    esd = plugins.load("methods", "esd")
    named += [(f"ESD λ = {x:g}", esd(entropy=x), x) for x in lambdas]
    labels, methods, entropies = zip(*named, strict=True)
    return _Toy(target, labels, methods, entropies, seed)


def _ddpm(target: Any) -> Law:
    """Stable Diffusion's schedule, t uniform over 20 ... 980, w(t) = sigma^2."""

    def law(draws: Draws, count: int) -> Levels:
        t = 20 + (draws.uniform("t", count) * 961).long()
        return Levels(target.alpha[t], target.sigma[t], target.sigma[t] ** 2)

    return law


def _script(draws: Draws, count: int) -> Levels:
    """The authors' ``gaussian_example.py``: x_t = abar x + sigma eps with sigma^2 = (1 - abar) / abar.

    beta ~ U[1e-4, 0.02] for each view, and abar is their cumulative product over the batch. Its weight (1 - abar) sigma
    on scores is 1 - abar on eps, and its loss on x_t brings a factor dx_t/dx = abar.
    """
    beta = 1e-4 + draws.uniform("beta", count).double() * (0.02 - 1e-4)
    abar = (1 - beta).cumprod(1)
    return Levels(abar, ((1 - abar) / abar).sqrt(), (1 - abar) * abar)


def _fits(toy: _Toy, name: str, law: Law, steps: int, batch: int, offset: float) -> list[Fit]:
    root, mean = _distilled(toy, law, steps, batch, offset)
    covariance = root @ root.mT
    many = [law(Draws(torch.tensor([toy.seed]), torch.tensor(i)), batch) for i in range(200)]
    levels = Levels(*(torch.cat(x, 1) for x in zip(*map(_tensors, many), strict=True)))
    goal = torch.linalg.eigvalsh(toy.target.covariance)
    rests = {x: rest_points(levels, goal, x) for x in set(toy.entropies)}
    return [
        Fit(
            law=name,
            label=toy.labels[i],
            mean=mean[i],
            covariance=covariance[i],
            eigenvalues=torch.linalg.eigvalsh(covariance[i]).clamp(min=0),
            theory=rests[toy.entropies[i]],
            apart=(mean[i] - toy.target.mean).norm().item(),
        )
        for i in range(len(toy.methods))
    ]


def _tensors(levels: Levels) -> tuple[Tensor, Tensor, Tensor]:
    return levels.alpha, levels.sigma, levels.weight


def _distilled(
    toy: _Toy, law: Law, steps: int, batch: int, offset: float
) -> tuple[Float[Tensor, "p d d"], Float[Tensor, "p d"]]:
    """A and b of every method after ``steps`` of AdamW."""
    draws = Draws(torch.tensor([toy.seed]), torch.tensor(0))
    members = len(toy.methods)
    start = draws.uniform("A", 2, 2).double().repeat(members, 1, 1)
    away = toy.target.mean + offset * draws.uniform("b", 2).double().repeat(members, 1)
    root, mean = start.requires_grad_(), away.requires_grad_()
    adam = torch.optim.AdamW([root, mean], lr=_RATE, weight_decay=0.0)
    for step in range(steps):
        for group in adam.param_groups:
            cosine = (1 + math.cos(math.pi * step / (1.5 * steps))) / 2
            group["lr"] = _RATE * min(1.0, (step + 1) / _WARMUP) * cosine
        draws = Draws(draws.seeds, torch.tensor(step))
        z, noise = (draws.normal(x, batch, 2).double() for x in ("z", "noise"))
        views = z @ root.mT + mean[:, None]
        adam.zero_grad()
        views.backward(_gradient(toy, law(draws, batch), views.detach(), root, mean, noise))
        adam.step()
    return root.detach(), mean.detach()


@torch.no_grad()
def _gradient(
    toy: _Toy,
    levels: Levels,
    views: Float[Tensor, "p n d"],
    root: Float[Tensor, "p d d"],
    mean: Float[Tensor, "p d"],
    noise: Float[Tensor, "1 n d"],
) -> Float[Tensor, "p n d"]:
    """Weight times residual of each method, averaged over the batch."""
    alpha, sigma = (x.expand(views.shape[:2]) for x in (levels.alpha, levels.sigma))
    noised = alpha[..., None] * views + sigma[..., None] * noise
    student = replace(toy.target, mean=mean, covariance=root @ root.mT)
    rows = {
        "text": toy.target.noise_in(noised, alpha, sigma),
        "camera": (noised - alpha[..., None] * views) / sigma[..., None],
        "anywhere": student.noise_in(noised, alpha, sigma),
        "noise": noise.expand_as(noised),
    }
    rows["null"] = rows["text"]
    angle = torch.zeros(1, views.shape[1])
    view = View(angle, angle, torch.tensor(0.0))
    residuals = [
        method.residual(
            Predictions(**{k: x[i : i + 1, :, :, None, None] for k, x in rows.items()}, view=view)
        )
        for i, method in enumerate(toy.methods)
    ]
    return torch.cat(residuals)[..., 0, 0] * levels.weight[..., None] / views.shape[1]


_TARGET, _FITTED = "#9ecae1", "#d94801"
_TITLES = {"ddpm": "t uniform, 20 ... 980", "script": "the authors' script"}


def _draw(fits: Sequence[Fit], toy: _Toy, out: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(toy.methods)
    figure = Figure(figsize=(1.9 * columns, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, columns, sharex=True, sharey=True)
    for i, (panel, fit) in enumerate(zip(panels.flat, fits, strict=True)):
        _panel(panel, fit, toy)
        if i < columns:
            panel.set_title(fit.label, fontsize=10)
        if i % columns == 0:
            panel.set_ylabel(_TITLES[fit.law], fontsize=9)
    panels.flat[0].legend(loc="upper left", fontsize=7, frameon=False)
    figure.savefig(out / "gaussian.png", dpi=160)
    figure.savefig(out / "gaussian.pdf", metadata={"CreationDate": None})


def _panel(panel: Any, fit: Fit, toy: _Toy) -> None:
    """The target's and the fitted ellipses of one and two standard deviations, and some fitted views."""
    goal = toy.target
    for radius, label in ((2, "target"), (1, None)):
        edge = _ellipse(goal.mean, goal.covariance, radius)
        panel.fill(*edge, color=_TARGET, alpha=0.45, lw=0, label=label)
    values, axes = torch.linalg.eigh(fit.covariance)
    normal = Draws(torch.tensor([toy.seed]), torch.tensor(0)).normal("shown", 200, 2)[0].double()
    shown = fit.mean + (normal * values.clamp(min=0).sqrt()) @ axes.T
    panel.plot(*shown.T.tolist(), ".", color=_FITTED, ms=3, alpha=0.5, mew=0)
    for radius, label in ((2, "fitted"), (1, None)):
        edge = _ellipse(fit.mean, fit.covariance, radius)
        panel.plot(*edge, color=_FITTED, lw=1, label=label)
    reach = 2.4 * torch.linalg.eigvalsh(goal.covariance)[-1].sqrt().item()
    for middle, limit in zip(goal.mean.tolist(), (panel.set_xlim, panel.set_ylim), strict=True):
        limit(middle - reach, middle + reach)
    panel.set_aspect("equal")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_xlabel(_caption(fit), fontsize=8)


def _caption(fit: Fit) -> str:
    found, wanted = (
        ", ".join(f"{x:.2f}" for x in xs.tolist()) for xs in (fit.eigenvalues, fit.theory)
    )
    return f"variances {found}\ntheory {wanted}"


def _ellipse(mean: Tensor, covariance: Tensor, radius: float) -> tuple[list[float], list[float]]:
    turn = torch.linspace(0, 2 * math.pi, 100, dtype=torch.float64)
    values, axes = torch.linalg.eigh(covariance)
    circle = torch.stack([turn.cos(), turn.sin()], 1)
    x, y = (mean + radius * circle * values.clamp(min=0).sqrt() @ axes.T).T.tolist()
    return x, y
