"""What no table of the paper shows: differences from one method, prompt by prompt, which unpaired intervals hide."""

from dataclasses import replace

import pandas as pd

from esd_bench.tables import Body, Cell, Table
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import column, present
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import (
    HOW,
    Failed,
    Interval,
    Rules,
    Tested,
    bases,
    compared,
    partners,
)

TITLE = "Differences from {} on the same prompts: means{}.{}"
INTERVALS = ", and 95 % intervals in brackets by {}"
UNCORRECTED = " No interval is corrected for how many there are."
SCORES = ("janus_rate", "consistency", "success", "iq", "iv", "ig")


def paired(
    baseline: str = "",
    interval: Interval = "bootstrap",
    p_values: str = "",
    failed: Failed = "fail",
) -> Table:
    """Mean differences from a method on the same prompts and wording, with 95 % intervals over prompts.

    Args:
        baseline: the method that is subtracted, by name or label; empty is VSD, or the first there is.
        interval: which one.
        p_values: the baseline again, to print p-values as well.
        failed: a failed run is no success, or all means leave it out ("exclude").

    Raises:
        ValueError: when no run, or several arms of one wording, are of that method.
    """
    rules = Rules(interval, p_values, failed)

    def build(frame: pd.DataFrame) -> Body:
        study, scores = Study.of(frame, failed), present(frame, SCORES)
        known, lost = partners(study, p_values or baseline), study.failed("wording", "label")
        if not known:
            alone = " and ".join(bases(study, p_values or baseline).values())
            raise ValueError(
                f"there is nothing to set against {alone}: no other method of its wording"
            )
        tested = Tested.of(study, rules, scores)

        def cell(label: str, score: str) -> Cell:
            made = compared(study, label, known[label], score, interval) if label in known else None
            if made is None:
                return Cell(None)
            return tested.mark(Cell(made.difference, None, made.interval, made.n), label, score)

        rows = [
            (
                (wording, label.removesuffix(f", {wording}"), gone),
                tuple(cell(label, x) for x in scores),
            )
            for wording in sorted(frame["wording"].unique(), reverse=True)
            for label in study.labels
            if (gone := lost.get((wording, label)))
        ]
        columns = tuple(replace(column(frame, score), mark=False) for score in scores)
        index = ("Prompts with", "Method", "Failed")
        title = _title(bases(study, p_values or baseline), interval)
        notes = (*footnotes(frame, failed), *tested.notes)
        return Body(title, index, columns, tuple(rows), notes, 1)

    return Table(None, build, SCORES)


def _title(subtracted: dict[str, str], interval: str) -> str:
    bare = (label.removesuffix(f", {wording}") for wording, label in subtracted.items())
    how = INTERVALS.format(HOW[interval]) if interval in HOW else ""
    return TITLE.format(" or ".join(dict.fromkeys(bare)), how, UNCORRECTED if how else "")
