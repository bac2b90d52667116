"""Table 1 of arXiv 2401.00909: the means of every metric, a row a method."""

import pandas as pd

from esd_bench.tables import Body, Table
from esd_bench.tables._columns import QUALITY, RATES
from esd_bench.tables._methods import by_method
from esd_bench.tables._pairs import Failed, Interval, Rules

MEANS = "Means over prompts; a prompt's number is the mean over its seeds"


def overview(interval: Interval = "none", p_values: str = "", failed: Failed = "fail") -> Table:
    """Table 1: means over prompts, a row a method.

    Args:
        interval: which one stands below the means; that of shares is Wilson's.
        p_values: a method that every other is tested against.
        failed: a failed run is no success, or all means leave it out ("exclude").
    """
    rules = Rules(interval, p_values, failed)

    def build(frame: pd.DataFrame) -> Body:
        return by_method(frame, rules.say(MEANS), rules)

    return Table(1, build, (*QUALITY, *RATES))
