"""Tables with a row a method: what Tables 1 and 2 of the paper are."""

import pandas as pd

from esd_bench.tables import Body
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import column, present, shown
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import Rules, Tested


def _gain_of_means(study: Study) -> str:
    """(mean IV - mean IQ) / mean IQ of each method, which the mean of gains is often mistaken for."""
    means = [(study.cell(x, "iq").value, study.cell(x, "iv").value) for x in study.labels]
    ratios = ", ".join(f"{(iv - iq) / iq:.3f}" if iq and iv else "–" for iq, iv in means)
    return f"IG is the mean of the assets' gains; the gain of the mean IQ and IV is, row by row, {ratios}."


def by_method(frame: pd.DataFrame, title: str, rules: Rules, spread: bool = False) -> Body:
    """A row a method; success by humans always has its column, success by the oracle where it was scored."""
    study = Study.of(frame, rules.failed)
    scores = [*shown(frame), "success_rate", *present(frame, ("success",))]
    failed, tested = study.failed("label"), Tested.of(study, rules, scores)
    rows = tuple(
        (
            (label, str(study.prompts(label)), failed[(label,)]),
            tuple(
                tested.mark(study.cell(label, score, spread, rules.interval), label, score)
                for score in scores
            ),
        )
        for label in study.labels
    )
    notes = [_gain_of_means(study)] if {"iq", "iv", "ig"} <= {*scores} else []
    columns = tuple(column(frame, score) for score in scores)
    index = ("Method", "Prompts", "Failed")
    notes += [*footnotes(frame, rules.failed), *tested.notes]
    return Body(title, index, columns, rows, tuple(notes))
