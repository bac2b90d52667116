"""Which scores tell a Janus from a correct asset: AUC and Kendall's tau of each against the truth, from stored scores.

    python -m esd_bench.validation reports/validation/fixtures.csv.gz [--format csv]

The truth of a fixture is its number of fronts, that of any other asset the pose oracle's Janus rate. No torch.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from esd_bench.agreement import auc, tau
from esd_bench.formats import render
from esd_bench.gather import gather
from esd_bench.stats import RESAMPLES, SEED
from esd_bench.tables import Body, Cell, Column

JANUS = 0.2
"""Janus rate from which an asset counts as one, as for the oracle's ``success``."""
ONE = ("faces", "front_peaks", "pose_peaks")
"""Counts of fronts: what is wrong is not to be one."""
ASIDE = ("fronts", "fold", "fid_floor", "iv_jackknife", "kind", "colour", "success")
"""Not judged on any views: truths, what the prompt names, what says nothing of the asset or nothing new."""
FALSE_ALARMS = 0.05
ALARMS = (
    f"Found: figures with several fronts above the score that {FALSE_ALARMS:.0%} of those with one exceed. False: things "
    "without a front above it; one whose score is undefined raises no alarm."
)
PARTS = "A row is of the assets that have its score: rows of different assets can't be set against each other."
TRUTH = (
    "consistency, front_share, faces and pose_peaks come from the oracle that is the truth here."
)
SCORES = (
    "fronts_elsewhere", "front_elsewhere", "right_word", "front_peaks", "pose_peaks",
    "self_similarity", "self_similarity_clip", "opposite", "quarter", "opposite_mirrored", "quarter_mirrored",
    "opposite_clip", "quarter_clip", "opposite_mirrored_clip", "quarter_mirrored_clip",
    "clip_distance", "fid", "kid", "iq", "iv", "ig", "mi", "consistency", "front_share", "faces", "janus_rate",
)  # fmt: skip
"""In the order of the rows; what else an asset has follows."""
INTERVALS = (
    f"in brackets 95 % intervals by bootstrap over prompts ({RESAMPLES} resamples, seed {SEED})"
)
GENERATED = (
    f"Scores against the pose oracle. Janus: a Janus rate of {JANUS} or more. AUC: how often a Janus scores worse than "
    f"another asset (.5 is chance, below it the score prefers the Janus); tau: Kendall's, with the Janus rate; {INTERVALS}."
)
FIXTURES = (
    "Scores against the known number of fronts. AUC: how often a figure with several fronts scores worse than one with one "
    f"front (.5 is chance); tau: Kendall's, with the number of fronts; {INTERVALS.replace('prompts', 'kinds')}."
)


def table(path: Path | str, format: str = "markdown") -> str:
    """The table of a CSV of scores, or of a folder of runs, as text.

    Raises:
        ValueError: in one line, for a broken file, an unknown format, or where no truth is known.
    """
    return render(format, body(gather(path)))


