"""Does a score tell assets apart as a truth does? AUC and Kendall's tau, with intervals that respect prompts.

Assets of one prompt are alike, so the bootstrap draws whole prompts. Both numbers are ratios of sums over pairs of assets;
the sums are worked out once for each pair of prompts, and a resample only weighs them: exact, and as fast as a table.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int8

from esd_bench.stats import RESAMPLES, SEED

Numbers = Float64[np.ndarray, " n"]
Pairs = Float64[np.ndarray, "c c"]


@dataclass(frozen=True)
class Estimate:
    """A number of all assets, and its 95 % interval by bootstrap over clusters; None where it is undefined."""

    value: float | None
    interval: tuple[float, float] | None
    n: int


def auc(
    score: Numbers,
    truth: Bool[np.ndarray, " n"],
    clusters: Iterable[Hashable],
    within: bool = False,
) -> Estimate:
    """Area under the ROC curve: how often an asset of which the truth holds has the larger score, ties counting half.

    .5 is chance, 1 perfect, below .5 the wrong way round. Assets without a score (NaN) are left out. None where the truth
    holds of all assets or of none.

    Args:
        score: of each asset.
        truth: what it should tell.
        clusters: the prompt of each asset.
        within: count pairs of one cluster alone, so that what only tells prompts apart is worth .5.

    >>> auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, False, True, True]), "abab").value
    1.0
    >>> auc(np.array([1.0, 4.0, 2.0, 3.0]), np.array([False, True, True, False]), "aabb", within=True).value
    0.5
    """
    x, y, which = _known(score, np.asarray(truth, float), clusters)
    holds, count = y == 1, _count(which)
    wins = np.empty((count, count))
    for k in range(count):
        others = np.sort(x[~holds & (which == k)])
        below, upto = (others.searchsorted(x[holds], side) for side in ("left", "right"))
        wins[:, k] = np.bincount(which[holds], (below + upto) / 2, count)
    sizes = [np.bincount(which[own], minlength=count).astype(float) for own in (holds, ~holds)]
    if within:
        alike = [wins.diagonal(), sizes[0] * sizes[1]]
        return _estimate(alike, len(x), lambda w, n: w / n)
    return _estimate([wins, sizes], len(x), lambda w, n: w / n)


def tau(score: Numbers, other: Numbers, clusters: Iterable[Hashable]) -> Estimate:
    """Kendall's tau-b of two numbers of each asset; 0 is no agreement, 1 the same order.

    Assets that lack either are left out. None where one of the two never varies.

    >>> tau(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]), "abc").value.__round__(3)
    0.333
    """
    x, y, which = _known(score, other, clusters)
    order, count = np.argsort(which, kind="stable"), _count(which)
    x, y, which = x[order], y[order], which[order]
    start = np.searchsorted(which, np.arange(count + 1))
    sums = [np.zeros((count, count)) for _ in range(3)]
    for k in range(count):
        # The sums are symmetric, so each cluster is set against itself and those after it.
        own, rest = slice(start[k], start[k + 1]), slice(start[k], None)
        a, b = (_signs(v[own], v[rest]) for v in (x, y))
        for one, made in zip((a * b, abs(a), abs(b)), sums, strict=True):
            made[k] = made[:, k] = np.bincount(which[rest], one.sum(0), count) + made[k]
    return _estimate(sums, len(x), lambda s, t, u: s / np.sqrt(t * u))


def roc(
    score: Numbers, truth: Bool[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
    """False and true positive rates from the highest threshold to the lowest, both beginning at 0; NaN scores left out.

    >>> [list(map(float, x)) for x in roc(np.array([1.0, 2.0, 3.0]), np.array([False, True, True]))]
    [[0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.0]]
    """
    known = ~np.isnan(score)
    x, y = score[known], np.asarray(truth, bool)[known]
    levels = np.concatenate([[np.inf], np.unique(x)[::-1]])
    passed = x[None] >= levels[:, None]
    return passed[:, ~y].mean(1), passed[:, y].mean(1)


def _known(
    x: Numbers, y: Numbers, clusters: Iterable[Hashable]
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Assets with both numbers, and the number of the cluster that each is of."""
    known = ~(np.isnan(x) | np.isnan(y))
    _, which = np.unique(np.asarray(list(clusters))[known], return_inverse=True)
    return x[known], y[known], which


def _count(which: Int[np.ndarray, " n"]) -> int:
    return int(which.max(initial=-1)) + 1


def _signs(
    x: Float64[np.ndarray, " m"], others: Float64[np.ndarray, " n"]
) -> Int8[np.ndarray, "m n"]:
    """1 where a number is larger than one of the others, -1 where it is smaller."""
    larger, smaller = x[:, None] > others, x[:, None] < others
    return larger.view(np.int8) - smaller.view(np.int8)


@lru_cache(maxsize=4)
def _draws(count: int, resamples: int, seed: int) -> Float64[np.ndarray, "r c"]:
    """How often each resample holds each cluster."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), resamples).astype(float)


def _estimate(sums: list[Any], n: int, ratio: Callable[..., Any]) -> Estimate:
    """A ratio of sums over pairs of clusters, for all assets and for resampled clusters.

    A sum is (clusters, clusters), or two vectors whose outer product it is, or one vector: of pairs within clusters.
    """
    count = len(sums[0])
    totals = [_totals(np.ones((1, count)), one) for one in sums]
    if n < 2 or not all(total > 0 for total in totals[1:]):
        return Estimate(None, None, n)
    value = float(ratio(*totals)[0])
    if count < 2:
        return Estimate(value, None, n)
    totals = [_totals(_draws(count, RESAMPLES, SEED), one) for one in sums]
    defined = np.all([total > 0 for total in totals[1:]], axis=0)
    low, high = np.quantile(ratio(*(total[defined] for total in totals)), [0.025, 0.975])
    return Estimate(value, (float(low), float(high)), n)


def _totals(
    weights: Float64[np.ndarray, "r c"],
    one: Pairs | list[Float64[np.ndarray, " c"]] | Float64[np.ndarray, " c"],
) -> Float64[np.ndarray, " r"]:
    """A sum over pairs of clusters for each set of weights of the clusters."""
    if isinstance(one, list):
        first, second = one
        return (weights @ first) * (weights @ second)
    if one.ndim == 1:
        return weights @ one
    return np.einsum("rc,rc->r", weights @ one, weights)
