"""What no table of the paper shows: two methods in every score that both have, with all that a claim needs."""

import pandas as pd

from esd_bench import stats
from esd_bench.tables import Body, Cell, Column, Table, arms, heading
from esd_bench.tables._cells import Study
from esd_bench.tables._columns import column, everything
from esd_bench.tables._notes import footnotes
from esd_bench.tables._pairs import HOW, PRIMARY, Failed, Interval, compared, family

TITLE = "{} against {} on the same prompts; differences are first minus second{}. p is two-sided."
OF_REFERENCE = ("fid_floor",)
"""Scores of the reference pictures, in which no method can differ."""
DIRECTION = "Wins are prompts on which {} is better; in a score without a direction, larger."
DETECTABLE = (
    "MDE is the least true difference that this many prompts show four times out of five, given the spread of the differences "
    "(two-sided paired t test at .05); – where all differences are equal."
)


def versus(
    first: str = "esd",
    second: str = "vsd",
    primary: tuple[str, ...] = PRIMARY,
    interval: Interval = "bootstrap",
    failed: Failed = "fail",
) -> Table:
    """Two methods, prompt by prompt: means, difference, interval, p raw and adjusted, wins, and what could be detected.

    Args:
        first: a method's name, or a label with or without its wording.
        second: the one that is subtracted.
        primary: scores whose tests were declared before; Holm among them, Benjamini-Hochberg among the others.
        interval: of the difference.
        failed: a failed run is no success, or all means leave it out ("exclude").
    """

    def build(frame: pd.DataFrame) -> Body:
        pairs = _pairs(frame, first, second)
        own = frame[frame["label"].isin({x for pair in pairs.values() for x in pair})]
        study = Study.of(own, failed)
        scores = [x for x in everything(own) if x.partition("@")[0] not in OF_REFERENCE]
        found = {
            (wording, score): made
            for wording, pair in pairs.items()
            for score in scores
            if (made := compared(study, *pair, score, interval))
        }
        _check(found, pairs, primary)
        raw = {key: made.p for key, made in found.items()}
        adjusted = stats.corrected(raw, [key for key in raw if key[1] in primary])
        rows = [_row(key, made, adjusted[key], own) for key, made in found.items()]
        bare = [_bare(pairs, k) for k in (0, 1)]
        title = TITLE.format(
            *bare, f", 95 % intervals by {HOW[interval]}" if interval in HOW else ""
        )
        notes = (
            f"p: {family([*raw], primary)}",
            DIRECTION.format(bare[0]),
            DETECTABLE,
            *_views(own, scores),
            *footnotes(own, failed),
        )
        index = ("Prompts with", "Measure", "Prompts", "Win/tie/loss", "Test")
        return Body(title, index, _columns(bare), tuple(rows), notes, 1, tuple(scores))

    return Table(None, build)


def _pairs(frame: pd.DataFrame, first: str, second: str) -> dict[str, tuple[str, str]]:
    """Wording -> the two labels; two single arms are compared whatever their wordings."""
    one, two = arms(frame, first), arms(frame, second)
    if len(one) == len(two) == 1 and set(one) != set(two):
        words = " and ".join([*one, *two])
        made = {words: (next(iter(one.values())), next(iter(two.values())))}
    else:
        made = {x: (one[x], two[x]) for x in sorted(set(one) & set(two), reverse=True)}
    if not made:
        raise ValueError(f"{first!r} and {second!r} share no wording of the prompts")
    if any(a == b for a, b in made.values()):
        raise ValueError(f"{first!r} and {second!r} are the same arm")
    return made


def _check(
    found: dict[tuple[str, str], stats.Paired],
    pairs: dict[str, tuple[str, str]],
    primary: tuple[str, ...],
) -> None:
    named = " and ".join(next(iter(pairs.values())))
    if not found:
        raise ValueError(f"{named} share no prompt that both have a score for")
    scores = {key[1] for key in found}
    unknown = [x for x in primary if x not in scores]
    if unknown and primary != PRIMARY:
        there = ", ".join(sorted(scores))
        raise ValueError(
            f"{named} do not share the primary score {unknown[0]!r}; they share {there}"
        )


def _bare(pairs: dict[str, tuple[str, str]], k: int) -> str:
    names = (pair[k].removesuffix(f", {wording}") for wording, pair in pairs.items())
    return " or ".join(dict.fromkeys(names))


def _columns(bare: list[str]) -> tuple[Column, ...]:
    means = [Column(x) for x in (*bare, "Difference")]
    p = [Column(x, digits=4, least=1e-4) for x in ("p", "p adjusted")]
    return (*means, *p, Column("MDE"))


def _row(
    key: tuple[str, str], made: stats.Paired, adjusted: float, frame: pd.DataFrame
) -> tuple[tuple[str, ...], tuple[Cell, ...]]:
    shown = column(frame, key[1])
    tally = (made.wins, made.ties, made.losses)
    tally = tally[::-1] if shown.better == "lower" else tally
    cells = (
        *(Cell(x, n=made.n, digits=shown.digits) for x in (made.first, made.second)),
        Cell(made.difference, None, made.interval, made.n, digits=shown.digits),
        Cell(made.p, n=made.n),
        Cell(adjusted, n=made.n),
        Cell(made.detectable, n=made.n, digits=shown.digits),
    )
    return (key[0], heading(shown), str(made.n), "/".join(map(str, tally)), made.test), cells


def _views(frame: pd.DataFrame, scores: list[str]) -> list[str]:
    """Networks and views, said once for the scores that share them."""
    notes: dict[str, list[str]] = {}
    for shown in (column(frame, score) for score in scores):
        notes.setdefault(shown.note, []).append(shown.name)
    return [f"{', '.join(names)}: {note}" for note, names in notes.items() if note]
