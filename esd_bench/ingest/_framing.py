"""Where cameras stand so that somebody's object fills the views as ours do; the object is never moved."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.cameras import DISTANCE, Cameras
from esd_bench.views import ViewSet

CORE = 0.98
"""Share of an object's weight that is certainly the object."""
GAP = 0.1
"""Width, as a share of the core's radius, of an empty shell that parts the object from crumbs."""
REACH = 2.0
"""Of the object, in radii of its core: a trail of crumbs has no gap."""
FAR = 1e3
"""Distance of the origin, in radii, from which single precision would be felt."""


@dataclass(frozen=True)
class Frame:
    """A ball round an object, in the axes and units of its file.

    Attributes:
        centre, radius: of the ball, which becomes our unit ball.
        outside: share of the weight that lies outside: floaters.
    """

    centre: Float[Tensor, "3"]
    radius: float
    outside: float


def framed(points: Float[Tensor, "k 3"], weights: Float[Tensor, " k"]) -> Frame:
    """The ball round an object without its crumbs: light parts, far away.

    What lies within the core's distance from the weighted median is the object; so is what goes on outwards without a gap.

    Raises:
        ValueError: when there is no object, or it has no size.
    """
    points, weights = points.double(), weights.double()
    some = (weights > 0) & torch.isfinite(points).all(1) & torch.isfinite(weights)
    points, weights = points[some], weights[some]
    if not len(points):
        raise ValueError("empty: there is nothing to see")
    middle = torch.stack([_quantile(points[:, k], weights, 0.5) for k in range(3)])
    away = (points - middle).norm(dim=1)
    core = _quantile(away, weights, CORE)
    ordered = away.sort().values
    further = ordered[ordered >= core]
    gaps = (further[1:] - further[:-1] > GAP * core).nonzero()[:, 0]
    edge = further[gaps[0]] if len(gaps) else further[-1]
    kept = points[away <= torch.minimum(edge, REACH * core)]
    centre = (kept.amin(0) + kept.amax(0)) / 2
    radius = float((kept - centre).norm(dim=1).max())
    if not 0 < radius < math.inf:
        raise ValueError("empty: it has no size")
    apart = (points - centre).norm(dim=1) > radius * (1 + 1e-9)
    return Frame(centre, radius, float(weights[apart].sum() / weights.sum()))


def _quantile(values: Float[Tensor, " k"], weights: Float[Tensor, " k"], share: float) -> Tensor:
    """The least value below or at which lies that share of the weight."""
    order = values.argsort()
    ends = weights[order].cumsum(0)
    return values[order[torch.searchsorted(ends, share * ends[-1]).clamp_max(len(order) - 1)]]


def placed(cameras: Cameras, frame: Frame, turn: Float[Tensor, "3 3"]) -> Cameras:
    """Our cameras round the unit ball as cameras round a frame; in double precision where its origin lies far away."""
    c2w = cameras.c2w.double()
    c2w[:, :3] = turn @ c2w[:, :3]
    c2w[:, :3, 3] = c2w[:, :3, 3] * frame.radius + frame.centre
    far = float(frame.centre.norm()) > FAR * frame.radius
    return replace(cameras, c2w=c2w if far else c2w.float())


def filled(views: ViewSet) -> tuple[float, float]:
    """The largest share of the pictures' side that the object spans, and the mean share of their pixels that it covers."""
    there = views.rgba[:, 3] > 0
    spans = []
    for across in (1, 2):
        line = there.any(across).int()
        first = line.argmax(1)
        last = line.shape[1] - 1 - line.flip(1).argmax(1)
        spans.append(torch.where(line.any(1), last - first + 1, 0).max() / line.shape[1])
    return float(max(spans)), float(views.rgba[:, 3].double().mean() / 255)


def distance(frame: Frame) -> float:
    """Of the cameras from the centre, in the file's units."""
    return DISTANCE * frame.radius
