"""Table 3 of arXiv 2401.00909: every metric of each prompt by each method."""

import pandas as pd

from esd_bench.tables import Body, Cell, Table, natural
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import QUALITY, RATES, column, present, shown
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import Failed

TITLE = "Every prompt by every method; means over seeds."


def per_prompt(texts: bool = False, failed: Failed = "fail") -> Table:
    """Table 3: a row for each prompt and method, means over seeds.

    Args:
        texts: print the prompts' texts instead of their ids. The texts of an imported suite may not be yours to publish.
        failed: a failed run is no success, or means leave it out ("exclude").
    """

    def build(frame: pd.DataFrame) -> Body:
        study, scores = Study.of(frame, failed), [*shown(frame), *present(frame, RATES)]
        names = frame.drop_duplicates("prompt").set_index("prompt")["text"]
        lost, values = study.failed("prompt", "label"), study.values.to_dict()
        seeds = frame.groupby(["label", "score", "prompt"]).size().to_dict()

        def cell(label: str, score: str, prompt: str) -> Cell:
            value = values.get((label, score, prompt))
            known = None if value is None else value * (100 if score in RATES else 1)
            return Cell(known, n=seeds.get((label, score, prompt), 0))

        rows = [
            (
                (str(names[prompt]) if texts else prompt, label, lost[prompt, label]),
                tuple(cell(label, score, prompt) for score in scores),
            )
            for prompt in sorted(names.index, key=natural)
            for label in study.labels
            if (prompt, label) in lost
        ]
        columns = tuple(column(frame, score) for score in scores)
        index = ("Prompt", "Method", "Failed")
        return Body(TITLE, index, columns, tuple(rows), tuple(footnotes(frame, failed)), groups=1)

    return Table(3, build, (*QUALITY, *RATES))
