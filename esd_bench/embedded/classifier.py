"""The classifier with its pose oracle: what stands for Inception and for a truth about poses in the embedded world."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esd_bench.cameras import compass
from esd_bench.embedded.kinds import NAMES
from esd_bench.embedded.parts import COLOURS

ASPECTS = ("front", "side", "back", "top", "bottom")
BINS = 24
"""Azimuth bins of the oracle; bin ``i`` is centred on ``i * 15`` degrees."""


class Judgement(NamedTuple):
    """What the classifier says of a batch of pictures; logits, not probabilities."""

    label: Float[Tensor, "n kinds*aspects"]
    azimuth: Float[Tensor, "n bins"]
    colour: Float[Tensor, "n colours"]
    features: Float[Tensor, "n d"]


class Classifier(nn.Module):
    """Labels (kind, aspect), azimuth and colour of 64x64 pictures, from one trunk of eight convolutions.

    A label changes with the side one sees, as ImageNet's do; so p(y|x) is informative about views. The features are what
    the Frechet distance compares.
    """

    def __init__(self, features: int = 128) -> None:
        super().__init__()
        plan = [(32, 1), (48, 2), (64, 1), (96, 2), (96, 1), (128, 2), (128, 1), (128, 2)]
        layers: list[nn.Module] = []
        channels = 3
        for width, stride in plan:
            layers += [
                nn.Conv2d(channels, width, 3, stride, 1),
                nn.GroupNorm(width // 8, width),
                nn.SiLU(),
            ]
            channels = width
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.project = nn.Sequential(nn.Linear(channels * 16, features), nn.SiLU())
        self.label = nn.Linear(features, len(NAMES) * len(ASPECTS))
        self.azimuth = nn.Linear(features, BINS)
        self.colour = nn.Linear(features, len(COLOURS))

    def forward(self, images: Float[Tensor, "n 3 64 64"]) -> Judgement:
        """Judges RGB in [0, 1]."""
        x = self.project(self.trunk(images * 2 - 1))
        return Judgement(self.label(x), self.azimuth(x), self.colour(x), x)


def label_names() -> list[str]:
    """The words of each label, "cat front" first."""
    return [f"{kind} {aspect}" for kind in NAMES for aspect in ASPECTS]


def aspect(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Index into :data:`ASPECTS`: the compass words, with the underside apart."""
    return torch.where(
        torch.rad2deg(elevation) < -60, ASPECTS.index("bottom"), compass(azimuth, elevation)
    )


def azimuth_bin(azimuth: Tensor) -> Tensor:
    """The oracle's bin of an azimuth in radians."""
    return torch.round(azimuth * BINS / (2 * math.pi)).long() % BINS
