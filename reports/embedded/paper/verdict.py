"""The protocol's rules applied: yes, no or undecided, in sentences that each name their test, interval, p and n."""

from collections.abc import Sequence
from dataclasses import dataclass

from esd_bench.formats.printed import number
from reports.embedded.paper.outcomes import Family, Test
from reports.embedded.paper.units import RATE, WORDINGS, Study

ENOUGH, POINTS, LEVEL = 0.05, 10.0, 0.05
"""Least difference in the Janus rate and in success (percentage points) that counts, and the level of the tests."""
ROUNDING = 1e-9
"""Means of the same numbers over other seeds must tie."""
UNITS = {"janus_rate": ("Janus rate", 3, ""), RATE: ("success", 1, " points")}


@dataclass(frozen=True)
class Answer:
    """What the rule says of a family.

    Attributes:
        kind: "Yes", "No" or "Undecided".
        tame: the tests of the Janus rate by which it is a yes.
        small: significant differences in the Janus rate below what counts.
        more: tests of success that are findings of their own.
        spoilt: what would be a yes, were it not for a guard or for failed runs, with the reason.
    """

    kind: str
    tame: tuple[Test, ...]
    small: tuple[Test, ...]
    more: tuple[Test, ...]
    spoilt: tuple[tuple[Test, str], ...]


def answer(family: Family) -> Answer:
    """Yes, no or undecided by the protocol's rule."""
    rates = [test for test in family.tests if test.score == "janus_rate"]
    lower = [test for test in rates if _lower(test)]
    spoilt = [(test, why) for test in lower if (why := _spoilt(family, test))]
    tame = [test for test in lower if not _spoilt(family, test)]
    none = all(_within(test) for test in rates)
    kind = "Yes" if tame else "No" if none else "Undecided"
    small = [x for x in rates if x.made and x.adjusted < LEVEL and abs(x.made.difference) < ENOUGH]
    more = [x for x in family.tests if x.score == RATE and x.made and _more(x)]
    return Answer(kind, tuple(tame), tuple(small), tuple(more), tuple(spoilt))


def _lower(test: Test) -> bool:
    return bool(test.made and test.made.difference <= -ENOUGH and test.adjusted < LEVEL)


def _more(test: Test) -> bool:
    return bool(test.made and test.made.difference >= POINTS and test.adjusted < LEVEL)


def _within(test: Test) -> bool:
    """Whether the interval lies within the bounds; strictly, so that yes and no exclude each other."""
    ends = test.made.interval if test.made else None
    return bool(ends and ends[0] > -ENOUGH and ends[1] < ENOUGH)


def _spoilt(family: Family, test: Test) -> str:
    """Why a lower Janus rate is no yes; "" where nothing stands against it."""
    (success,) = (x for x in family.tests if x.first == test.first and x.score == RATE)
    guard = family.guards.get(test.first.name)
    for name, made in (("success", success.made), ("R", guard)):
        if not made or not made.interval:
            return f"{name} has no interval"
        if made.interval[1] < -ROUNDING:
            return f"the interval of the difference in {name} lies below 0"
    worst = [x for x in family.worst if x.first == test.first and x.score == "janus_rate"]
    if worst and not _lower(worst[0]):
        return "it does not hold in the worst case of failed runs"
    return ""


# ---- sentences -----------------------------------------------------------------------------------------------------


def told(study: Study, test: Test, correction: str) -> str:
    """One test in a sentence."""
    name, digits, unit = UNITS[test.score]
    words = "with" if test.first.words else "without"
    pair = f"{test.first.bare} against {test.second.bare}, {words} view words: {name}"
    if not test.made:
        return f"{pair} not tested, an arm is cut (p = 1, adjusted {short(test.adjusted)})."
    made = test.made
    ends = " to ".join(number(x, digits) for x in made.interval or ()) or "none"
    gap = signed(made.difference, digits) + unit
    if empty(test):
        least = "no effect could be told: no run of either is a success, so that this test is empty"
    elif made.detectable:
        least = f"minimum detectable effect {number(made.detectable, digits)}{unit}, uncorrected"
    else:
        least = "no minimum detectable effect: all prompts are alike"
    return (
        f"{pair} {number(made.first, digits)} against {number(made.second, digits)}, difference {gap} (95 % interval {ends}, hierarchical "
        f"bootstrap; sign flips p = {short(made.p)}, {correction} {short(test.adjusted)}; n = {made.n} prompts × {len(study.seeds)} seeds, "
        f"{made.wins + made.losses} prompts differ; {least})."
    )


