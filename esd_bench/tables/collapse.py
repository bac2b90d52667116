"""What no table of the paper shows: how each method collapses, with and without view words in the prompt."""

import pandas as pd

from esd_bench.tables import Body, Table
from esd_bench.tables._cells import Study, column, footnotes, present

SCORES = ("janus_rate", "consistency", "front_share", "faces", "iq", "iv", "ig", "success")
TITLE = (
    "Collapse as the pose oracle sees it; means over prompts, and for success the 95 % Wilson interval in brackets. "
    "A faceless object has a Janus rate of 0, so read it with R, the front share and the number of faces."
)


def collapse() -> Table:
    """Janus rate, R, front share, faces, IQ, IV, IG and success, a row for each wording and method."""

    def build(frame: pd.DataFrame) -> Body:
        study, scores = Study.of(frame), present(frame, SCORES)
        failed = study.failed("wording", "label")
        rows = [
            (
                (wording, label.removesuffix(f", {wording}"), str(study.prompts(label)), lost),
                tuple(study.cell(label, score, detail=score == "success") for score in scores),
            )
            for wording in sorted(frame["wording"].unique(), reverse=True)
            for label in study.labels
            if (lost := failed.get((wording, label)))
        ]
        columns = tuple(column(frame, score) for score in scores)
        index = ("Prompts with", "Method", "Prompts", "Failed")
        return Body(TITLE, index, columns, tuple(rows), tuple(footnotes(frame)), groups=1)

    return Table(None, build, SCORES)
