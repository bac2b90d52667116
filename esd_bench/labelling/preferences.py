"""Pairs: how often one method is preferred to another, criterion by criterion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from esd_bench import stats
from esd_bench.labelling.study import Study
from esd_bench.labelling.tallies import adjudicated, counted

LEAD = {"first": 1, "second": -1, "same": 0}


@dataclass(frozen=True)
class Preference:
    """Two methods by one criterion; the unit is a pair of assets, decided by the majority of its raters or an adjudicator.

    Attributes:
        wins, losses, ties: pairs of assets in which most prefer the first, the second, or neither.
        interval: 95 % Wilson interval of the first's share of wins and losses; pairs of one prompt are not independent.
    """

    criterion: str
    first: str
    second: str
    wins: int
    losses: int
    ties: int
    interval: tuple[float, float] | None


def outcomes(given: pd.DataFrame, study: Study, criterion: str) -> pd.DataFrame:
    """A row a judged pair of assets: first, second (labels) and ``won``: 1, -1 or 0."""
    labels = dict(zip(study.arms["name"], study.arms["label"], strict=True))
    own = counted(given)
    own = own[(own["criterion"] == criterion) & (own["value"] != "unsure")]
    balance = dict(own["value"].map(LEAD).groupby(own["item"]).sum())
    balance |= {item: LEAD[x] for (item, c), x in adjudicated(given).items() if c == criterion}
    rows = []
    for item, lead in balance.items():
        a, b = study.items[str(item)].assets
        rows.append((labels[a.name], labels[b.name], int(lead > 0) - int(lead < 0)))
    return pd.DataFrame(rows, columns=["first", "second", "won"])


def preferences(given: pd.DataFrame, study: Study, criterion: str) -> list[Preference]:
    """Every two methods that were compared."""
    made = []
    for (a, b), group in outcomes(given, study, criterion).groupby(["first", "second"]):
        wins, losses = int((group["won"] > 0).sum()), int((group["won"] < 0).sum())
        ends = stats.wilson(wins, wins + losses)
        made.append(
            Preference(criterion, str(a), str(b), wins, losses, len(group) - wins - losses, ends)
        )
    return made


def wins(found: pd.DataFrame, labels: Sequence[str]) -> Float[np.ndarray, "m m"]:
    """How often the method of each row beat that of each column; a tie is half a win for either."""
    table, place = np.zeros((len(labels), len(labels))), {x: i for i, x in enumerate(labels)}
    for first, second, won in found[["first", "second", "won"]].to_numpy():
        a, b = place[first], place[second]
        table[a, b] += (1 + won) / 2
        table[b, a] += (1 - won) / 2
    return table


def strengths(table: Float[np.ndarray, "m m"]) -> list[float] | None:
    """Bradley-Terry log strengths; None where a method was never compared."""
    if not (table + table.T).sum(1).all():
        return None
    return [float(x) for x in stats.bradley_terry(table)]
