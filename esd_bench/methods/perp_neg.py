"""Perp-Neg (arXiv 2304.04968): negative prompts for the wrong sides, perpendicular to what is wanted."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.methods import NULL, Method, Predictions, Row, View, cfg
from esd_bench.types import Latent, PerView

Decay = tuple[float, float, float]
"""(a, b, c) of the weight f(r) = a exp(-b r) + c."""


def perp_neg(
    scale: float = 100.0,
    strength: float = 1.0,
    front_side: Decay = (4.0, 0.5, -2.426),
    side_front: Decay = (4.0, 0.5, -2.426),
    side_back: Decay = (1.0, 0.5, -0.606),
    front_back: Decay = (1.0, 0.5, 0.967),
) -> Method:
    """Perp-Neg: SDS towards a text between two views, away from what the texts of the other views have of their own.

    With deltas against the empty text, the teacher is null + s [d + sum_k w_k perp(d_k, d)], w_k <= 0. The positive text
    is a mix of the embeddings of the two nearest sides; the negatives are the front and the side. Weights are those of
    threestudio and of the ESD paper (arXiv 2401.00909, appendix C, which prints the first label twice).

    Differs from threestudio: any number of views per step pairs each with its own negatives (there, more than one is
    mixed up, issue 456).

    Args:
        scale: guidance.
        strength: factor on the negatives; 0 is SDS towards the same text.
        front_side: f of the front as a negative, between front and side.
        side_front: f of the side there.
        side_back: f of the side, between side and back.
        front_back: f of the front there; it does not vanish, and c = +0.967 makes it continuous at the side.
    """

    def weights(view: View) -> tuple[PerView, PerView]:
        near, r = _place(view)
        front = torch.where(near, _decay(front_side, r), _decay(front_back, r))
        side = torch.where(near, _decay(side_front, 1 - r), _decay(side_back, r))
        seen = (~_above(view)).to(r.dtype) * -strength
        return front.clamp_min(0) * seen, side.clamp_min(0) * seen

    def residual(eps: Predictions) -> Latent:
        towards = eps.text - eps.null
        negatives = zip((eps.front, eps.side), weights(eps.view), strict=True)
        away = sum(_wide(w) * perpendicular(x - eps.null, towards) for x, w in negatives)
        return cfg(eps.text, eps.null, scale) + scale * away - eps.noise

    return Method(residual, rows=(BETWEEN, NULL, FRONT, SIDE), needs_view_words=True)


def perpendicular(x: Latent, y: Latent) -> Latent:
    """What x has of its own: x without its part along y, per view over channels and pixels."""
    inner = (x * y).sum((-3, -2, -1), keepdim=True)
    square = (y * y).sum((-3, -2, -1), keepdim=True).clamp_min(1e-6)
    return x - inner / square * y


def between(view: View) -> Float[Tensor, "p v m"]:
    """The positive text: front and side, or side and back, by azimuth; overhead above its threshold."""
    front, side, back, overhead = view.only("front", "side", "back", "overhead")
    near, r = (x[..., None] for x in _place(view))
    mixed = torch.where(near, r * front + (1 - r) * side, r * side + (1 - r) * back)
    return torch.where(_above(view)[..., None], overhead, mixed)


def _place(view: View) -> tuple[Tensor, PerView]:
    """Whether a view is of the front half, and r: 1 to 0 from front to side, then again from side to back."""
    turned = torch.atan2(view.azimuth.sin(), view.azimuth.cos()).abs() * (2 / math.pi)
    near = turned < 1
    return near, torch.where(near, 1 - turned, 2 - turned)


def _above(view: View) -> Tensor:
    return view.elevation > math.radians(view.wording.overhead)


def _decay(f: Decay, r: PerView) -> PerView:
    return f[0] * torch.exp(-f[1] * r) + f[2]


def _wide(x: PerView) -> Float[Tensor, "p v 1 1 1"]:
    return x[:, :, None, None, None]


BETWEEN = Row("text", "base", between)
FRONT = Row("front", "base", lambda view: view.only("front")[0])
SIDE = Row("side", "base", lambda view: view.only("side")[0])
