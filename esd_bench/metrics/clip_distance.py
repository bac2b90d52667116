"""CLIP distance of an asset's views to its prompt (as arXiv 2401.00909 after CLIP-NeRF, arXiv 2112.05139)."""

from typing import overload

import numpy as np
from jaxtyping import Float64

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, rows


@overload
def clip_distance() -> Metric: ...
@overload
def clip_distance(image_embeddings: Rows, text_embedding: Rows, /) -> float: ...
def clip_distance(
    image_embeddings: Rows | None = None, text_embedding: Rows | None = None, /
) -> Metric | float:
    """CLIP distance: the mean over views of 1 - cos(image, text) (lower: nearer to the prompt).

    With embeddings it is the number; without, the plugin that computes it. Range [0, 2]; lower is better; does not change
    when views are permuted or embeddings scaled. The mean of distances, not the distance of the mean embedding. Numbers of
    different CLIP networks can't be compared. Smallest sensible n: 1. Related scales: CLIPScore clamps 1 - distance at
    zero and multiplies it by 100 or 2.5.

    Args:
        image_embeddings: (n, d), normalised here.
        text_embedding: (1, d), of the prompt without view words or templates.

    Raises:
        ValueError: for zero rows, different widths or numbers that are not finite.

    >>> import numpy as np
    >>> clip_distance(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0]]))
    0.5
    """
    if image_embeddings is None or text_embedding is None:
        return Metric(_compute, roles=("clip",))
    return float(distances(image_embeddings, text_embedding).mean())


def distances(image_embeddings: Rows, text_embedding: Rows) -> Float64[np.ndarray, " n"]:
    """1 - cos(image, text) of each view."""
    images, text = rows(image_embeddings), rows(text_embedding)
    if images.shape[1] != text.shape[1] or len(text) != 1:
        raise ValueError(
            f"embeddings of shapes {images.shape} and {text.shape}; need (n, d) and (1, d)"
        )
    lengths = np.linalg.norm(images, axis=1) * np.linalg.norm(text)
    if (lengths == 0).any():
        raise ValueError("an embedding is zero and has no direction")
    return 1 - images @ text[0] / lengths


def _compute(inputs: Inputs) -> list[Score]:
    each = distances(inputs.outputs["clip"]["image"], inputs.text["clip"])
    return [Score("clip_distance", float(each.mean()), "", "lower", len(each), each.tolist())]
