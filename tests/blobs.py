"""Scenes of one member whose surface is known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]


class Blob(nn.Module):
    """A field given by two functions of points (n, 3): density (n) and colour (n, 3)."""

    def __init__(self, density: Function, rgb: Function | None = None) -> None:
        super().__init__()
        self.members, self.nothing = 1, nn.Parameter(torch.zeros(()))
        self.density, self.rgb = density, rgb or position_colour

    def field(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.density(points[0])[None], self.rgb(points[0])[None]


def ball(radius: float = 0.6, centre: tuple[float, ...] = (0.0, 0, 0), density: float = 100.0):
    """As large as ``radius`` in pictures: its density falls within 0.1, and rays 0.034 outside the middle of the fall
    lose just half of their light."""
    at = torch.tensor(centre)
    return lambda x: density * torch.sigmoid((radius - 0.034 - (x - at).norm(dim=-1)) * 100)


def two_colours(points: Tensor) -> Tensor:
    """Red in front (+z), blue behind."""
    front = (points[:, 2:] > 0).float()
    return front * torch.tensor([0.9, 0.1, 0.0]) + (1 - front) * torch.tensor([0.0, 0.2, 0.8])


def position_colour(points: Tensor) -> Tensor:
    """Smooth, and different everywhere."""
    return (points + 1) / 2
