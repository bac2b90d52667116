"""Means over a figure's assets by setting, out of its CSV: ``python reports/figures/table.py lambda``."""

import sys
from pathlib import Path

import pandas as pd

NAMES = {
    "janus_rate": "Janus rate",
    "consistency": "R",
    "front_share": "Front share",
    "iq": "IQ",
    "iv": "IV",
    "ig": "IG",
}


def table(name: str) -> str:
    """A Markdown table."""
    rows = pd.read_csv(Path(__file__).with_name(f"{name}.csv"), comment="#")
    groups = rows.groupby("setting", sort=False)
    lines = [
        f"| setting | assets | {' | '.join(NAMES.values())} |",
        "|---" * (2 + len(NAMES)) + "|",
    ]
    for setting, found in groups:
        means = " | ".join(f"{found[x].mean():.3f}" for x in NAMES)
        lines.append(f"| {setting} | {len(found)} | {means} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(sys.argv[1]))
