"""The paper's own Tables 1 to 3 (arXiv 2401.00909) as data, and the arithmetic that its numbers must obey.

Flags: ``ok``; ``rounding`` differs, within the rounding of its inputs; ``truncation`` cut off instead of rounded;
``inconsistent`` can't follow from its own row whatever the rounding. The files record them; :func:`recomputed` finds them again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from math import ceil, floor
from pathlib import Path

import pandas as pd

from esd_bench.tables import Body, Cell, Column

TABLES = (1, 2, 3)
PROMPTS = 120
"""How many the paper used; the public list it names has 110."""


# ---- arithmetic ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Printed:
    """A number as printed: ``value`` to so many ``decimals``."""

    value: float
    decimals: int

    @classmethod
    def of(cls, text: str) -> "Printed":
        """From its digits, trailing zeros included."""
        return cls(float(text), len(text.partition(".")[2]))

    @property
    def unit(self) -> float:
        """One in the last place."""
        return 10.0**-self.decimals

    @property
    def range(self) -> tuple[float, float]:
        """What rounds to it."""
        return self.value - self.unit / 2, self.value + self.unit / 2


Range = tuple[float, float]


def gain_range(iq: Printed, iv: Printed) -> Range:
    """What (IV - IQ) / IQ can be, given that both are rounded."""
    return iv.range[0] / iq.range[1] - 1, iv.range[1] / iq.range[0] - 1


def judge(printed: Printed, ratio: Range, wide: Range) -> str:
    """The flag of a printed gain.

    Args:
        printed: the gain.
        ratio: (IV - IQ) / IQ of the printed IQ and IV; a range where it is known to some decimals only.
        wide: the same with the rounding of IQ and IV allowed for.
    """
    cut = (printed.value, printed.value + printed.unit)
    if _meet(ratio, printed.range):
        return "ok"
    if _meet(ratio, cut):
        return "truncation"
    if _meet(wide, printed.range):
        return "rounding"
    return "truncation" if _meet(wide, cut) else "inconsistent"


def _meet(a: Range, b: Range) -> bool:
    # Half-open above, with slack for binary fractions.
    return a[0] < b[1] - 1e-9 and b[0] <= a[1] + 1e-9


def covariance(iq: Printed, iv: Printed, ig: Printed) -> Range:
    """What Cov(IQ, IG) over assets must be if IG is their mean gain: IQ_i IG_i = IV_i - IQ_i for every asset."""
    ends = [(v - q) - q * g for q in iq.range for v in iv.range for g in ig.range]
    return min(ends), max(ends)


def feasible(needed: Range, sd_iq: Printed, sd_ig: Printed) -> bool:
    """Whether standard deviations allow a covariance (Cauchy and Schwarz); the same for n and for n - 1."""
    least = 0.0 if needed[0] <= 0 <= needed[1] else min(abs(x) for x in needed)
    return least <= sd_iq.range[1] * sd_ig.range[1]


def count(percent: Printed, n: int) -> int | None:
    """The whole number behind a percentage of ``n``, or None where there is none."""
    low, high = (x * n / 100 for x in percent.range)
    return ceil(low - 1e-9) if ceil(low - 1e-9) <= floor(high + 1e-9) else None


def denominators(percents: Sequence[Printed], among: Iterable[int]) -> list[int]:
    """The sample sizes for which every percentage is a whole number of cases."""
    return [n for n in among if all(count(percent, n) is not None for percent in percents)]


# ---- data ----------------------------------------------------------------------------------------------------------


def folder() -> Path:
    """Where the tables lie: inside the wheel, or in the checkout."""
    packaged = Path(str(resources.files("esd_bench"))) / "_data" / "published"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "reports" / "published"


def load(table: int) -> pd.DataFrame:
    """One table, a row a number, as strings with every digit that the paper prints; "" is not recorded.

    Raises:
        ValueError: for a table that the paper does not have.
    """
    if table not in TABLES:
        raise ValueError(f"the paper has tables {', '.join(map(str, TABLES))}, not {table}")
    return pd.read_csv(
        folder() / f"table{table}.csv", comment="#", dtype=str, keep_default_na=False
    )


def recomputed(table: int) -> pd.DataFrame:
    """The table with ``flag`` found anew where its numbers allow, "" elsewhere, and ``why`` for all that are not ok."""
    frame = load(table)
    verdicts = []
    for row in frame.itertuples():
        same = frame[(frame["prompt"] == row.prompt) & (frame["method"] == row.method)]
        verdicts.append(_verdict(str(row.score), same.set_index("score")))
    return frame.assign(flag=[v[0] for v in verdicts], why=[v[1] for v in verdicts])


def _verdict(score: str, row: pd.DataFrame) -> tuple[str, str]:
    printed = {str(name): Printed.of(text) for name, text in row["printed"].items() if text}
    if score == "success_rate":
        whole = count(printed[score], PROMPTS)
        return ("ok", "") if whole is not None else ("inconsistent", f"no share of {PROMPTS}")
    if score != "ig":
        return "", ""
    if "ratio" in row.index:
        return _gain(printed, row)
    return _mean_gain(printed, row)


def _gain(printed: dict[str, Printed], row: pd.DataFrame) -> tuple[str, str]:
    """One asset: its IG must be (IV - IQ) / IQ."""
    ratio = printed["ratio"]
    near = wide = ratio.range
    if "iq" in printed and "iv" in printed and row["origin"]["iv"] == "printed":
        exact = printed["iv"].value / printed["iq"].value - 1
        near, wide = (exact, exact), gain_range(printed["iq"], printed["iv"])
    elif row["low"]["ratio"]:
        wide = (float(row["low"]["ratio"]), float(row["high"]["ratio"]))
    flag = judge(printed["ig"], near, wide)
    why = f"{flag}: its row gives (IV − IQ)/IQ = {ratio.value:.4f}"
    return flag, "" if flag == "ok" else why


def _mean_gain(printed: dict[str, Printed], row: pd.DataFrame) -> tuple[str, str]:
    """A mean of gains: some covariance of IQ and IG must explain it."""
    spreads = _spreads(row)
    if not {"iq", "ig"} <= set(spreads):
        return "", ""
    needed = covariance(printed["iq"], printed["iv"], printed["ig"])
    if feasible(needed, spreads["iq"], spreads["ig"]):
        return "ok", ""
    least, most = min(map(abs, needed)), spreads["iq"].range[1] * spreads["ig"].range[1]
    return "inconsistent", (
        f"inconsistent: as a mean of gains it needs Cov(IQ, IG) of at least {least:.4f}, "
        f"but the standard deviations allow {most:.4f}"
    )


def _spreads(row: pd.DataFrame) -> dict[str, Printed]:
    """Standard deviations of a row's scores; Table 1 prints none, so they come from Table 2."""
    if not any(row["sd"]):
        second = load(2)
        row = second[second["method"] == row["method"].iloc[0]].set_index("score")
    return {str(name): Printed.of(text) for name, text in row["sd"].items() if text}


