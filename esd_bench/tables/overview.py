"""Table 1 of arXiv 2401.00909: the means of every metric, a row a method."""

import pandas as pd

from esd_bench.tables import Body, Table
from esd_bench.tables._cells import QUALITY, RATES, by_method

MEANS = "Means over prompts; a prompt's number is the mean over its seeds."


def overview() -> Table:
    """Table 1: means over prompts, a row a method."""

    def build(frame: pd.DataFrame) -> Body:
        return by_method(frame, MEANS, detail=False)

    return Table(1, build, (*QUALITY, *RATES))
