"""CLIP R-precision: do an asset's views find their own prompt among others? (Dream Fields, arXiv 2112.01455, section 4)."""

import numpy as np
from jaxtyping import Bool

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, rows


def retrieved(image_embeddings: Rows, text: Rows, others: Rows) -> Bool[np.ndarray, " n"]:
    """Which views are nearer, by cosine, to their own text than to any other; a tie finds nothing.

    Args:
        image_embeddings: (n, d).
        text: (1, d), of the asset's own prompt.
        others: (q, d), of the prompts that it is to be told from.

    Raises:
        ValueError: for no rows, different widths or numbers that are not finite.

    >>> import numpy as np
    >>> views = np.array([[1.0, 0.1], [0.1, 1.0]])
    >>> retrieved(views, np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist()
    [True, False]
    """
    views, own, rest = rows(image_embeddings), _unit(rows(text)), _unit(rows(others))
    if len(own) != 1 or not views.shape[1] == own.shape[1] == rest.shape[1]:
        raise ValueError(
            f"embeddings of shapes {views.shape}, {own.shape} and {rest.shape}; need (n, d), (1, d), (q, d)"
        )
    # A view's own length decides nothing.
    return np.asarray((views @ own.T)[:, 0] > (views @ rest.T).max(1))


def _unit(x: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise ValueError("an embedding is zero and has no direction")
    return np.asarray(x / lengths)


def r_precision() -> Metric:
    """CLIP R-precision: share of an asset's views that are nearer to its prompt than to the suite's others (higher: better).

    Range [0, 1]; by chance one in the number of texts, which stands beside it. Numbers over other texts don't compare, so
    their digest is part of the key. A prior that is built on the same CLIP raises it; so does a suite of far-apart prompts.
    """

    def compute(inputs: Inputs) -> list[Score]:
        others = inputs.others["clip"]
        found = retrieved(inputs.outputs["clip"]["image"], inputs.text["clip"], others)
        count = float(len(others) + 1)
        each = found.astype(float).tolist()
        beside = {"texts": count, "chance": 1 / count}
        return [
            Score("r_precision", float(found.mean()), "", "higher", len(each), each, beside=beside)
        ]

    return Metric(compute, roles=("clip",), others=True)
