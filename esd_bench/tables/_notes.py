"""What stands below the tables: prompts and seeds, runs that failed or are missing, and how they are counted."""

import pandas as pd

RULES = {
    "fail": "A failed run is no success; other means leave it out.",
    "exclude": "All means leave failed runs out, also those of success.",
}


def footnotes(frame: pd.DataFrame, failed: str = "fail") -> list[str]:
    """Prompts and seeds, where runs start from, which runs are missing, which failed and why, and what that means."""
    seeds = sorted({int(seed) for seed in frame["seed"].unique()})
    suites = ", ".join(sorted(frame["suite"].unique()))
    prompts = frame["prompt"].nunique()
    notes = [f"Suite {suites}: {prompts} prompts, {len(seeds)} seed{'s' * (len(seeds) > 1)}."]
    return [*notes, *_uneven(frame), *_starts(frame), *_failures(frame, failed)]


def _uneven(frame: pd.DataFrame) -> list[str]:
    """A warning where not every method was given every prompt and seed."""
    runs = frame.drop_duplicates("run")
    given = {
        str(label): frozenset(zip(x["prompt"], x["seed"], strict=True))
        for label, x in runs.groupby("label", sort=False)
    }
    wanted = frozenset().union(*given.values())
    absent = {label: len(wanted - own) for label, own in given.items()}
    if not any(absent.values()):
        return []
    told = ", ".join(f"{label} {n}" for label, n in absent.items() if n)
    return [
        "Not every method was given the same prompts and seeds.",
        f"Missing of {len(wanted)} runs: {told}; all means leave them out, paired ones the whole prompt.",
    ]


def _starts(frame: pd.DataFrame) -> list[str]:
    warm = frame[frame["start"] != ""].drop_duplicates(["label", "start"])
    return [f"{row.label} starts from a scene made by {row.start}." for row in warm.itertuples()]


def _failures(frame: pd.DataFrame, failed: str) -> list[str]:
    lost = frame[frame["status"] != "finished"].drop_duplicates("run")
    counts = lost.groupby(["label", "note"], sort=False).size().reset_index(name="runs")
    rows = zip(counts["label"], counts["note"], counts["runs"], strict=True)
    told = [f"{label}: {reason or 'no reason'} ({n})" for label, reason, n in rows]
    return [f"Failed runs: {'; '.join(told)}.", RULES[failed]] if told else []
