"""How far raters agree with each other, with themselves, and with items whose answers are known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from esd_bench import stats
from esd_bench.labelling.tallies import counted

CODES = {"yes": 1.0, "no": 0.0}
"""Answers that are votes; others are missing values."""


def matrix(
    given: pd.DataFrame, criterion: str, codes: Mapping[str, float] = CODES
) -> Float[np.ndarray, "raters items"]:
    """Votes on one criterion, a row a rater, NaN where a rater said nothing or could not tell."""
    own = counted(given)
    own = own[own["criterion"] == criterion]
    coded = own.assign(value=own["value"].map(codes))
    return coded.pivot_table(index="rater", columns="item", values="value", dropna=False).to_numpy(
        float
    )


def pairs(values: Float[np.ndarray, "raters items"]) -> int:
    """How many pairs of votes there are on the same items."""
    votes = np.isfinite(values).sum(0)
    return int((votes * (votes - 1) // 2).sum())


def with_oneself(given: pd.DataFrame, criterion: str) -> tuple[float | None, int]:
    """Share of items shown twice that got the same answer twice, and how many; "can't tell" is an answer here."""
    own = given[(given["role"] == "rater") & (given["criterion"] == criterion)]
    both = own.pivot_table(
        index=["rater", "item"], columns="again", values="value", aggfunc="first"
    )
    if not {False, True} <= set(both.columns):
        return None, 0
    return stats.self_agreement(both[False], both[True])


def against_gold(
    given: pd.DataFrame, gold: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[float, int]]:
    """For each rater the share of known answers that the rater gave, and of how many; by item and criterion."""
    own = counted(given)
    right = [gold.get(i, {}).get(c) for i, c in zip(own["item"], own["criterion"], strict=True)]
    known = own.assign(right=pd.Series(right, own.index, dtype=object)).dropna(subset="right")
    hits = (known["value"] == known["right"]).groupby(known["rater"])
    return {str(x): (float(y.mean()), len(y)) for x, y in hits}
