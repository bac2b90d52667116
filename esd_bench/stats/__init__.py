"""Intervals and tests for a benchmark whose unit of analysis is the prompt.

Seeds are nested in prompts and views in assets, so nearly everything here starts from one number a prompt: the mean over its
seeds. Views are never replicates. Methods see the same prompts, so they are compared by pairs. Pure functions on numbers;
scipy is imported where it is used, so that a table of means needs none of it. What each is for: ``docs/statistics.md``.
"""

from esd_bench.stats.agreement import krippendorff_alpha, percent_agreement, self_agreement
from esd_bench.stats.families import benjamini_hochberg, corrected, holm
from esd_bench.stats.intervals import (
    INTERVALS,
    bootstrap_interval,
    hierarchical_interval,
    hierarchical_intervals,
    interval_of,
    over_seeds,
    t_interval,
)
from esd_bench.stats.pairs import Paired, detectable, paired, sign_flip
from esd_bench.stats.preferences import bradley_terry, bradley_terry_intervals
from esd_bench.stats.ranks import Rank, ranks
from esd_bench.stats.resampling import BLOCK, EXACT, RESAMPLES, SEED, Numbers
from esd_bench.stats.shares import detectable_share, mcnemar, mcnemar_bounds, wilson

__all__ = [
    "BLOCK",
    "EXACT",
    "INTERVALS",
    "RESAMPLES",
    "SEED",
    "Numbers",
    "Paired",
    "Rank",
    "benjamini_hochberg",
    "bootstrap_interval",
    "bradley_terry",
    "bradley_terry_intervals",
    "corrected",
    "detectable",
    "detectable_share",
    "hierarchical_interval",
    "hierarchical_intervals",
    "holm",
    "interval_of",
    "krippendorff_alpha",
    "mcnemar",
    "mcnemar_bounds",
    "over_seeds",
    "paired",
    "percent_agreement",
    "ranks",
    "self_agreement",
    "sign_flip",
    "t_interval",
    "wilson",
]
