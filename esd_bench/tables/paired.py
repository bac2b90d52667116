"""What no table of the paper shows: differences from one method, prompt by prompt, which unpaired intervals hide."""

from dataclasses import replace

import pandas as pd

from esd_bench import stats
from esd_bench.tables import Body, Cell, Table
from esd_bench.tables._cells import RATES, Study, column, footnotes, present

TITLE = (
    "Differences from {} on the same prompts: means, and 95 % intervals in brackets by bootstrap over prompts "
    f"({stats.RESAMPLES} resamples, seed {stats.SEED}). No interval is corrected for how many there are."
)
SCORES = ("janus_rate", "consistency", "success", "iq", "iv", "ig")


def paired(baseline: str = "") -> Table:
    """Mean differences from a method on the same prompts and wording, with 95 % bootstrap intervals over prompts.

    Args:
        baseline: the method that is subtracted, by its plugin's name; empty is VSD, or the first there is.

    Raises:
        ValueError: when no run, or several arms of one wording, are of that method.
    """

    def build(frame: pd.DataFrame) -> Body:
        study, scores = Study.of(frame), present(frame, SCORES)
        bases, failed = _bases(study, baseline), study.failed("wording", "label")
        rows = [
            (
                (wording, label.removesuffix(f", {wording}"), lost),
                tuple(_difference(study, label, bases.get(wording, ""), x) for x in scores),
            )
            for wording in sorted(frame["wording"].unique(), reverse=True)
            for label in study.labels
            if (lost := failed.get((wording, label)))
        ]
        columns = tuple(replace(column(frame, score), mark=False) for score in scores)
        index = ("Prompts with", "Method", "Failed")
        bare = (label.removesuffix(f", {wording}") for wording, label in bases.items())
        subtracted = " or ".join(dict.fromkeys(bare))
        return Body(
            TITLE.format(subtracted), index, columns, tuple(rows), tuple(footnotes(frame)), 1
        )

    return Table(None, build, SCORES)


def _bases(study: Study, baseline: str) -> dict[str, str]:
    """Wording -> the one label of the baseline."""
    methods = study.runs.drop_duplicates("label").set_index("label")["method"]
    there = [methods[label] for label in study.labels]
    wanted = baseline.replace("-", "_") or ("vsd" if "vsd" in there else there[0])
    own = study.runs[study.runs["method"] == wanted].drop_duplicates("label")
    if own.empty:
        raise ValueError(
            f"no run of the baseline {baseline!r}; there are {', '.join(sorted(set(there)))}"
        )
    if own["wording"].duplicated().any():
        raise ValueError(
            f"several arms of {wanted!r}: {'; '.join(own['label'])}; choose by prior or label"
        )
    return dict(zip(own["wording"], own["label"], strict=True))


def _difference(study: Study, label: str, base: str, score: str) -> Cell:
    """Over the prompts that both methods have a number for."""
    if label == base:
        return Cell(None)
    found = [
        study.values.loc[(x, score)] if (x, score) in study.values.index else None
        for x in (label, base)
    ]
    if found[0] is None or found[1] is None:
        return Cell(None)
    apart = (found[0] - found[1]).dropna() * (100 if score in RATES else 1)
    if apart.empty:
        return Cell(None)
    return Cell(float(apart.mean()), None, stats.bootstrap_interval(apart), len(apart))
