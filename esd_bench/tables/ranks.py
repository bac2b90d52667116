"""What no table of the paper shows: ranks that say which methods the prompts can't tell apart."""

import pandas as pd

from esd_bench import stats
from esd_bench.tables import Body, Cell, Column, Table
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import column, present
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import Failed

SCORES = ("janus_rate", "consistency", "success", "clip_distance", "fid", "iq", "iv", "ig")
TITLE = (
    "Ranks among the methods of one wording: one more than the methods that are better beyond doubt, by 95 % intervals of paired "
    f"differences (bootstrap over prompts, {stats.RESAMPLES} resamples, seed {stats.SEED}; not corrected for their number), "
    "so that methods which are not told apart share one. P(1st): how often a method is the best one over the resamples."
)


def ranks(failed: Failed = "fail") -> Table:
    """A rank in every score, which methods that are not told apart share, and the chance to be the best one.

    Args:
        failed: a failed run is no success, or all means leave it out ("exclude").
    """

    def build(frame: pd.DataFrame) -> Body:
        study = Study.of(frame, failed)
        lost = study.failed("wording", "label")
        shown = {x: made for x in present(frame, SCORES) if (made := column(frame, x)).better}
        rows = []
        for wording in sorted(frame["wording"].unique(), reverse=True):
            own = [label for label in study.labels if (wording, label) in lost]
            found = {x: _ranks(study, own, x, made.better == "higher") for x, made in shown.items()}
            for label in own:
                bare = label.removesuffix(f", {wording}")
                cells = (cell for x in shown for cell in _cells(found[x].get(label)))
                rows.append(((wording, bare, lost[wording, label]), tuple(cells)))
        columns = tuple(c for made in shown.values() for c in _columns(made))
        index = ("Prompts with", "Method", "Failed")
        return Body(TITLE, index, columns, tuple(rows), tuple(footnotes(frame, failed)), 1)

    return Table(None, build, SCORES)


def _ranks(study: Study, own: list[str], score: str, higher: bool) -> dict[str, stats.Rank]:
    """Over the prompts that every method with the score has."""
    values = {label: x for label in own if (x := study.of_prompts(label, score)) is not None}
    return stats.ranks(pd.DataFrame(values), higher) if values else {}


def _cells(found: stats.Rank | None) -> tuple[Cell, Cell]:
    if found is None:
        return Cell(None), Cell(None)
    return Cell(found.rank, n=found.n), Cell(found.first, n=found.n)


def _columns(shown: Column) -> tuple[Column, Column]:
    rank = Column(f"{shown.name} rank", better="lower", digits=0, score=shown.score, mark=False)
    return rank, Column(f"{shown.name} P(1st)", digits=2)
