"""Which side of an object CLIP says that a view shows."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from esd_bench.metrics._arrays import Rows, rows

WORDS = ("front", "side", "back")
TEXTS = tuple(f"{{}}, {word} view" for word in WORDS)
"""The prompt with the view words of training (:mod:`esd_bench.prompts`); a ring has no overhead view."""
SCALE = 100.0
"""Inverse temperature of CLIP's softmax, where its training stops raising it (Radford et al., arXiv 2103.00020)."""
ALIKE = 1e-3
"""Probabilities that differ by less between views say nothing about the views."""


def word_probabilities(
    images: Rows, texts: Mapping[str, Tensor], scale: float = SCALE
) -> Float64[np.ndarray, "n 3"]:
    """Softmax over front, side and back of scale * cos(image, text), for each of n views.

    Args:
        images: (n, d) image embeddings, normalised here.
        texts: wording of :data:`TEXTS` -> (1, d) embedding.
        scale: inverse temperature.
    """
    x, y = _unit(images), _unit(np.concatenate([rows(texts[text]) for text in TEXTS]))
    logits = scale * x @ y.T
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def alike(p: Float64[np.ndarray, "n 3"]) -> bool:
    """Whether all views look the same to CLIP, as those of a blank asset or of a ball do."""
    return bool(np.ptp(p, axis=0).max() < ALIKE)


def _unit(x: Rows) -> Float64[np.ndarray, "n d"]:
    found = rows(x)
    return found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-12)