# ---- as a table ----------------------------------------------------------------------------------------------------

COLUMNS = {
    "clip_distance": Column("CLIP distance", better="lower"),
    "fid": Column("FID", better="lower", digits=1),
    "iq": Column("IQ", "nats", "lower"),
    "iv": Column("IV", "nats", "higher"),
    "ig": Column("IG", better="higher"),
    "success_rate": Column("SR", "%", "higher", 2),
}
METHODS = {
    "sds": "SDS",
    "vsd": "VSD",
    "debiased_sds": "Debiased-SDS",
    "perp_neg": "Perp-Neg",
    "esd": "ESD (λ = 0.5)",
}
TITLES = {
    1: "Table 1 of arXiv 2401.00909 as printed: means over 120 prompts.",
    2: "Table 2 of arXiv 2401.00909 as printed: means ± deviations over 120 prompts.",
    3: "Table 3 of arXiv 2401.00909 as printed: four prompts by five methods.",
}
CAVEAT = (
    "CLIP checkpoint, classifier, FID variant, number of views and reference pictures are not published, so these numbers can "
    "be compared with no others. – is printed in the paper but not recorded here."
)


def body(table: int) -> Body:
    """One of the paper's tables, its doubtful cells flagged.

    Raises:
        ValueError: for a table that the paper does not have.
    """
    frame = recomputed(table)
    scores = [score for score in COLUMNS if score in set(frame["score"])]
    index = ("Prompt", "Method") if table == 3 else ("Method",)
    rows = [
        (
            tuple(x for x in (str(prompt), METHODS[str(method)]) if x),
            tuple(_cell(group.set_index("score"), score) for score in scores),
        )
        for (prompt, method), group in frame.groupby(["prompt", "method"], sort=False)
    ]
    columns = tuple(_column(frame[frame["score"] == score], COLUMNS[score]) for score in scores)
    return Body(TITLES[table], index, columns, tuple(rows), (CAVEAT,), groups=len(index) - 1)


def _column(cells: pd.DataFrame, column: Column) -> Column:
    """The column with as many digits as the paper prints; no best cell is marked where not all are recorded."""
    texts = [text for text in cells["sd"] if text] or [text for text in cells["printed"] if text]
    digits = max((Printed.of(text).decimals for text in texts), default=column.digits)
    return replace(column, digits=digits, mark=all(cells["printed"]))


def _cell(row: pd.DataFrame, score: str) -> Cell:
    text, sd = row["printed"][score], row["sd"][score]
    derived = (
        "not printed: derived from the printed numbers" if row["origin"][score] == "derived" else ""
    )
    return Cell(
        float(text) if text else None,
        spread=float(sd) if sd else None,
        n=PROMPTS if "success_rate" in row.index or sd else 1,
        flag=row["why"][score] or derived,
    )