def empty(test: Test) -> bool:
    """Whether success is at its floor in both arms, so that nothing could be tested."""
    made = test.made
    return bool(test.score == RATE and made and made.first == made.second == 0)


def guarded(study: Study, family: Family) -> list[str]:
    """The differences in R, which the rule asks for as guards: their p stand in the exploratory family."""
    arms = {test.first.name: test for test in family.tests}
    lines = []
    for name, made in family.guards.items():
        test = arms[name]
        ends = " to ".join(number(x, 3) for x in made.interval or ()) or "none"
        words = "with" if test.first.words else "without"
        lines.append(
            f"{test.first.bare} against {test.second.bare}, {words} view words: R {number(made.first, 3)} against {number(made.second, 3)}, difference "
            f"{signed(made.difference, 3)} (95 % interval {ends}, hierarchical bootstrap; a guard, not tested in this family; n = {made.n} prompts × "
            f"{len(study.seeds)} seeds)."
        )
    return lines


def short(p: float) -> str:
    """A p as prose gives it, never 0."""
    return "1" if p > 0.9995 else "< .0001" if p < 1e-4 else f"{p:.2g}".removeprefix("0")


def signed(value: float, digits: int) -> str:
    """A difference with its sign."""
    text = number(value, digits)
    return text if text.startswith("-") or not float(text) else f"+{text}"


SECTIONS = {
    "primary": ("Does the entropy of ESD tame the Janus problem?", "", "ESD against the same without entropy."),
    "vsd": ("ESD against VSD as published", "secondary", "ESD against VSD, whose dropout of the camera differs, too."),
    "exact": ("With the exact student", "exploratory", "ESD against the same without entropy, both with the exact student."),
}  # fmt: skip
"""Family -> heading, what it is named, and what is compared."""
EQUAL_TIME, METRICS = "At equal GPU time", "Which metric would have told?"


def short_answer(family: Family, what: str) -> str:
    """Yes, no or undecided, and why."""
    if not any(test.made for test in family.tests):
        return f"{what} **Undecided**, not tested: its arms are cut."
    found = answer(family)
    return f"{what} **{found.kind}.** {_why(family, found)}"


def section(study: Study, name: str, family: Family) -> list[str]:
    """A heading, the answer and its reasons, and all tests of the family."""
    title, label, what = SECTIONS[name]
    lines = [f"## {title}" + (f" ({label})" if label else ""), "", short_answer(family, what), ""]
    if not any(test.made for test in family.tests):
        return lines
    lines += [f"* {told(study, test, 'Holm')}" for test in family.tests]
    lines += [f"* {x}" for x in guarded(study, family)]
    worst = [test for test in family.worst if test.score == "janus_rate"]
    if worst:
        lines += ["", f"{WORST}:", "", *(f"* {told(study, test, 'Holm')}" for test in worst)]
    return [*lines, ""]


WORST = "Runs failed; in the worst case (Janus rate 1 for failed runs of the first arm, 0 for those of the second)"


