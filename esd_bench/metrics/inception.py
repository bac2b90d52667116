"""Inception quality, variety and gain of one asset's views (arXiv 2401.00909, section 5), in nats.

Letters: p (n, k) the class probabilities p(y|x) of n views; H the Shannon entropy.
"""

import numpy as np
from jaxtyping import Float64
from scipy.special import entr

from esd_bench.metrics import Inputs, Metric, Score
from esd_bench.metrics._arrays import Rows, probabilities

FLOOR = 1e-6
"""Nats of IQ below which IG is undefined: less than float32 probabilities resolve."""


def qualities(probs: Rows) -> Float64[np.ndarray, " n"]:
    """H(p(y|x)) of each view, in nats."""
    return entr(probabilities(probs)).sum(1)


def quality(probs: Rows) -> float:
    """IQ, the mean over views of H(p(y|x)): how unsure the classifier is of a single view.

    Range [0, ln k] nats; lower is better (but a blob of one class is low too). Does not change when views or classes are
    permuted, and not with n in expectation. Smallest sensible n: 1.

    Args:
        probs: (n, k) probabilities, not logits.

    Raises:
        ValueError: when rows are no probabilities.

    >>> import numpy as np
    >>> round(np.exp(quality(np.full((3, 4), 0.25))).item(), 9)  # four equally likely classes
    4.0
    """
    return float(qualities(probs).mean())


def variety(probs: Rows) -> float:
    """IV, the entropy H of the mean of p(y|x) over views: how many different things the views show.

    Range [IQ, ln k] nats; higher is better, and higher for incoherent views too. Does not change when views or classes are
    permuted. Biased downwards at small n (IV - IQ is at most ln n), so n belongs to the number. Smallest sensible n: 40.

    Args:
        probs: (n, k) probabilities, not logits.

    Raises:
        ValueError: when rows are no probabilities.

    >>> import numpy as np
    >>> round(np.exp(variety(np.eye(5))).item(), 9)  # five views of five classes
    5.0
    """
    return float(entr(probabilities(probs).mean(0)).sum())


def information(probs: Rows) -> float:
    """IV - IQ, the mutual information of view and label; its exponential is the one-split Inception Score of the asset.

    Range [0, ln min(n, k)] nats; higher is better. Unlike IG it stays finite for a sure classifier. Same invariances and
    the same small-n bias as :func:`variety`.

    >>> import numpy as np
    >>> round(np.exp(information(np.eye(5))).item(), 9)
    5.0
    >>> information(np.full((3, 4), 0.25))
    0.0
    """
    value = variety(probs) - quality(probs)
    # Entropy is concave, so anything below zero but rounding is a defect.
    assert value > -1e-9, f"IV below IQ by {-value}"
    return max(value, 0.0)


def gain(probs: Rows) -> float | None:
    """IG = (IV - IQ) / IQ; None where IQ is (nearly) zero, because the ratio is undefined there.

    Range [0, inf), no unit; higher is better. Explodes as IQ falls to 0: read it beside IQ, IV and the mutual information.
    Same invariances and small-n bias as :func:`variety`. Over assets, average the gains; don't divide averages.

    >>> import numpy as np
    >>> gain(np.full((3, 4), 0.25))
    0.0
    >>> gain(np.eye(5)) is None
    True
    """
    unsure = quality(probs)
    return information(probs) / unsure if unsure > FLOOR else None


def variety_jackknife(probs: Rows) -> float:
    """IV with its first-order bias in n removed: n H(mean) - (n - 1) times the mean of H over leave-one-out means.

    Same range (may exceed ln k slightly) and invariances as :func:`variety`. Smallest sensible n: 10.

    >>> import numpy as np
    >>> round(np.exp(variety_jackknife(np.full((3, 4), 0.25))).item(), 9)
    4.0
    """
    p = probabilities(probs)
    n = len(p)
    if n < 2:
        raise ValueError("a jackknife needs two views at least")
    # A subtraction may leave -1e-17 of a class that one view alone shows.
    without = np.clip((p.sum(0) - p) / (n - 1), 0, None)
    return n * variety(p) - (n - 1) * float(entr(without).sum(1).mean())


def gain_jackknife(probs: Rows) -> float | None:
    """IG with the jackknife's IV in it: IQ has no bias, so (IV - IQ) / IQ loses its first-order bias too.

    Same guard for IQ, same range (may be slightly negative) and invariances as :func:`gain`. Smallest sensible n: 10.

    >>> import numpy as np
    >>> abs(gain_jackknife(np.full((3, 4), 0.25))) < 1e-9
    True
    """
    unsure = quality(probs)
    return (variety_jackknife(probs) - unsure) / unsure if unsure > FLOOR else None


def inception() -> Metric:
    """Inception quality, variety and gain (IQ, IV, IG) of an asset's views, and their mutual information.

    ``iv_jackknife`` and ``ig_jackknife`` are IV and IG less their bias in n; ``iq`` holds each view's entropy.
    """

    def compute(inputs: Inputs) -> list[Score]:
        p = inputs.outputs["classifier"]["probs"]
        n, ig = len(p), gain(p)
        note = "" if ig is not None else "IQ is zero: IG is undefined"
        scores = [
            Score("iq", quality(p), "nats", "lower", n, qualities(p).tolist()),
            Score("iv", variety(p), "nats", "higher", n),
            Score("ig", ig, "", "higher", n, note=note),
            Score("mi", information(p), "nats", "higher", n),
        ]
        if n > 1:
            scores.append(Score("iv_jackknife", variety_jackknife(p), "nats", "higher", n))
            scores.append(Score("ig_jackknife", gain_jackknife(p), "", "higher", n, note=note))
        return scores

    return Metric(compute, roles=("classifier",))
