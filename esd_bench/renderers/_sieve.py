"""Only the samples that matter: a field is asked at those alone, in a buffer of one size, as a CUDA graph needs it."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.renderers import Field

Occupied = Callable[[Float[Tensor, "p n 3"]], Bool[Tensor, "p n"]]
"""Which points lie where a field may hold something."""


def sieved(field: Field, occupied: Occupied, kept: float, count: int) -> Field:
    """A field that is empty where nothing is, and asked nothing there.

    Where more than the share ``kept`` of all samples is occupied, the deepest of all rays are empty, too: those that the
    others are most likely to hide.

    Args:
        field: what is asked.
        occupied: says where.
        kept: most samples that are asked for, as a share of all.
        count: samples of each ray; points come ray by ray.
    """

    def asked(points: Float[Tensor, "p n 3"]) -> tuple[Tensor, ...]:
        n = points.shape[1]
        numbers = nearest_first(occupied(points).unflatten(1, (-1, count)), kept)
        by_axis = points.permute(2, 0, 1)
        at = numbers.clamp_max(n - 1).expand(3, -1, -1)
        found = field(by_axis.gather(2, at).permute(1, 2, 0))
        density, *vectors = found
        return (
            _spread(density, numbers, n),
            *(_spread(x.movedim(-1, 0), numbers, n).movedim(0, -1) for x in vectors),
        )

    return asked


@torch.no_grad()
def nearest_first(occupied: Bool[Tensor, "p r s"], kept: float) -> Int[Tensor, "p k"]:
    """Numbers (ray by ray) of occupied samples, the first samples of all rays before the second ones; ``r s`` stands for none."""
    rays, count = occupied.shape[1:]
    room = max(1, round(kept * rays * count))
    mask = occupied.transpose(1, 2).flatten(1)
    place = mask.cumsum(1) - 1
    fits = mask & (place < room)
    order = torch.arange(rays * count, device=mask.device)
    number = (order % rays) * count + order.div(rays, rounding_mode="floor")
    # What does not fit goes to a place behind the last, which is cut off.
    numbers = torch.full((len(mask), room + 1), rays * count, device=mask.device)
    numbers.scatter_(1, torch.where(fits, place, room), number.expand(len(mask), -1))
    return numbers[:, :room]


def _spread(values: Tensor, numbers: Int[Tensor, "p k"], n: int) -> Tensor:
    """Values at their samples' places among ``n``, zeros elsewhere."""
    empty = values.new_zeros(*values.shape[:-1], n + 1)
    return empty.scatter(-1, numbers.expand(values.shape), values)[..., :n]
