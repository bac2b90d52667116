"""Table 2 of arXiv 2401.00909: as Table 1, with standard deviations, and the intervals that the paper lacks."""

import pandas as pd

from esd_bench.tables import Body, Table
from esd_bench.tables._columns import QUALITY, RATES
from esd_bench.tables._methods import by_method
from esd_bench.tables._pairs import Failed, Interval, Rules

MEANS = "Means ± standard deviations over prompts (n − 1)"


def spread(interval: Interval = "bootstrap", p_values: str = "", failed: Failed = "fail") -> Table:
    """Table 2: means, standard deviations and 95 % intervals over prompts, a row a method.

    Args:
        interval: which one; that of shares is Wilson's.
        p_values: a method that every other is tested against.
        failed: a failed run is no success, or all means leave it out ("exclude").
    """
    rules = Rules(interval, p_values, failed)

    def build(frame: pd.DataFrame) -> Body:
        title = f"{rules.say(MEANS)} A prompt's number is the mean over its seeds."
        return by_method(frame, title, rules, spread=True)

    return Table(2, build, (*QUALITY, *RATES))
