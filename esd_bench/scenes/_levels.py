"""Surfaces of signed levels on a grid of tetrahedra (DMTet, arXiv 2111.04276), as scenes of meshes hold them.

Levels are positive inside. The grid has ``(resolution + 1)^3`` corners; each may move by up to half a cell.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.meshes import Mesh, crossed, isosurface
from esd_bench.scenes._trilinear import trilinear

HALVINGS = 12
"""How often the search for a threshold halves or doubles it."""
LEAST, MOST = 1e-3, 0.9
"""Share of the unit ball that must be inside for a surface to be worth going on with."""


def surface(
    level: Float[Tensor, " n"], deformation: Float[Tensor, "n 3"], corners: Float[Tensor, "n 3"]
) -> Mesh:
    """The closed surface of one member; differentiable in level and deformation."""
    side = round(len(level) ** (1 / 3))
    rim = (corners.abs() == 1).any(-1)
    level = torch.where(rim, level.clamp_max(-1e-3), level)
    places = corners + torch.tanh(deformation) / (side - 1)
    return isosurface(places, level, crossed((level > 0).reshape(side, side, side)))


def ball(corners: Float[Tensor, "n 3"], radius: float) -> Float[Tensor, " n"]:
    """Levels of a ball round the origin."""
    return radius - corners.norm(dim=-1)


def levels(
    density: Float[Tensor, "p n"], corners: Float[Tensor, "n 3"], wanted: float
) -> tuple[Float[Tensor, "p n"], Float[Tensor, " p"]]:
    """Levels of densities, and the threshold that was taken for each member: NaN where none leaves a surface.

    threestudio's ``density - threshold``, clamped to [-1, 1]. Below 1 the difference is divided by the threshold: else
    the outside would lie a few steps of the optimiser from 0. Outside the unit ball, which nothing was seen of, all is
    outside.
    """
    within = corners.norm(dim=-1) <= 1
    density = torch.nan_to_num(density) * within
    found = density.new_tensor([search(member[within], wanted) for member in density])
    scale = found.nan_to_num(1.0).clamp_max(1.0)[:, None]
    level = ((density - found[:, None]) / scale).clamp(-1, 1)
    return torch.where(found.isnan()[:, None], -1.0, level), found


def search(density: Float[Tensor, " n"], wanted: float) -> float:
    """The wanted threshold; where that leaves next to nothing, half of it and so on, and where it leaves nearly all, twice."""

    def share(threshold: float) -> float:
        return float((density > threshold).double().mean())

    factor = 2.0 if share(wanted) > MOST else 0.5
    tries = (wanted * factor**k for k in range(HALVINGS + 1))
    return next((t for t in tries if LEAST <= share(t) <= MOST), math.nan)


def sample(level: Float[Tensor, "p n"], points: Float[Tensor, "p m 3"]) -> Float[Tensor, "p m"]:
    """Levels between the corners of the grid, which is taken as it was before it moved."""
    side = round(level.shape[1] ** (1 / 3))
    table = level.reshape(-1, 1, side, side, side).transpose(2, 4).contiguous()
    return trilinear(table, points)[:, 0]
