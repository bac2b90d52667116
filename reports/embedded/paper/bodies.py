"""The tables of outcomes: means of every arm, the families of tests, and what the units cost."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from esd_bench import report, stats
from esd_bench.tables import Body, Cell, Column, Table
from esd_bench.tables._notes import footnotes
from reports.embedded.paper.outcomes import DETECTORS, Family, Mean, Test
from reports.embedded.paper.units import GROUPS, RATE, Arm, Study
from reports.embedded.paper.verdict import empty

SETS = {
    "collapse": ("janus_rate", RATE, "consistency", "front_share", "faces"),
    "quality": ("clip_distance", "fid", "kid", "iq", "iv", "ig"),
    "detectors": DETECTORS,
}
"""Tables' names -> outcomes, so that each fits a page; the first has the primary ones."""
SAID = {
    "collapse": "Collapse as the pose oracle sees it",
    "quality": "The published metrics",
    "detectors": "Detectors of repeated fronts that need no oracle",
}
HOW = f"95 % intervals in brackets by bootstrap over prompts, then seeds ({stats.RESAMPLES} resamples, seed {stats.SEED})"
UNCORRECTED = "Intervals are not corrected for their number."
P = [Column(x, digits=4, least=1e-4, mark=False) for x in ("p", "p adjusted")]


def checked(study: Study, body: Body) -> Body:
    """The body, if what its columns show was measured alike in all runs; with what may differ in a footnote."""
    if all(cell.value is None for _, cells in body.rows for cell in cells):
        return body  # its arms are cut: nothing is shown that could differ
    return report.build(study.main, Table(None, lambda _: body))


def notes(study: Study, of: Iterable[Arm] = ()) -> tuple[str, ...]:
    """Prompts and seeds, failures of all arms or of some, and the arms that are cut."""
    labels = [arm.label for arm in of or study.arms]
    runs = study.runs.reset_index()
    own = runs[runs["label"].isin(labels)]
    return (*(footnotes(own) if len(own) else ()), *absent(study))


def absent(study: Study) -> list[str]:
    """How many arms are cut; the verdict names them."""
    total = len(study.arms) + len(study.cut)
    short = f"{len(study.cut)} of {total} arms are cut, for want of seeds; the verdict names them."
    return [short] if study.cut else []


def n_of(study: Study, prompts: int) -> str:
    """Prompts and seeds as tables give them."""
    return f"{prompts} × {len(study.seeds)}"


def narrow(body: Body, width: int) -> list[Body]:
    """The table in parts of so many columns, so that each fits a printed page."""
    starts = range(0, len(body.columns), width)
    return [
        replace(
            body,
            title=f"{body.title} Part {part} of {len(starts)}.",
            columns=body.columns[k : k + width],
            rows=tuple((labels, cells[k : k + width]) for labels, cells in body.rows),
        )
        for part, k in enumerate(starts, 1)
    ]


def outcomes(study: Study, name: str, means: dict[tuple[str, str], Mean]) -> Body:
    """Means of one set of outcomes, a row an arm, in the protocol's groups."""
    scores = SETS[name]
    rows = [(_named(study, arm), tuple(_mean(means, arm, x) for x in scores)) for arm in study.arms]
    rows.sort(key=_order)
    title = (
        f"{SAID[name]}: means over prompts of means over seeds, {HOW}. {UNCORRECTED}"
        + " A faceless object has a Janus rate of 0, so read it with R and faces. A success of 0 has no interval by bootstrap but [0, 0]; Wilson's is in Table 2."
        * (name == "collapse")
    )
    index = ("Arms", "Method", "Prompts × seeds", "Failed")
    body = Body(title, index, tuple(map(study.heading, scores)), tuple(rows), notes(study), 1)
    return checked(study, body)


