"""Tables and figure of the study out of its stored numbers: ``python reports/entropy/table.py sides|arms|along|figure``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from esd_bench.stats import bootstrap_interval, paired

HERE = Path(__file__).parent
FRONT = 3
"""Bins of 15 degrees on each side of the front that count as front, as the front share has it."""
SHOWN = ("janus_rate", "consistency", "front_share", "iv", "ig")
NAMES = {
    "janus_rate": "Janus rate",
    "consistency": "R",
    "front_share": "Front share",
    "iv": "IV",
    "ig": "IG",
}
PRIORS = {
    "biased": "embedded-biased",
    "mild": "embedded",
    "even": "all sides alike",
}


def sides() -> pd.DataFrame:
    """(prior, guidance) -> the shares of 24 bins of azimuth among a prior's samples, bin 0 the front."""
    counts = pd.read_csv(HERE / "sides.csv", index_col=["prior", "guidance"])
    return counts.div(counts.sum(axis=1), axis=0)


def front(shares: np.ndarray) -> float:
    """Share of the bins that count as front."""
    return float(shares[: FRONT + 1].sum() + shares[-FRONT:].sum())


def optimum(shares: np.ndarray, entropy: float) -> float:
    """Front share of the distribution over azimuths that minimises -E log p - lambda H: proportional to p^(1 / lambda).

    Bins without a sample count as half of one.
    """
    if entropy == 0:
        return 1.0
    tempered = np.maximum(shares, 0.5 / 1152) ** (1 / entropy)
    return front(tempered / tempered.sum())


def arms() -> pd.DataFrame:
    """A row for each run: what its arm's name says, and its scores."""
    frames = []
    for path in sorted((HERE / "scores").glob("*.csv")):
        prior, student, entropy, scale, *note = path.stem.split("-")
        wide = pd.read_csv(path).pivot_table("value", "prompt", "score").reset_index()
        facts = {
            "arm": path.stem,
            "prior": prior,
            "student": student,
            "entropy": float(entropy.removeprefix("lambda")),
            "guidance": float(scale.removeprefix("cfg")),
            "note": " ".join(note),
        }
        frames.append(wide.assign(**facts))
    return pd.concat(frames)


def ordered(found: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame | None]]:
    """The runs of each arm, and those of the same setting with lambda 0, if they were made."""
    by = ["prior", "student", "guidance", "note"]
    for _, group in found.groupby(by, sort=True):
        none = group[group["entropy"] == 0]
        for entropy, runs in group.groupby("entropy"):
            yield runs, None if entropy == 0 or none.empty else none


def sides_table() -> str:
    """How often the priors show the front, and what the entropy's optimum would show."""
    lambdas = (0.5, 1, 4, 16)
    lines = [
        "| prior | guidance | front, sampled | "
        + " | ".join(f"optimum, λ = {x:g}" for x in lambdas)
        + " |",
        "|---" * (3 + len(lambdas)) + "|",
    ]
    for (prior, scale), row in sides().iterrows():
        shares = row.to_numpy(float)
        cells = " | ".join(f"{optimum(shares, x):.2f}" for x in lambdas)
        lines.append(f"| {PRIORS[prior]} | {scale:g} | {front(shares):.2f} | {cells} |")
    return "\n".join(lines)


def arms_table() -> str:
    """Means over prompts, and the paired differences from lambda 0 with 95 % bootstrap intervals."""
    lines = [
        "| prior | student | guidance | λ | prompts | "
        + " | ".join(NAMES.values())
        + " | right (%) | Janus rate − that at λ = 0 | R − that at λ = 0 |",
        "|---" * (8 + len(SHOWN)) + "|",
    ]
    for runs, none in ordered(arms()):
        one = runs.iloc[0]
        means = " | ".join(f"{runs[x].mean():.3f}" for x in SHOWN)
        gaps = " | ".join(_gap(runs, none, x) for x in ("janus_rate", "consistency"))
        student = f"{one['student']} {one['note']}".strip()
        lines.append(
            f"| {PRIORS[one['prior']]} | {student} | {one['guidance']:g} | {one['entropy']:g} | {len(runs)} | {means} | "
            f"{100 * runs['success'].mean():.0f} | {gaps} |"
        )
    return "\n".join(lines)


def _gap(runs: pd.DataFrame, none: pd.DataFrame | None, score: str) -> str:
    if none is None:
        return "–"
    both = (x.set_index("prompt")[score] for x in (runs, none))
    found = paired(*both)
    low, high = found.interval or (float("nan"),) * 2
    return f"{found.difference:.3f} [{low:.3f}, {high:.3f}]"


