"""From answers to success rates: majority of raters, prompt by prompt, with the rule for what is missing.

An answer counts when its item was finished, and the first time it was shown. "Can't tell" is no vote. A criterion is
decided by more yes than no or the reverse; a tie waits for an adjudicator, whose word then holds. A seed passes if all
three criteria do, and fails as soon as one fails. A run that failed is a seed that failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from esd_bench import stats
from esd_bench.labelling.criteria import NAMES
from esd_bench.labelling.database import Database
from esd_bench.labelling.order import AGAIN, item_of
from esd_bench.labelling.progress import fold
from esd_bench.labelling.study import Study

Rule: TypeAlias = Literal["majority", "min", "any"]
Missing: TypeAlias = Literal["exclude", "fail"]
RULES: tuple[Rule, ...] = ("majority", "min", "any")
VOTES = ("rater", "role", "item", "again", "criterion", "value", "at")


def votes(database: Database, study: Study) -> pd.DataFrame:
    """A row an answer of a finished slot: :data:`VOTES`; items that the study does not hold are left out."""
    raters, rows = {x.id: x for x in database.raters()}, []
    for number, events in database.everything(study.mode).items():
        rater = raters[number]
        for name, slot in fold(events).items():
            if slot.done is None or item_of(name) not in study.items:
                continue
            who = (f"{rater.source}: {rater.name}" if rater.source else rater.name, rater.role)
            what = (item_of(name), name.endswith(AGAIN))
            rows += [(*who, *what, x, y, slot.done) for x, y in slot.answers.items()]
    return pd.DataFrame(rows, columns=list(VOTES))


def gone(database: Database, study: Study) -> int:
    """How many finished slots are of items that the study does not hold."""
    said = database.everything(study.mode).values()
    slots = [pair for events in said for pair in fold(events).items()]
    return sum(x.done is not None and item_of(name) not in study.items for name, x in slots)


def counted(given: pd.DataFrame) -> pd.DataFrame:
    """The answers that count: of raters, the first time an item was shown to them."""
    return given[(given["role"] == "rater") & ~given["again"].astype(bool)]


def without(given: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The answers without those of some raters, such as who missed items whose answers are known.

    Raises:
        ValueError: when nobody of that name has finished anything.
    """
    raters = given[given["role"] == "rater"]
    known = {str(x).casefold(): str(x) for x in raters["rater"].unique()}
    for name in names:
        if name.casefold() not in known:
            raise ValueError(f"no rater {name!r}; there are {', '.join(known.values()) or 'none'}")
    out = [known[name.casefold()] for name in names]
    return given[~(given["rater"].isin(out) & (given["role"] == "rater"))]


