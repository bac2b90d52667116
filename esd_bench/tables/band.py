"""What no table of the paper shows: the sphere's scores beside those of its views that training supervises."""

import pandas as pd

from esd_bench.tables import Body, Table
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import QUALITY, column, present
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import Failed, Interval, Rules

MEANS = (
    "Whole sphere, and the views of it that training supervises: an underside that nothing was trained on is no Janus. "
    "Means over prompts"
)


def band(interval: Interval = "none", failed: Failed = "fail") -> Table:
    """The paper's metrics on the whole sphere and on its supervised band, a row a method.

    Args:
        interval: which one stands below the means.
        failed: a failed run is left out of all means here; how it counts elsewhere is said below the table.
    """
    rules = Rules(interval, "", failed)

    def build(frame: pd.DataFrame) -> Body:
        study, scores = Study.of(frame, failed), present(frame, QUALITY, parts=True)
        lost = study.failed("label")
        rows = tuple(
            (
                (label, str(study.prompts(label)), lost[(label,)]),
                tuple(study.cell(label, score, False, interval) for score in scores),
            )
            for label in study.labels
        )
        columns = tuple(column(frame, score) for score in scores)
        notes = tuple(footnotes(frame, failed))
        return Body(rules.say(MEANS), ("Method", "Prompts", "Failed"), columns, rows, notes)

    return Table(None, build, QUALITY)