def along_table() -> str:
    """What entropy is left along the run, and what the oracle sees."""
    names = (
        "biased-exact-lambda1-cfg7.5",
        "biased-exact-lambda64-cfg7.5",
        "even-exact-lambda64-cfg7.5",
    )
    steps = (60, 120, 240, 480, 1200)
    lines = [
        "| arm | | " + " | ".join(f"step {x}" for x in steps) + " |",
        "|---" * (2 + len(steps)) + "|",
    ]
    what = {
        "entropy": "entropy (nats)",
        "share": "term / residual",
        "front_share": "front share",
        "consistency": "R",
    }
    for name in names:
        rows = pd.read_csv(HERE / "along" / f"{name}.csv", index_col="step")
        prior, student, entropy, _ = name.split("-")
        arm = f"{PRIORS[prior]}, {student}, λ = {entropy.removeprefix('lambda')}"
        for key, label in what.items():
            cells = " | ".join(f"{rows.loc[x, key]:.3f}" for x in steps)
            lines.append(f"| {arm} | {label} | {cells} |")
    return "\n".join(lines)


def figure() -> None:
    """Front share and R over lambda beside the optimum, and the entropy along the run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    made, (left, middle, right) = pyplot.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    found, shares = arms(), sides()
    found = found[(found["guidance"] == 7.5) & (found["note"] == "")]
    grid = np.geomspace(0.5, 64, 60)
    for colour, prior in (("tab:red", "biased"), ("tab:blue", "even")):
        p = shares.loc[(prior, 7.5)].to_numpy(float)
        best = [optimum(p, x) for x in grid]
        left.plot(grid, best, "--", color=colour, linewidth=1, label=f"optimum, {PRIORS[prior]}")
        for style, student in (("o-", "lora"), ("s:", "exact")):
            group = found[(found["prior"] == prior) & (found["student"] == student)]
            for axis, score in ((left, "front_share"), (middle, "consistency")):
                _curve(axis, group, score, style, colour, f"{student}, {PRIORS[prior]}")
    left.axhline(7 / 24, color="grey", linewidth=0.6)
    for axis, label in ((left, "share of views seen as front"), (middle, "R")):
        axis.set_xscale("symlog", linthresh=0.5, base=2)
        axis.set(xlabel="λ", ylabel=label, ylim=(0, 1.19))
        axis.set_xticks([0, 1, 4, 16, 64], ["0", "1", "4", "16", "64"])
        axis.legend(*_named(axis, optima=axis is left), fontsize=7, loc="upper left")
    for colour, name, label in (
        ("tab:red", "biased-exact-lambda1-cfg7.5", "λ = 1"),
        ("tab:purple", "biased-exact-lambda64-cfg7.5", "λ = 64"),
    ):
        rows = pd.read_csv(HERE / "along" / f"{name}.csv")
        right.plot(rows["step"], rows["entropy"], color=colour, label=f"entropy (nats), {label}")
        right.plot(
            rows["step"], rows["front_share"], "--", color=colour, label=f"front share, {label}"
        )
    right.set(xlabel="step", title="embedded-biased, exact", ylim=(0, None))
    right.legend(fontsize=7)
    made.savefig(HERE / "entropy.png", dpi=110, metadata={"Software": None})


def _named(axis, optima: bool) -> tuple[list, list]:
    """Handles and labels: the left panel names the optima, the middle one the arms of both."""
    named = zip(*axis.get_legend_handles_labels(), strict=True)
    chosen = [(x, label) for x, label in named if label.startswith("optimum") == optima]
    return [x for x, _ in chosen], [label for _, label in chosen]


def _curve(axis, group: pd.DataFrame, score: str, style: str, colour: str, label: str) -> None:
    rows = [
        (x, g[score].mean(), *bootstrap_interval(g[score])) for x, g in group.groupby("entropy")
    ]
    at, mean, low, high = map(np.array, zip(*rows, strict=True))
    axis.errorbar(
        at,
        mean,
        (mean - low, high - mean),
        fmt=style,
        color=colour,
        label=label,
        capsize=2,
        linewidth=1.2,
        markersize=4,
    )


if __name__ == "__main__":
    if sys.argv[1] == "figure":
        figure()
    else:
        print({"sides": sides_table, "arms": arms_table, "along": along_table}[sys.argv[1]]())
