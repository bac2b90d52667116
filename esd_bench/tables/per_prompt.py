"""Table 3 of arXiv 2401.00909: every metric of each prompt by each method."""

import pandas as pd

from esd_bench.tables import Body, Cell, Table
from esd_bench.tables._cells import (
    QUALITY,
    RATES,
    Arm,
    column,
    footnotes,
    methods,
    natural,
    present,
    shown,
)


def per_prompt(texts: bool = False) -> Table:
    """Table 3: a row for each prompt and method, means over seeds.

    Args:
        texts: print the prompts' texts instead of their ids. The texts of an imported suite may not be yours to publish.
    """

    def build(frame: pd.DataFrame) -> Body:
        scores = [*shown(frame), *present(frame, RATES)]
        order = methods(frame)
        rows = []
        for prompt in sorted(frame["prompt"].unique(), key=natural):
            own = frame[frame["prompt"] == prompt]
            name = str(own["text"].iloc[0]) if texts else prompt
            for label in (x for x in order if x in set(own["label"])):
                arm = Arm(own[own["label"] == label])
                rows.append(((name, label, arm.failed), tuple(_cell(arm, x) for x in scores)))
        columns = tuple(column(frame, score) for score in scores)
        index = ("Prompt", "Method", "Failed")
        return Body(TITLE, index, columns, tuple(rows), tuple(footnotes(frame)), groups=1)

    return Table(3, build, (*QUALITY, *RATES))


TITLE = "Every prompt by every method; means over seeds."


def _cell(arm: Arm, score: str) -> Cell:
    """The mean over seeds; a prompt without the score needs no flag, its dash says it."""
    cell = arm.cell(score)
    seeds = int((arm.rows["score"] == score).sum())
    return Cell(cell.value, n=seeds)
