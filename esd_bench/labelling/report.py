"""The tallies as tables, in the formats that every other table has."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from esd_bench import stats
from esd_bench.labelling import agreement, preferences
from esd_bench.labelling.criteria import CRITERIA, NAMES, SIDES
from esd_bench.labelling.study import Study
from esd_bench.labelling.tallies import (
    RULES,
    Missing,
    Rate,
    compare,
    counted,
    seeds,
    success,
)
from esd_bench.tables import Body, Cell, Column, labels

RULE = {"majority": "majority of raters", "min": "all raters", "any": "any rater"}
LEFT = {
    "exclude": "A prompt counts for a method in SR and all seeds if every seed that any method has of it is decided.",
    "fail": "A seed that is missing or undecided counts as failed.",
}


def tally(
    given: pd.DataFrame,
    study: Study,
    missing: Missing = "exclude",
    gold: Mapping[str, Mapping[str, str]] | None = None,
    left_out: Sequence[str] = (),
) -> list[Body]:
    """Every table of the study's mode; ``left_out`` are raters whose answers are not among the given ones.

    Raises:
        ValueError: when nothing is finished yet.
    """
    if counted(given).empty:
        raise ValueError(f"no item in {study.root} is finished yet")
    if study.mode == "pairs":
        return [_preferred(given, study), _agreed(given, study), _raters(given, {}, left_out)]
    rates, pairs = _rates(given, study, missing), _compared(given, study, missing)
    return [rates, *pairs, _agreed(given, study), _raters(given, gold or {}, left_out)]


def _percent(rate: Rate) -> Cell:
    if rate.share is None:
        return Cell(None)
    low, high = rate.interval or (float("nan"), float("nan"))
    return Cell(100 * rate.share, None, (100 * low, 100 * high), rate.n)


def _rates(given: pd.DataFrame, study: Study, missing: Missing) -> Body:
    rows = []
    for rule in RULES:
        decided = seeds(given, study, rule)
        for label in labels(study.arms):
            found = success(decided, label, missing)
            rates = (found.success, found.one, found.all, *found.criteria.values())
            index = (RULE[rule], label, str(found.success.n), str(found.left_out))
            rows.append((index, tuple(map(_percent, rates))))
    names = ("SR", "pass@1", "all seeds", *(x.title for x in CRITERIA))
    columns = tuple(Column(name, "%", "higher", 1) for name in names)
    title = "Success as humans see it, with 95 % Wilson intervals over prompts"
    index = ("Rule", "Method", "Prompts", "Left out")
    return Body(title, index, columns, tuple(rows), tuple(_how(study, missing)), groups=1)


def _how(study: Study, missing: Missing) -> list[str]:
    counts = sorted(set(study.arms.groupby("prompt")["seed"].nunique()))
    lost = int((study.arms["status"] != "finished").sum())
    return [
        "SR: prompts of which at least one seed passes all three criteria; all seeds: of which every one does; "
        "pass@1 and the criteria: share of seeds, averaged over prompts.",
        f"Seeds a prompt: {', '.join(map(str, counts))}. {LEFT[missing]}",
        *(["Prompts differ in their number of seeds, on which SR depends."] if counts[1:] else []),
        *([f"Failed runs count as failed seeds: {lost}."] if lost else []),
        "Ties wait for an adjudicator, whose word holds under the majority's rule.",
    ]


def _compared(given: pd.DataFrame, study: Study, missing: Missing) -> list[Body]:
    rows = [
        (
            (x.first, x.second),
            tuple(map(_number, (x.n, x.only_first, x.only_second, x.p, x.adjusted))),
        )
        for x in compare(seeds(given, study), labels(study.arms), missing)
    ]
    names = (("Prompts", 0), ("only first", 0), ("only second", 0), ("p", 4), ("p, Holm", 4))
    columns = tuple(Column(name, digits=digits, mark=False) for name, digits in names)
    title = "SR of two methods on the same prompts: exact McNemar"
    return [Body(title, ("First", "Second"), columns, tuple(rows))] if rows else []


def _number(value: float | None, n: int = 0) -> Cell:
    return Cell(None if value is None else float(value), n=n)


def _scaled(share: float | None, n: int) -> Cell:
    return Cell(None if share is None else 100 * share, n=n)


def _agreed(given: pd.DataFrame, study: Study) -> Body:
    codes = {"first": 1.0, "second": 2.0, "same": 3.0} if study.mode == "pairs" else agreement.CODES
    rows: list[Any] = []
    for criterion in CRITERIA:
        values = agreement.matrix(given, criterion.name, codes)
        share, pairs = stats.percent_agreement(values), agreement.pairs(values)
        own, twice = agreement.with_oneself(given, criterion.name)
        found, ends = stats.krippendorff_alpha(values)
        cells = (_scaled(share, pairs), _number(pairs), Cell(found, None, ends, pairs))
        rows.append(((criterion.title,), (*cells, _scaled(own, twice), _number(twice))))
    columns = (
        Column("Agreement", "%", digits=1, mark=False),
        Column("pairs of votes", digits=0, mark=False),
        Column("Krippendorff's alpha", digits=3, mark=False),
        Column("Self-agreement", "%", digits=1, mark=False),
        Column("shown twice", digits=0, mark=False),
    )
    note = 'Agreement and alpha leave out "can\'t tell"; self-agreement takes it for an answer.'
    return Body("Agreement of raters", ("Criterion",), columns, tuple(rows), (note,))


def _raters(
    given: pd.DataFrame, gold: Mapping[str, Mapping[str, str]], left_out: Sequence[str]
) -> Body:
    own, known = counted(given), agreement.against_gold(given, gold)
    rows = []
    for name, votes in own.groupby("rater"):
        right, asked = known.get(str(name), (None, 0))
        unsure = float((votes["value"] == "unsure").mean())
        cells = (_number(votes["item"].nunique()), _scaled(unsure, len(votes)))
        rows.append(((str(name),), (*cells, _scaled(right, asked), _number(asked))))
    columns = (
        Column("Items", digits=0, mark=False),
        Column("Can't tell", "%", digits=1, mark=False),
        Column("Known answers given", "%", digits=1, mark=False),
        Column("known", digits=0, mark=False),
    )
    notes = (f"Left out of all tables: {', '.join(left_out)}.",) if left_out else ()
    return Body("Raters", ("Rater",), columns, tuple(rows), notes)


def _preferred(given: pd.DataFrame, study: Study) -> Body:
    rows: list[Any] = []
    for criterion in CRITERIA:
        for x in preferences.preferences(given, study, criterion.name):
            of = x.wins + x.losses
            low, high = x.interval or (0.0, 1.0)
            share = Cell(100 * x.wins / of, None, (100 * low, 100 * high), of) if of else Cell(None)
            counts = tuple(map(_number, (x.wins, x.losses, x.ties)))
            rows.append(((criterion.title, x.first, x.second), (*counts, share)))
    names = ("first better", "second better", SIDES["same"].lower())
    columns = (
        *(Column(name, digits=0, mark=False) for name in names),
        Column("first of decided", "%", digits=1, mark=False),
    )
    title = "Preferences of raters, by majority over the raters of a pair; 95 % Wilson intervals"
    notes = [*_strong(given, study), *_dependent(study)]
    return Body(title, ("Criterion", "First", "Second"), columns, tuple(rows), tuple(notes))


def _dependent(study: Study) -> list[str]:
    """What intervals over pairs of assets do not know."""
    several = study.arms.groupby("prompt")["seed"].nunique().max() > 1
    return ["Seeds of one prompt are alike, so the intervals are too short."] if several else []


def _strong(given: pd.DataFrame, study: Study) -> list[str]:
    """Bradley-Terry strengths, a line a criterion, where they can be had."""
    lines = []
    for criterion, name in zip(CRITERIA, NAMES, strict=True):
        found = preferences.outcomes(given, study, name)
        known = [x for x in labels(study.arms) if x in {*found["first"], *found["second"]}]
        values = preferences.strengths(preferences.wins(found, known)) if known else None
        if values:
            told = ", ".join(f"{x} {y:.3f}" for x, y in zip(known, values, strict=True))
            lines.append(f"Bradley-Terry log strengths, {criterion.title}: {told}.")
    return lines
