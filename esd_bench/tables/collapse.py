"""What no table of the paper shows: how each method collapses, with and without view words in the prompt."""

import pandas as pd

from esd_bench.tables import Body, Cell, Table
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import column, present
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import HOW, Failed, Interval, Rules, Tested

SCORES = ("janus_rate", "consistency", "front_share", "faces", "iq", "iv", "ig", "success")
TITLE = (
    "Collapse as the pose oracle sees it; means over prompts, and {}for success the 95 % Wilson interval in brackets. "
    "A faceless object has a Janus rate of 0, so read it with R, the front share and the number of faces."
)


def collapse(interval: Interval = "none", p_values: str = "", failed: Failed = "fail") -> Table:
    """Janus rate, R, front share, faces, IQ, IV, IG and success, a row for each wording and method.

    Args:
        interval: which one; that of success is Wilson's, and always there.
        p_values: a method that every other of its wording is tested against.
        failed: a failed run is no success, or all means leave it out ("exclude").
    """
    rules = Rules(interval, p_values, failed)

    def build(frame: pd.DataFrame) -> Body:
        study, scores = Study.of(frame, failed), present(frame, SCORES)
        lost, tested = study.failed("wording", "label"), Tested.of(study, rules, scores)

        def cells(label: str) -> list[Cell]:
            kinds = ["bootstrap" if x == "success" else interval for x in scores]
            made = [study.cell(label, x, False, k) for x, k in zip(scores, kinds, strict=True)]
            return [tested.mark(c, label, x) for c, x in zip(made, scores, strict=True)]

        rows = [
            (
                (wording, label.removesuffix(f", {wording}"), str(study.prompts(label)), gone),
                tuple(cells(label)),
            )
            for wording in sorted(frame["wording"].unique(), reverse=True)
            for label in study.labels
            if (gone := lost.get((wording, label)))
        ]
        columns = tuple(column(frame, score) for score in scores)
        how = f"95 % intervals in brackets by {HOW[interval]}, " if interval in HOW else ""
        notes = (*footnotes(frame, failed), *tested.notes)
        index = ("Prompts with", "Method", "Prompts", "Failed")
        return Body(TITLE.format(how), index, columns, tuple(rows), notes, groups=1)

    return Table(None, build, SCORES)