def assets(frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each finished run, a column for each score, turned so that larger is worse.

    Counts of fronts become their distance from one; a score without a good direction stays as it is. ``truth`` is whether
    the asset is a Janus (or NaN: a fixture without any front), ``amount`` its Janus rate or number of fronts.

    Raises:
        ValueError: where neither is known, or runs were not measured alike.
    """
    scored = frame[(frame["status"] == "finished") & (frame["score"] != "")]
    # Fixtures differ in background and size on purpose, and say so in their wording.
    by = ["score", "wording"] if "fronts" in set(scored["score"]) else ["score"]
    ways = scored.groupby(by)["key"].nunique().reset_index()
    mixed = ways.loc[ways["key"] > 1, "score"]
    if len(mixed):
        raise ValueError(
            f"{mixed.iloc[0]} was not measured alike in all runs: score them alike first"
        )
    wide = scored.pivot_table("value", ["run", "prompt", "wording"], "score", dropna=False)
    wide = wide[wide.notna().any(axis=1)].reset_index()
    source = next((x for x in ("fronts", "janus_rate") if x in wide), "")
    if not source:
        raise ValueError("no asset has a janus_rate: score them with the metric janus first")
    amount = wide[source]
    limit = 1.5 if source == "fronts" else JANUS
    truth = (amount >= limit).astype(float).where(amount.notna() & (amount != _none(source)))
    better = dict(zip(scored["score"], scored["better"], strict=True))
    turned = {str(x): _worse(pd.Series(wide[x]), str(x), better[x]) for x in better}
    return wide.assign(**turned, truth=truth, amount=amount)


def _none(source: str) -> float:
    """Amount at which there is nothing to be right or wrong: a fixture without any front."""
    return 0.0 if source == "fronts" else -1.0


def _worse(values: pd.Series, score: str, better: str) -> pd.Series:
    if score.partition("@")[0] in ONE:
        return (values - 1).abs()
    return -values if better == "higher" else values


def body(frame: pd.DataFrame) -> Body:
    """A row for each score: AUC and tau over all assets and over those of each wording."""
    wide = assets(frame)
    fixtures = "fronts" in wide
    own = () if fixtures else ("janus_rate",)
    there = [x for x in frame["score"].unique() if x and x.partition("@")[0] not in (*ASIDE, *own)]
    order = [x for x in SCORES if x in there] + sorted(set(there) - {*SCORES})
    groups = _groups(wide)
    taus = {"all": wide} if fixtures else groups
    columns = [Column(f"AUC, {name}", mark=False) for name in groups]
    columns += [Column(f"tau, {name}", mark=False) for name in taus]
    if fixtures:
        columns += [
            Column(name, "%", digits=0, mark=False) for name in ("Found", "False, symmetric")
        ]
    rows = []
    for score in order:
        cells = [_auc(group, score) for group in groups.values()]
        cells += [_tau(group, score) for group in taus.values()]
        cells += _alarms(wide, score) if fixtures else []
        rows.append(((score, _counted(wide, score)), tuple(cells)))
    title = FIXTURES if fixtures else GENERATED
    notes = _notes(frame, wide)
    if (wide[order].notna().nunique(axis=1) > 1).any():
        notes.append(PARTS)
    return Body(title, ("Score", "Assets"), tuple(columns), tuple(rows), tuple(notes))


def _groups(wide: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All assets, and those of each wording where there are several."""
    wordings = sorted(wide["wording"].unique(), reverse=True)
    each = {x: wide[wide["wording"] == x] for x in wordings} if len(wordings) > 1 else {}
    return {"all": wide, **each}


def _auc(group: pd.DataFrame, score: str) -> Cell:
    known = group[group["truth"].notna()]
    found = auc(known[score].to_numpy(float), known["truth"].to_numpy() == 1, known["prompt"])
    return Cell(found.value, None, found.interval, found.n)


def _tau(group: pd.DataFrame, score: str) -> Cell:
    known = group[group["truth"].notna()]
    found = tau(known[score].to_numpy(float), known["amount"].to_numpy(float), known["prompt"])
    return Cell(found.value, None, found.interval, found.n)


def _alarms(wide: pd.DataFrame, score: str) -> list[Cell]:
    """At the threshold that 5 % of one-front figures pass: share of several fronts found, of symmetric things flagged."""
    known = wide[wide["truth"].notna() & wide[score].notna()]
    right = known.loc[known["truth"] == 0, score]
    if right.empty:
        return [Cell(None), Cell(None)]
    limit = np.quantile(right, 1 - FALSE_ALARMS, method="higher")
    several = known.loc[known["truth"] == 1, score]
    things = wide.loc[wide["truth"].isna(), score]
    # An undefined score raises no alarm.
    return [_share(x > limit) for x in (several, things)]


def _share(flags: pd.Series) -> Cell:
    return Cell(100 * float(flags.mean()) if len(flags) else None, n=len(flags))


def _counted(wide: pd.DataFrame, score: str) -> str:
    return f"{int(wide[score].notna().sum())}/{len(wide)}"


def _notes(frame: pd.DataFrame, wide: pd.DataFrame) -> list[str]:
    """What the rows were judged by, and what was left out."""
    fixtures = "fronts" in wide
    what = "figures with several fronts" if fixtures else "Janus"
    counted = [
        f"{name}: {int((x['truth'] == 1).sum())} {what}, {int((x['truth'] == 0).sum())} without"
        for name, x in _groups(wide).items()
    ]
    lost = int((frame.drop_duplicates("run")["status"] != "finished").sum())
    return [
        "; ".join(counted) + ".",
        f"Worse is: {', '.join(ONE)}, the farther from 1; a score without a good direction, the larger it is.",
        *[f"{lost} failed runs have no scores and are left out."] * (lost > 0),
        *((ALARMS, _exact(frame)) if fixtures else (TRUTH,)),
    ]


def _exact(frame: pd.DataFrame) -> str:
    """How often counts of fronts are the very number, by that number."""
    counts = frame.pivot_table("value", "run", "score")
    counts = counts[counts["fronts"] > 0]
    told = []
    for name in (x for x in ONE if x in counts):
        hits = (counts[name] == counts["fronts"]).groupby(counts["fronts"])
        each = zip(hits.groups, hits.sum(), hits.size(), strict=True)
        shares = ", ".join(f"{right}/{n} of {k:.0f}" for k, right, n in each)
        told.append(f"{name} {shares}")
    return f"Fronts counted exactly: {'; '.join(told) or 'by no score'}."


def main() -> None:
    """The command line: the table on the screen, or one line and exit code 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, help="a CSV of scores or a folder of runs")
    parser.add_argument("--format", default="markdown", help="csv, latex, markdown or html")
    a = parser.parse_args()
    try:
        sys.stdout.write(table(a.scores, a.format).rstrip("\n") + "\n")
    except ValueError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