HEADLINE = {
    **dict.fromkeys(("janus_rate", RATE, "consistency"), True),
    **dict.fromkeys(("clip_distance", "fid", "iq", "iv", "ig"), False),
}
"""Outcomes of the short table -> whether with intervals."""
PUBLISHED = ("sds", "vsd", "debiased_sds", "perp_neg", "esd")


def headline(study: Study, means: dict[tuple[str, str], Mean]) -> Body:
    """The short table: methods as published, and ESD at its primary λ, with view words and without."""
    chosen = [x for x in study.arms if x.plain and x.entropy in (None, 0, 0.5, 1)]
    chosen.sort(key=lambda x: (not x.words, PUBLISHED.index(x.method)))
    rows = []
    for arm in chosen:
        cells = [_mean(means, arm, x) for x in HEADLINE]
        shown = zip(cells, HEADLINE.values(), strict=True)
        cells = [x if ends else replace(x, interval=None) for x, ends in shown]
        rows.append(((arm.wording, arm.bare), tuple(cells)))
    lost = sum(study.failed.get(x.label, 0) for x in chosen)
    runs = len(chosen) * len(study.prompts) * len(study.seeds)
    title = (
        f"{len(study.prompts)} held-out prompts × {len(study.seeds)} seeds: means over prompts of means over seeds, {HOW}. {lost} of {runs} runs "
        "failed. A faceless object has a Janus rate of 0, so read it with R."
    )
    columns = tuple(map(study.heading, HEADLINE))
    body = Body(title, ("Prompts with", "Method"), columns, tuple(rows), (), 1)
    return checked(study, body)


def _order(row: tuple) -> int:
    """Of a row whose first label is its group."""
    return GROUPS.index(row[0][0])


def _named(study: Study, arm: Arm) -> tuple[str, str, str, str]:
    runs = len(study.prompts) * len(study.seeds)
    lost = f"{study.failed.get(arm.label, 0)}/{runs}"
    return arm.group, arm.bare, n_of(study, len(study.prompts)), lost


def _mean(means: dict[tuple[str, str], Mean], arm: Arm, score: str) -> Cell:
    found = means.get((arm.label, score))
    return Cell(found.value, None, found.interval, found.n) if found else Cell(None)


def rule(study: Study, family: Family, title: str) -> Body:
    """Eight tests and, where runs failed, the worst case of the Janus rate."""
    scores = [test.score for test in family.tests]
    arms = [arm for test in family.tests for arm in (test.first, test.second)]
    rows = [_tested(study, test, test.first.wording) for test in family.tests]
    worst = [x for x in family.worst if x.score == "janus_rate"]
    rows += [_tested(study, x, f"{x.first.wording}, worst case of failed runs") for x in worst]
    said = (
        f"{title}. Mean paired differences, {HOW}; p two-sided by sign flips over prompts (exact where up to {stats.EXACT} differ, "
        f"else {stats.RESAMPLES} draws), adjusted by Holm over the {len(family.tests)}; success in percentage points. MDE is the least true difference that so "
        "many prompts show four times out of five, given the spread of the differences (two-sided paired t test at .05, without Holm's correction)."
    )
    shown = (Column("Difference", mark=False), *P, Column("MDE", mark=False))
    index = ("Prompts with", "Difference of", "Outcome", "Prompts × seeds", "Failed")
    more = ["A test of an arm that is cut has p = 1."] * any(not t.made for t in family.tests)
    more += [EMPTY] * any(map(empty, family.tests))
    body = Body(
        said,
        index,
        shown,
        tuple(rows),
        (*more, *notes(study, arms)),
        1,
        tuple(dict.fromkeys(scores)),
    )
    return checked(study, body)


EMPTY = (
    "A difference in success without an MDE is of arms no run of which is a success: that test is empty, and counts in Holm's correction "
    "as the protocol says."
)


