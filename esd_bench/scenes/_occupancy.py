"""Which cells of a field hold something, so that the others' samples can be skipped (Instant-NGP, arXiv 2201.05989).

The rule is that of nerfacc's estimator as threestudio uses it: of each cell the largest opacity of a sample seen there, fading
by 0.95; occupied is what exceeds 0.01, or the mean over the cells where that is less. One departure: nerfacc looks at all
cells every 16 steps, we at a sixteenth of them every step, which is the same work and fits into a CUDA graph.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from esd_bench.draws import Draws

TURNS = 16
"""Steps until every cell has been looked at."""
DECAY, THRESHOLD = 0.95, 0.01


class Occupancy(nn.Module):
    """Opacities of the cells of the cube [-1, 1]^3, member by member.

    Args:
        members: of the pack.
        side: cells along the cube's side; the number of cells must be a multiple of 16.
        step: length of a sample, in world units.
        device: where it is kept.

    Raises:
        ValueError: for a side that can't be looked at in turns.
    """

    opacity: Tensor

    def __init__(
        self, members: int, side: int, step: float, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__()
        if side**3 % TURNS:
            raise ValueError(f"an occupancy grid's side is a multiple of 4, not {side}")
        self.side, self.step = side, step
        self.register_buffer("opacity", torch.zeros(members, side**3, device=device))

    @torch.no_grad()
    def fill(self, density: Callable[[Tensor], Tensor]) -> None:
        """Look at the middle of every cell."""
        cells = torch.arange(self.side**3, device=self.opacity.device)
        middle = self._points(cells, torch.tensor(0.5, device=cells.device))
        self.opacity.copy_(self._seen(density, middle.expand(len(self.opacity), -1, -1)))

    @torch.no_grad()
    def look(self, density: Callable[[Tensor], Tensor], draws: Draws) -> None:
        """Look at this step's cells, somewhere in each."""
        count = self.side**3 // TURNS
        cells = torch.arange(count, device=self.opacity.device) * TURNS + draws.step % TURNS
        points = self._points(cells, draws.uniform("occupancy", count, 3))
        before = self.opacity.index_select(1, cells) * DECAY
        self.opacity.index_copy_(1, cells, torch.maximum(before, self._seen(density, points)))

    @torch.no_grad()
    def occupied(self, points: Float[Tensor, "p n 3"]) -> Bool[Tensor, "p n"]:
        """Whether points lie in cells that hold something."""
        x, y, z = ((points + 1) * (self.side / 2)).long().clamp(0, self.side - 1).unbind(-1)
        full = self.opacity > self.opacity.mean(1, keepdim=True).clamp_max(THRESHOLD)
        return full.gather(1, (x * self.side + y) * self.side + z)

    def _seen(
        self, density: Callable[[Tensor], Tensor], points: Float[Tensor, "p k 3"]
    ) -> Float[Tensor, "p k"]:
        return 1 - torch.exp(-density(points) * self.step)

    def _points(self, cells: Int[Tensor, " k"], within: Tensor) -> Tensor:
        x = cells.div(self.side**2, rounding_mode="floor")
        y = cells.div(self.side, rounding_mode="floor") % self.side
        corner = torch.stack([x, y, cells % self.side], -1)
        return (corner + within) * (2 / self.side) - 1
