"""Several scenes of one run that share a student: ProlificDreamer's particles (arXiv 2305.16213, section 3.2)."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from esd_bench.cameras import Cameras
from esd_bench.draws import Draws
from esd_bench.scenes import Render, Scene


class Particles(nn.Module):
    """A scene of ``count`` scenes: every step shows each of them in an equal share of its views, in order.

    The student sees all of them, so it learns the score of their views together. The finished asset is the first
    particle. Parameters are those of the scene with a second axis, ``(p, count, ...)``.

    Args:
        make: makes a pack of scenes out of seeds.
        seeds: of the members.
        count: particles of each; the views of a step must be a multiple of it.
    """

    def __init__(
        self, make: Callable[[Tensor], Scene], seeds: Int[Tensor, " p"], count: int
    ) -> None:
        super().__init__()
        self.members, self.count, self.seeds = len(seeds), count, seeds
        whole: Any = make(self._each(seeds))
        self.values = nn.ParameterDict(
            {_key(n): nn.Parameter(x.detach().unflatten(0, (-1, count))) for n, x in _named(whole)}
        )
        # In a tuple, so that the scenes' own parameters are not this module's.
        self._shells = (_Shell(whole), _Shell(make(seeds)))

    def render(
        self,
        cameras: Cameras,
        progress: Float[Tensor, ""] | None = None,
        draws: Draws | None = None,
    ) -> Render:
        """Pictures of all particles in training, of the first one when the run is over (no progress)."""
        if progress is None:
            return self._ask(1, "render", cameras, None, draws)
        if len(cameras) % (self.members * self.count):
            raise ValueError(
                f"{self.count} particles need a multiple of {self.count} views per step"
            )
        inner = None if draws is None else Draws(self._each(draws.seeds), draws.step)
        return self._ask(0, "render", cameras, progress, inner)

    def field(self, points: Float[Tensor, "p n 3"]) -> tuple[Tensor, ...]:
        """Density and colour of the first particle."""
        found: tuple[Tensor, ...] = self._ask(1, "field", points)
        return found

    def regularisers(self, render: Render) -> dict[str, Float[Tensor, " p"]]:
        """Means over the particles."""
        found = self._ask(0, "regularisers", render)
        return {name: x.unflatten(0, (-1, self.count)).mean(1) for name, x in found.items()}

    def learning_rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """Those of the scene."""
        whole = self._shells[0].scene
        names = {id(x): _key(n) for n, x in _named(whole)}
        return [
            ([self.values[names[id(x)]] for x in xs], rate) for xs, rate in whole.learning_rates()
        ]

    def to(self, *args: Any, **kwargs: Any) -> "Particles":
        """Move, the scenes behind it as well."""
        for shell in self._shells:
            shell.to(*args, **kwargs)
        self.seeds = self.seeds.to(*args, **kwargs)
        return super().to(*args, **kwargs)

    def _each(self, seeds: Int[Tensor, " p"]) -> Int[Tensor, " pc"]:
        """A seed for each particle; a lone one keeps its own."""
        return (
            seeds[:, None] * self.count + torch.arange(self.count, device=seeds.device)
        ).flatten()

    def _ask(self, shell: int, what: str, *args: Any) -> Any:
        """Call a method of the scenes with the present values: of all particles (0), or of the first ones (1)."""
        pick = (lambda x: x[:, 0]) if shell else (lambda x: x.flatten(0, 1))
        values = {
            f"scene.{n}": pick(self.values[_key(n)]) for n, _ in _named(self._shells[0].scene)
        }
        return functional_call(self._shells[shell], values, (what, *args))


class _Shell(nn.Module):
    """Makes a method of a scene its forward, which is what ``functional_call`` calls."""

    def __init__(self, scene: Any) -> None:
        super().__init__()
        self.scene = scene

    def forward(self, what: str, *args: Any) -> Any:
        return getattr(self.scene, what)(*args)


def _named(scene: Any) -> list[tuple[str, nn.Parameter]]:
    return list(scene.named_parameters())


def _key(name: str) -> str:
    """A parameter's name without the dots that a module's own names must not have."""
    return name.replace(".", "/")
