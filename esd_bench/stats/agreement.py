"""Whether raters agree: on nominal labels, with gaps, by asset.

``labels`` is always (raters, assets), a label or None (NaN) in each cell. Krippendorff, Content Analysis, chapter 12.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from esd_bench.stats.resampling import RESAMPLES, SEED, draws, percentiles


def _counts(labels: Any) -> np.ndarray:
    """(assets, categories): how many raters gave an asset each label; assets with fewer than two are left out."""
    table = np.asarray(labels, dtype=object)
    if table.ndim != 2:
        raise ValueError(f"labels are (raters, assets), not of shape {table.shape}")
    codes, names = pd.factorize(table.ravel())
    counts = (codes.reshape(table.shape)[:, :, None] == np.arange(len(names))).sum(0)
    return counts[counts.sum(1) > 1].astype(np.float64)


def _alpha(within: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """1 - observed / expected disagreement from pairable values; NaN where there is one category only."""
    size = totals.sum(-1)
    expected = size**2 - (totals**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1 - (size - 1) * (size - within) / expected, np.nan)


def krippendorff_alpha(
    labels: Any, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float | None, tuple[float, float] | None]:
    """Krippendorff's alpha for nominal labels, and its interval by resampling assets.

    1 is perfect agreement, 0 that of chance; None where nothing can be said: no asset has two labels, or all are the same.

    Args:
        labels: (raters, assets); None or NaN is missing.
        confidence: coverage aimed at.
        resamples: how many draws of the assets; 0 leaves the interval out. Draws with one label only are left out.
        seed: of their random stream.
    """
    counts = _counts(labels)
    raters = counts.sum(1)
    # Of an asset: values that agree with another one, and all its values, by label.
    within = (counts * (counts - 1)).sum(1) / (raters - 1)
    value = float(_alpha(within.sum(keepdims=True), counts.sum(0)[None])[0])
    if math.isnan(value):
        return None, None
    if len(counts) < 2 or not resamples:
        return value, None
    drawn = [
        _alpha(within[index].sum(1), counts[index].sum(1))
        for index in draws(len(counts), resamples, seed, counts.shape[1])
    ]
    low, high = percentiles(np.concatenate(drawn), confidence)
    return value, (float(low), float(high))


def percent_agreement(labels: Any) -> float | None:
    """Share of pairs of raters that agree, an asset counting once whatever the number of its raters; None without a pair.

    High where nearly everything has one label, whatever the raters see: read it beside alpha.
    """
    counts = _counts(labels)
    if not len(counts):
        return None
    raters = counts.sum(1)
    return float(((counts * (counts - 1)).sum(1) / (raters * (raters - 1))).mean())


def self_agreement(first: Any, again: Any) -> tuple[float | None, int]:
    """Share of assets that one rater labels the same way twice, and how many there are; None without any.

    Args:
        first: the rater's labels of some assets.
        again: of the same assets later; None or NaN is missing in either.
    """
    one, two = np.asarray(first, dtype=object), np.asarray(again, dtype=object)
    both = ~(pd.isna(one) | pd.isna(two))
    n = int(both.sum())
    return (float((one[both] == two[both]).mean()) if n else None), n