def adjudicated(given: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The adjudicators' last word on an item and criterion."""
    last = given[(given["role"] == "adjudicator") & (given["value"] != "unsure")].sort_values("at")
    return dict(last.groupby(["item", "criterion"])["value"].last())


def decide(answers: Sequence[str], rule: Rule = "majority") -> bool | None:
    """One criterion of one asset by several raters; None where it is undecided.

    Args:
        answers: yes, no or unsure.
        rule: ``majority``; ``min``: all who can tell say yes; ``any``: somebody says yes.

    >>> decide(["yes", "yes", "no"]), decide(["yes", "no"]), decide(["unsure"], "min")
    (True, None, None)
    """
    yes, no = (list(answers).count(word) for word in ("yes", "no"))
    if yes + no == 0:
        return None
    if rule == "min":
        return no == 0
    if rule == "any":
        return yes > 0
    return None if yes == no else yes > no


def seeds(given: pd.DataFrame, study: Study, rule: Rule = "majority") -> pd.DataFrame:
    """The study's runs with a column for each criterion and ``passed``: 1, 0, or NaN where it is undecided."""
    heard = counted(given).groupby(["item", "criterion"])["value"].agg(list)
    settled = {key: decide(list(value), rule) for key, value in heard.items()}
    if rule == "majority":
        settled |= {key: value == "yes" for key, value in adjudicated(given).items()}
    made = study.arms.copy()
    lost = made["status"] != "finished"
    for name in NAMES:
        found = [settled.get((item, name)) for item in made["item"]]
        made[name] = np.array([np.nan if x is None else float(x) for x in found])
        made.loc[lost, name] = 0.0
    return made.assign(passed=_all_hold(made[list(NAMES)]))


def _all_hold(criteria: pd.DataFrame) -> np.ndarray:
    """1 where all are 1, 0 where one is 0, else NaN."""
    failed, open_ = (criteria == 0).any(axis=1), criteria.isna().any(axis=1)
    return np.where(failed, 0.0, np.where(open_, np.nan, 1.0))


@dataclass(frozen=True)
class Rate:
    """A share of prompts with its 95 % Wilson interval; ``share`` is None for no prompt."""

    share: float | None
    interval: tuple[float, float] | None
    n: int

    @classmethod
    def of(cls, values: pd.Series) -> "Rate":
        """The mean of one number in [0, 1] a prompt."""
        known = values.dropna()
        if known.empty:
            return cls(None, None, 0)
        ends = stats.wilson(min(float(known.sum()), float(len(known))), len(known))
        return cls(float(known.mean()), ends, len(known))


@dataclass(frozen=True)
class Success:
    """The rates of one method.

    Attributes:
        success: prompts of which at least one seed passes (the paper's SR).
        one: share of seeds that pass, averaged over prompts (pass@1).
        all: prompts of which all seeds pass.
        criteria: share of seeds by criterion, averaged over prompts.
        left_out: prompts that don't count in ``success`` and ``all``, because a seed is missing or undecided.
    """

    success: Rate
    one: Rate
    all: Rate
    criteria: dict[str, Rate]
    left_out: int


def by_prompt(decided: pd.DataFrame, label: str, missing: Missing = "exclude") -> pd.DataFrame:
    """One method's prompts with the columns ``any``, ``all``, ``one`` and a share for each criterion.

    A prompt's seeds are those that any method has of it. Where this method lacks one of them, or it is undecided,
    ``any`` and ``all`` are NaN; under the rule ``fail`` that seed has failed instead.
    """
    planned = decided.groupby("prompt")["seed"].unique()
    mine = decided[decided["label"] == label].set_index(["prompt", "seed"])
    mine = mine[~mine.index.duplicated()]
    wanted = pd.MultiIndex.from_tuples(
        [(p, s) for p, all_ in planned.items() for s in all_], names=["prompt", "seed"]
    )
    grid = mine[[*NAMES, "passed"]].astype(float).reindex(wanted)
    if missing == "fail":
        grid = grid.fillna(0.0)
    whole = grid["passed"].notna().groupby("prompt").all()
    passed = grid["passed"].groupby("prompt")
    shares = {name: grid[name].groupby("prompt").mean() for name in NAMES}
    any_, all_ = passed.max().where(whole), passed.min().where(whole)
    return pd.DataFrame({"any": any_, "all": all_, "one": passed.mean(), **shares})


def success(decided: pd.DataFrame, label: str, missing: Missing = "exclude") -> Success:
    """The rates of one method from :func:`seeds`."""
    found = by_prompt(decided, label, missing)
    return Success(
        Rate.of(found["any"]),
        Rate.of(found["one"]),
        Rate.of(found["all"]),
        {name: Rate.of(found[name]) for name in NAMES},
        int(found["any"].isna().sum()),
    )


@dataclass(frozen=True)
class Comparison:
    """Two methods on the prompts that count for both.

    Attributes:
        n: those prompts.
        only_first, only_second: on which exactly one of them succeeds.
        p: exact McNemar; ``adjusted`` by Holm over all pairs of the study.
    """

    first: str
    second: str
    n: int
    only_first: int
    only_second: int
    p: float
    adjusted: float


def compare(
    decided: pd.DataFrame, labels: Sequence[str], missing: Missing = "exclude"
) -> list[Comparison]:
    """Every two methods on the same prompts."""
    series = {label: by_prompt(decided, label, missing)["any"] for label in labels}
    rows = []
    for a, b in combinations(labels, 2):
        both = pd.concat([series[a], series[b]], axis=1, keys=["a", "b"]).dropna()
        only_a, only_b = (int((both[x] > both[y]).sum()) for x, y in (("a", "b"), ("b", "a")))
        rows.append((a, b, len(both), only_a, only_b, stats.mcnemar(only_a, only_b)))
    adjusted = stats.holm([row[-1] for row in rows]) if rows else []
    return [Comparison(*row, x) for row, x in zip(rows, adjusted, strict=True)]
