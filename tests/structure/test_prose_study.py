"""Figures in README's prose on the held-out study are those of its stored tables; see ``test_prose``."""

import json

import pandas as pd
import pytest

from tests.structure.test_prose import ROOT, said, short

TABLES = ROOT / "reports/embedded/tables"
WORDED = "view words"


def signed(x: float) -> str:
    """As prose writes it: −.029; what rounds to nothing has no sign."""
    return ("−" if round(x, 3) < 0 else "") + short(x, 3)


@pytest.fixture(scope="module")
def primary() -> pd.DataFrame:
    found = pd.read_csv(TABLES / "primary.csv")
    return found[found["outcome"] == "Janus rate"].set_index(
        ["prompts_with", "difference_of", "column"]
    )


def test_entropy_and_the_janus_rate(primary):
    means = pd.read_csv(TABLES / "collapse.csv").set_index(["arms", "method", "column"])["value"]
    told = []
    for x in ("0.5", "1"):
        row = primary.loc[WORDED, f"ESD (λ = {x}) − ESD (λ = 0)", "Difference"]
        mean = means["1. Primary, view words", f"ESD (λ = {x})", "Janus rate"]
        span = f"{signed(row['value'])} [{signed(row['low'])}, {signed(row['high'])}]"
        told.append((short(mean, 3), span))
    none = short(means["1. Primary, view words", "ESD (λ = 0)", "Janus rate"], 3)
    (a, first), (b, second) = told
    seen = primary.loc[WORDED].xs("MDE", level="column")["value"].max()
    said(
        "README.md",
        f"{none} at λ = 0, {a} at λ = .5 (difference {first}) and {b} at λ = 1 ({second});",
        f"four of five such studies would see a difference of {short(seen, 3)}.",
    )


def test_what_is_made(primary):
    arms = json.loads((ROOT / "reports/embedded/arms.json").read_text())["arms"]
    made = pd.read_csv(TABLES / "collapse.csv")[["arms", "method"]].drop_duplicates()
    said(
        "README.md",
        f"{len(arms)} arms, 48 prompts, three seeds, of which {len(made)} arms are made.",
    )
    plain = primary.loc["no view words"].xs("Difference", level="column")
    assert plain["value"].isna().all(), "the verdict no longer waits for them"


def test_metrics():
    found = pd.read_csv(TABLES / "metrics.csv")
    found = found[
        (found["column"] == "AUC, Janus") & found["views"].isin(["sphere:120", "ring:15:36"])
    ]
    rows = found.set_index("metric")

    def area(name: str) -> str:
        row = rows.loc[name]
        return f"{short(row['value'], 2)} [{short(row['low'], 2)}, {short(row['high'], 2)}]"

    published = ["CLIP distance", "FID", "IQ", "IV", "IG"]
    assert "would have told" not in set(rows.loc[published, "it"])
    assert {*rows.index[rows["it"] == "would have told"]} == {"MI", "self_similarity"}
    assert rows.loc["FID", "it"] == "would have misled"
    said(
        "README.md",
        f"(AUC {area('MI')}), and so does self-similarity ({area('self_similarity')}), while FID prefers those that have one ({area('FID')}).",
    )
