"""The paper's own Tables 1 to 3 (arXiv 2401.00909) as data, and what :mod:`esd_bench.lint` finds in them.

The files record a flag for each number (:mod:`esd_bench.lint.arithmetic` says which); :func:`recomputed` finds them again.
"""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pandas as pd

from esd_bench.lint import Entry, Finding, Row, gravest_first, lint
from esd_bench.lint.arithmetic import Printed, Range, count, gain_range
from esd_bench.lint.checks import verdict_of_gain, verdict_of_mean_gain
from esd_bench.tables import Body, Cell, Column

TABLES = (1, 2, 3)
PROMPTS = 120
"""How many the paper used; the public list it names has 110."""
CLAIMED = {"ig": "esd", "fid": "esd"}
"""Its text: ESD "consistently outperforms" the others, "especially" in FID and IG."""


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
    made = {(row.prompt, row.method): row for row in rows(table)}
    keys = zip(frame["prompt"], frame["method"], frame["score"], strict=True)
    verdicts = [_verdict(str(score), made[prompt, method]) for prompt, method, score in keys]
    return frame.assign(flag=[v[0] for v in verdicts], why=[v[1] for v in verdicts])


def _verdict(score: str, row: Row) -> tuple[str, str]:
    if score == "success_rate":
        whole = count(row.entries[score].printed, PROMPTS)
        return ("ok", "") if whole is not None else ("inconsistent", f"no share of {PROMPTS}")
    if score != "ig":
        return "", ""
    return verdict_of_gain(row) if row.asset else verdict_of_mean_gain(row)


def findings(table: int | None = None) -> tuple[list[Finding], int]:
    """What :func:`esd_bench.lint.lint` finds in one table of the paper or in all, and how many rows there are."""
    made = [rows(number) for number in (TABLES if table is None else (table,))]
    return gravest_first(x for own in made for x in lint(own)), sum(map(len, made))


def rows(table: int) -> list[Row]:
    """One table as rows that the linter reads."""
    groups = load(table).groupby(["prompt", "method"], sort=False)
    return [
        _row(table, str(prompt), str(method), own.set_index("score"))
        for (prompt, method), own in groups
    ]


def _row(table: int, prompt: str, method: str, own: pd.DataFrame) -> Row:
    spreads = {} if table == 3 else _spreads(own)
    entries = {
        str(score): Entry(
            Printed.of(text), spreads.get(str(score)), CLAIMED.get(str(score)) == method
        )
        for score, text in own["printed"].items()
        if text and score != "ratio"
    }
    n = 1 if prompt else PROMPTS
    gain = _gain(own, entries) if "ratio" in own.index else None
    return Row(f"Table {table}", method, prompt, n, entries, gain)


def _gain(own: pd.DataFrame, entries: dict[str, Entry]) -> tuple[Range, Range]:
    """(IV - IQ) / IQ of one asset: from its printed IQ and IV, or the recorded ratio."""
    if {"iq", "iv"} <= set(entries) and own["origin"]["iv"] == "printed":
        iq, iv = entries["iq"].printed, entries["iv"].printed
        exact = iv.value / iq.value - 1
        return (exact, exact), gain_range(iq, iv)
    near = Printed.of(own["printed"]["ratio"]).range
    if not own["low"]["ratio"]:
        return near, near
    return near, (float(own["low"]["ratio"]), float(own["high"]["ratio"]))


def _spreads(own: pd.DataFrame) -> dict[str, Printed]:
    """Standard deviations of a row's scores; Table 1 prints none, so they come from Table 2."""
    if not any(own["sd"]):
        second = load(2)
        own = second[second["method"] == own["method"].iloc[0]].set_index("score")
    return {str(name): Printed.of(text) for name, text in own["sd"].items() if text}


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
