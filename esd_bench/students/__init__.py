"""Contract of a student: the score of the rendered views.

``students/NAME.py`` holds a function ``NAME(prior, seeds, /, *, ...) -> Student``; its keyword arguments are the options.
A student answers all rows of a step at once (the prior's base rows with its own), then fits itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, einsum

from esd_bench.draws import Draws
from esd_bench.methods import Row
from esd_bench.types import Timesteps


@dataclass(frozen=True)
class Noised:
    """The noised views of one step; all tensors detached.

    Attributes:
        latent: (p, v, c, h, w) latents of the rendered views.
        noised: alpha_t latent + sigma_t noise.
        noise: the eps drawn.
        t: (p, v) noise levels.
        camera: (p, v, 16) flattened camera-to-world matrices.
        texts: (p, m, l, d) embeddings of :data:`esd_bench.prompts.TEXTS` for each member.
        mixes: (p, v, k, m) weights of the texts in each row.
        draws: the random numbers of this step.
        others: a function of a number m: latents (p, m, c, h, w) of m views from the training distribution, rendered
            anew without grad (only the exact student asks).
    """

    latent: Float[Tensor, "p v c h w"]
    noised: Float[Tensor, "p v c h w"]
    noise: Float[Tensor, "p v c h w"]
    t: Timesteps
    camera: Float[Tensor, "p v 16"]
    texts: Float[Tensor, "p m l d"]
    mixes: Float[Tensor, "p v k m"]
    draws: Draws
    others: Callable[[int], Float[Tensor, "p n c h w"]]

    @property
    def text(self) -> Float[Tensor, "p v k l d"]:
        """The text embedding of each row, mixed after encoding."""
        return einsum("pvkm,pmld->pvkld", self.mixes, self.texts)

    @property
    def plain(self) -> Float[Tensor, "p l d"]:
        """The student's own text: view-independent."""
        return self.texts[:, 0]

    def only(self, first: int, last: int) -> "Noised":
        """The same step for the rows from ``first`` up to, not including, ``last``."""
        return replace(self, mixes=self.mixes[:, :, first:last])

    @property
    def rows(self) -> Float[Tensor, "p v k c h w"]:
        """The noised views once for each row (no copy)."""
        return self.noised[:, :, None].expand(-1, -1, self.mixes.shape[2], -1, -1, -1)


@runtime_checkable
class Student(Protocol):
    """Answers rows and learns; its whole state is tensors whose first axis is the pack.

    Attributes:
        every: ``fit`` is meant for steps whose number it divides; the loop decides, because a captured step can't.
        renders: whether it asks for views of its own (``noised.others``).
        notes: (p,) each, by name: what a log should know of the last ``predict``; always the same tensors.
    """

    every: int
    renders: bool
    notes: Mapping[str, Tensor]

    def predict(
        self, noised: Noised, rows: Sequence[Row], dropout: float = 0.0
    ) -> Float[Tensor, "p v k c h w"]:
        """The eps of every row, without grad; student rows last.

        Args:
            noised: the step.
            rows: the method's.
            dropout: as ``fit`` gets it: a student that fits its own prediction must know it now.
        """
        ...

    def fit(
        self, noised: Noised, dropout: float, alive: Float[Tensor, " p"]
    ) -> Float[Tensor, " p"]:
        """One step of the student's own training; its loss per member (zeros where nothing is trained).

        Args:
            noised: the same step that ``predict`` saw; fresh noise levels come from ``noised.draws``.
            dropout: probability, per view, that the camera is left out.
            alive: 0 for members that must not change any more.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything a checkpoint must hold, by name; the first axis of each tensor is the pack."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of :meth:`state`."""
        ...
