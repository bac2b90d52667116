"""Table 2 of arXiv 2401.00909: as Table 1, with standard deviations, and the intervals that the paper lacks."""

import pandas as pd

from esd_bench import stats
from esd_bench.tables import Body, Table
from esd_bench.tables._cells import QUALITY, RATES, by_method

TITLE = (
    "Means ± standard deviations over prompts (n − 1), and 95 % intervals of the means in brackets: bootstrap over prompts "
    f"({stats.RESAMPLES} resamples, seed {stats.SEED}); Wilson for shares. A prompt's number is the mean over its seeds."
)


def spread() -> Table:
    """Table 2: means, standard deviations and 95 % intervals over prompts, a row a method."""

    def build(frame: pd.DataFrame) -> Body:
        return by_method(frame, TITLE, detail=True)

    return Table(2, build, (*QUALITY, *RATES))