def _why(family: Family, found: Answer) -> str:
    rates = [x for x in family.tests if x.score == "janus_rate"]
    said = {
        "Yes": f"The Janus rate is lower by {ENOUGH} or more with an adjusted p below {LEVEL}, and neither success nor R speaks against it: "
        f"{_names(found.tame)}.",
        "No": f"The intervals of all {len(rates)} differences in the Janus rate lie within ±{ENOUGH}, {_farthest(rates)}.",
        "Undecided": f"No Janus rate is lower by {ENOUGH} or more with an adjusted p below {LEVEL} as a yes asks, and "
        f"{_outside(rates)}.",
    }[found.kind]
    parts = [said]
    parts += [f"{_name(test)} would be a yes, but {why}." for test, why in found.spoilt]
    if found.small:
        parts.append(f"Significant and small (below {ENOUGH}): {_names(found.small, sign=True)}.")
    if found.more:
        parts.append(
            f"More right objects, by {POINTS:g} points or more with an adjusted p below {LEVEL}: {_names(found.more)}."
        )
    else:
        parts.append(
            f"More right objects, by {POINTS:g} points or more with an adjusted p below {LEVEL}: in no test."
        )
    return " ".join(parts)


def _farthest(rates: Sequence[Test]) -> str:
    """The ends of all intervals together."""
    ends = [x for test in rates if test.made for x in test.made.interval or ()]
    if not ends:
        return "none of which has one"
    return f"between {signed(min(ends), 3)} and {signed(max(ends), 3)}"


def _outside(rates: Sequence[Test]) -> str:
    cut = sum(not test.made for test in rates)
    beyond = sum(bool(test.made) and not _within(test) for test in rates)
    parts = [f"{beyond} of {len(rates)} intervals reach beyond ±{ENOUGH}"] * bool(beyond)
    parts += [f"{cut} of {len(rates)} tests are cut"] * bool(cut)
    return " and ".join(parts)


def _name(test: Test) -> str:
    return f"{test.first.bare}, {test.first.wording}"


def _names(tests: Sequence[Test], sign: bool = False) -> str:
    way = [
        f" ({signed(x.made.difference, UNITS[x.score][1])})" if sign and x.made else ""
        for x in tests
    ]
    return "; ".join(_name(test) + x for test, x in zip(tests, way, strict=True))


def made_of(study: Study) -> str:
    """How many arms, prompts, seeds and failures stand behind a page."""
    total = len(study.arms) + len(study.cut)
    lost = sum(study.failed.values())
    given = f"{len(study.prompts)} prompts × {len(study.seeds)} seeds each"
    parts = [
        f"{len(study.arms)} of {total} arms, {given}, {lost} of {len(study.runs)} runs failed."
    ]
    for wording in WORDINGS:
        cut = [arm.bare for arm in study.cut if arm.wording == wording]
        parts += [f"Cut, {wording} ({len(cut)}): {'; '.join(cut)}."] * bool(cut)
    return " ".join(parts)


def page(
    study: Study, families: dict[str, Family], longer: Sequence[str], metrics: Sequence[str]
) -> str:
    """``verdict.md``, whole; ``longer`` is what :mod:`equal_time` tells, ``metrics`` what :mod:`judged` does."""
    lines = [
        "# Verdict",
        "",
        f"Written by `make paper` from the stored units, by the rules of [the protocol](../../docs/protocol.md): {made_of(study)} Conclusions are about the "
        "prior `embedded-biased`, this preset, and ESD's λ of .5 and 1. Janus rate and success are what a network, the pose oracle, "
        "says; no human looked.",
        "",
        *(line for name, family in families.items() for line in section(study, name, family)),
        f"## {EQUAL_TIME} (exploratory)",
        "",
        longer[0],
        "",
        *(f"* {x}" for x in longer[1:]),
        "",
        f"## {METRICS}",
        "",
        *metrics,
    ]
    return "\n".join(lines).rstrip() + "\n"


def answers(
    study: Study, families: dict[str, Family], longer: Sequence[str], metrics: Sequence[str]
) -> str:
    """The answers alone, as a list."""
    lines = [f"{made_of(study)}", ""]
    for name, family in families.items():
        title, label, what = SECTIONS[name]
        named = f"*{title}*" + (f" ({label})" if label else "")
        lines.append(f"* {named} {short_answer(family, what)}")
    lines.append(f"* *{EQUAL_TIME}* (exploratory) {longer[0]}")
    lines += [f"  * {x}" for x in longer[1:]]
    lines += [f"* *{METRICS}* {metrics[0]}", *(f"  {x}" for x in metrics[2:])]
    return "\n".join(lines) + "\n"
