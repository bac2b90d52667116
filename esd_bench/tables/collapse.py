"""What no table of the paper shows: how each method collapses, with and without view words in the prompt."""

import pandas as pd

from esd_bench.tables import Body, Table
from esd_bench.tables._cells import Arm, column, footnotes, methods, present

SCORES = ("janus_rate", "consistency", "front_share", "faces", "iq", "iv", "ig", "success")
TITLE = (
    "Collapse as the pose oracle sees it; means over prompts, and for success the 95 % Wilson interval in brackets. "
    "A faceless object has a Janus rate of 0, so read it with R, the front share and the number of faces."
)


def collapse() -> Table:
    """Janus rate, R, front share, faces, IQ, IV, IG and success, a row for each wording and method."""

    def build(frame: pd.DataFrame) -> Body:
        scores = present(frame, SCORES)
        rows = []
        for wording in sorted(frame["wording"].unique(), reverse=True):
            own = frame[frame["wording"] == wording]
            for label in methods(own):
                arm = Arm(own[own["label"] == label])
                name = label.removesuffix(f", {wording}")
                cells = tuple(arm.cell(score, detail=score == "success") for score in scores)
                rows.append(((wording, name, str(arm.prompts), arm.failed), cells))
        columns = tuple(column(frame, score) for score in scores)
        index = ("Prompts with", "Method", "Prompts", "Failed")
        return Body(TITLE, index, columns, tuple(rows), tuple(footnotes(frame)), groups=1)

    return Table(None, build, SCORES)