def _tested(study: Study, test: Test, group: str) -> tuple[tuple[str, ...], tuple[Cell, ...]]:
    shown = study.heading(test.score)
    named = f"{test.first.bare} − {test.second.bare}"
    lost = [str(study.failed.get(x.label, 0)) for x in (test.first, test.second)]
    if not test.made:
        cells = (Cell(None), Cell(1.0), Cell(test.adjusted), Cell(None))
        return (group, named, shown.name, "cut", "–"), cells
    made, digits = test.made, shown.digits
    cells = (
        Cell(made.difference, None, made.interval, made.n, digits=digits),
        Cell(made.p, n=made.n),
        Cell(test.adjusted, n=made.n),
        Cell(made.detectable, n=made.n, digits=digits),
    )
    return (group, named, shown.name, n_of(study, made.n), " and ".join(lost)), cells


def explored(study: Study, name: str, tests: Sequence[Test]) -> Body:
    """Exploratory differences in one set of outcomes, a row an arm; p adjusted over all sets."""
    found = {(test.first.name, test.score): test for test in tests}
    scores = SETS[name]
    rows = []
    for arm in study.arms:
        own = [found.get((arm.name, x)) for x in scores]
        if any(own):
            label = (arm.group, arm.bare, _named(study, arm)[3])
            rows.append((label, tuple(map(_difference, own))))
    rows.sort(key=_order)
    title = (
        f"Exploratory. {SAID[name]}: mean paired differences from ESD (λ = 0) of the same wording and student, {HOW}; p by sign flips, adjusted by "
        f"Benjamini and Hochberg over all {len(tests)} exploratory tests. ESD (.5) and (1) are tested elsewhere in the primary outcomes."
    )
    index = ("Arms", "Method", "Failed")
    body = Body(title, index, tuple(map(study.heading, scores)), tuple(rows), notes(study), 1)
    return checked(study, body)


def _difference(test: Test | None) -> Cell:
    if not test or not test.made:
        return Cell(None)
    made = test.made
    return Cell(made.difference, None, made.interval, made.n, p=(made.p, test.adjusted))


TIMES = ("generate", "score")


def seconds(study: Study) -> Body:
    """GPU seconds of every arm that has a unit, and which units are missing."""
    rows = []
    for arm in (*study.arms, *study.cut):
        own = [facts for x in study.seeds if (facts := study.facts.get(f"{arm.name}-s{x}"))]
        runs = len(own) * len(study.prompts)
        sums = [sum(facts["seconds"][x] for facts in own) for x in TIMES]
        lost = sum(len(facts["failed"]) for facts in own)
        cells = [Cell(x / runs if runs else None, digits=2) for x in sums]
        cells = [*(Cell(x if runs else None) for x in sums), *cells]
        label = (arm.group, arm.bare, f"{len(own)}/{len(study.seeds)}", f"{lost}/{runs}")
        rows.append((label, tuple(cells)))
    rows.sort(key=_order)
    total = [sum(facts["seconds"][x] for facts in study.facts.values()) for x in TIMES]
    said = [
        f"In all {sum(total) / 3600:.2f} hours: {total[0] / 3600:.2f} to generate, {total[1] / 3600:.2f} to score.",
        f"Missing units ({len(study.missing)}): {', '.join(study.missing) or 'none'}.",
        *_made_by(study),
    ]
    title = (
        "Seconds by the clock to generate and score the stored units of each arm. Two or three lanes shared a GPU, so these "
        "are upper bounds of what an arm takes alone."
    )
    names = ("Generate (s)", "Score (s)", "Generate (s a run)", "Score (s a run)")
    shown = tuple(Column(x, digits=0, mark=False) for x in names)
    index = ("Arms", "Method", "Seeds", "Failed")
    return Body(title, index, shown, tuple(rows), tuple(said), 1)


def _made_by(study: Study) -> list[str]:
    """Devices and commits of the units."""
    told = []
    for what in ("device", "commit"):
        known = {
            str(facts.get("record", {}).get(what, "unknown")) for facts in study.facts.values()
        }
        told.append(f"{what.capitalize()}: {', '.join(sorted(known))}.")
    return told
