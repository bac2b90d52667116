"""How many objects of a kind a large picture shows: the embedded classifier over sliding windows, the best ones kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SIDES = (48, 64, 96)
"""Windows in pixels; an object that fills 64 is what the embedded world calls whole."""
STRIDES = 8
"""Steps between windows to a window's side."""
THRESHOLD = 1.5
"""Least log-odds of the kind, natural. On 24 canvases of 0 to 3 known dogs or pigs (sides 48 to 80) whole objects had 1.8
to 7, what lay between them and other kinds mostly less than 1, a blank -7; 22 were counted right (tests/illustrate)."""
APART = 0.5
"""Windows whose middles are nearer than this share of the larger one show the same object."""


@dataclass(frozen=True)
class Found:
    """An object: its window's top left corner and side in pixels, and the log-odds of its kind."""

    top: int
    left: int
    side: int
    odds: float

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column."""
        return self.top + self.side / 2, self.left + self.side / 2


def find_objects(
    picture: Float[Tensor, "3 h w"],
    kind: int,
    judge: Any,
    threshold: float = THRESHOLD,
    sides: Sequence[int] = SIDES,
) -> list[Found]:
    """Objects of a kind, the surest first: greedy non-maximum suppression.

    Args:
        picture: in [0, 1].
        kind: index of the kind among the judge's.
        judge: an embedder whose outputs have ``kind``.
        threshold: least log-odds.
        sides: of the windows in pixels; those that do not fit in are left out.
    """
    seen = [found for side in sides for found in _windows(picture, side, kind, judge)]
    kept: list[Found] = []
    for one in sorted(seen, key=lambda x: -x.odds):
        if one.odds >= threshold and all(_apart(one, other) for other in kept):
            kept.append(one)
    return kept


def _apart(one: Found, other: Found) -> bool:
    return math.dist(one.middle, other.middle) >= APART * max(one.side, other.side)


def _windows(picture: Tensor, side: int, kind: int, judge: Any) -> list[Found]:
    """All windows of a side, judged at 64 pixels."""
    high, wide = picture.shape[1:]
    places = [(y, x) for y in _offsets(high, side) for x in _offsets(wide, side)]
    if not places:
        return []
    windows = torch.stack([picture[:, y : y + side, x : x + side] for y, x in places])
    if side != 64:
        windows = functional.interpolate(
            windows, (64, 64), mode="bilinear", align_corners=False, antialias=True
        )
    odds = _log_odds(judge.images(windows)["kind"], kind)
    return [Found(y, x, side, o) for (y, x), o in zip(places, odds.tolist(), strict=True)]


def _offsets(size: int, side: int) -> list[int]:
    """0, a step further, ..., and the last one whatever the step; none if there is no room."""
    last = size - side
    return sorted({*range(0, last + 1, side // STRIDES), last}) if last >= 0 else []


def _log_odds(p: Float[Tensor, "n kinds"], kind: int) -> Float[Tensor, " n"]:
    """log p(kind) - log p(any other), not 1 - p, which is 0 of a sure one."""
    others = p.double().index_fill(1, torch.tensor([kind]), 0).sum(1)
    return p[:, kind].double().clamp_min(1e-30).log() - others.clamp_min(1e-30).log()
