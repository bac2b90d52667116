"""Contract of a method: the paper's equation as a value.

``methods/NAME.py`` holds a function ``NAME(...) -> Method`` whose keyword arguments are the hyper-parameters. With
x = encode(render(scene, camera)) and x_t = alpha_t x + sigma_t eps, every method is

    dL/dtheta = E[ w(t) * residual * dx/dtheta ],   residual = (teacher's eps prediction) - (a baseline).
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.cameras import compass
from esd_bench.prompts import TEXTS, Wording
from esd_bench.types import Latent, PerView

State: TypeAlias = Literal["base", "camera", "anywhere"]
"""Who answers a row: the frozen prior; the student told the camera; the student not told it."""


@dataclass(frozen=True)
class View:
    """What rows and residuals may know of the views of a step.

    Attributes:
        azimuth, elevation: radians.
        progress: share of the steps that are done, in [0, 1).
        wording: whether and at which angles the teacher's text names the view ("..., back view").
    """

    azimuth: PerView
    elevation: PerView
    progress: Float[Tensor, ""]
    wording: Wording = Wording()

    def only(self, *names: str) -> tuple[Float[Tensor, "p v m"], ...]:
        """One-hot mixes of the texts called so, for every view."""
        flat = self.azimuth.new_zeros(*self.azimuth.shape, len(TEXTS))
        eye = torch.eye(len(TEXTS), device=flat.device, dtype=flat.dtype)
        return tuple(flat + eye[TEXTS.index(name)] for name in names)


Mix: TypeAlias = Callable[[View], Float[Tensor, "p v m"]]
"""Weights of the texts :data:`esd_bench.prompts.TEXTS` in a row's embedding, mixed after encoding."""


@dataclass(frozen=True)
class Row:
    """One eps prediction that a method needs: a name, who answers it, and the text it is given."""

    name: str
    state: State
    mix: Mix


def facing(view: View) -> Float[Tensor, "p v m"]:
    """The text that names the view; the plain text where view words are off."""
    (plain,) = view.only("plain")
    if not view.wording.view_words:
        return plain
    words = view.wording
    word = compass(view.azimuth, view.elevation, words.front, words.back, words.overhead)
    index = torch.arange(len(TEXTS), device=word.device)
    return (index == word[..., None] + TEXTS.index("front")).to(plain.dtype)


def plain(view: View) -> Float[Tensor, "p v m"]:
    """The view-independent text."""
    return view.only("plain")[0]


def empty(view: View) -> Float[Tensor, "p v m"]:
    """No text, for guidance."""
    return view.only("empty")[0]


TEXT = Row("text", "base", facing)
NULL = Row("null", "base", empty)
CAMERA = Row("camera", "camera", plain)
ANYWHERE = Row("anywhere", "anywhere", plain)


class Predictions(SimpleNamespace):
    """The eps predictions of one step by row name, each (p, v, c, h, w); ``noise``, the eps drawn; ``view``."""

    noise: Latent
    view: View


def sigma_squared(alpha: PerView, sigma: PerView) -> PerView:
    """w(t) = sigma_t^2 = 1 - abar_t, as threestudio and ProlificDreamer weigh."""
    return sigma**2


@dataclass(frozen=True)
class Method:
    """One published way to distil.

    Attributes:
        residual: the equation, out of the predictions of a step.
        rows: the predictions that the equation names.
        camera_dropout: probability that the student is fitted without its camera.
        schedule: name of the timestep schedule unless the user chooses another.
        bound: element-wise bound on the weighted residual as a function of progress, or None.
        weight: w(t) out of alpha_t and sigma_t.
        needs_view_words: the equation has no meaning without view words in the prompt.
        leaves_out: prompts come without the words that they leave out for each view.
    """

    residual: Callable[[Predictions], Latent]
    rows: tuple[Row, ...]
    camera_dropout: float = 0.0
    schedule: str = "uniform"
    bound: Callable[[Float[Tensor, ""]], Float[Tensor, ""]] | None = None
    weight: Callable[[PerView, PerView], PerView] = sigma_squared
    needs_view_words: bool = False
    leaves_out: bool = False

    @property
    def studies(self) -> bool:
        """Whether the method needs a student."""
        return any(row.state != "base" for row in self.rows)


def cfg(pos: Latent, null: Latent, scale: float) -> Latent:
    """Guidance: null + scale (pos - null), written so that scale 0 and 1 are exact. Scale 1 is unguided."""
    return torch.lerp(null, pos, scale)
