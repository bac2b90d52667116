"""The protocol's second comparison: SDS for as many steps as take the GPU as long as ESD's.

Where that arm lacks a seed it counts as cut and is not tested; what there is of it is described on the seeds that are made.
"""

from collections.abc import Callable, Iterable

from esd_bench.formats.printed import number
from esd_bench.stats import Paired
from reports.embedded.paper.outcomes import PRIMARY, Test, differences
from reports.embedded.paper.units import STEPS, Arm, Study
from reports.embedded.paper.verdict import UNITS, short, signed

OUTCOMES = (*PRIMARY, "consistency")
NAMED = {**UNITS, "consistency": ("R", 3, "")}


def longer(study: Study) -> Arm:
    """The arm of more steps."""
    (found,) = [arm for arm in (*study.arms, *study.cut) if arm.steps != STEPS and arm.words]
    return found


def told(
    study: Study, tests: Iterable[Test], of_seeds: Callable[[tuple[int, ...]], Study]
) -> list[str]:
    """What stands in the verdict: an introduction, and a sentence for each outcome against ESD (0) and against the shorter runs.

    Args:
        study: all that is stored.
        tests: the exploratory family.
        of_seeds: reads the arms that have these seeds, where the longer one lacks others.
    """
    arm = longer(study)
    seeds = tuple(x for x in study.seeds if f"{arm.name}-s{x}" in study.facts)
    intro = f"{arm.steps} steps of {arm.method.upper()} take the GPU as long as {STEPS} of ESD, as the code was when the protocol was mended."
    if not seeds:
        return [f"{intro} The arm is cut: no seed is made."]
    there = study
    if seeds != study.seeds:
        there = of_seeds(seeds)
        lost = ", ".join(str(x) for x in study.seeds if x not in seeds)
        intro += f" The arm lacks seed {lost}, so that it counts as cut: what follows is described on the others, and is not tested."
    bases = there.find("esd", 0.0), there.find("sds")
    keys = [(arm.label, base.label, score) for base in bases for score in OUTCOMES]
    found = differences(there, keys)
    adjusted = {(x.first.label, x.second.label, x.score): x.adjusted for x in tests}
    lines = [
        _sentence(arm, base, score, found[key], adjusted.get(key), len(seeds))
        for base in bases
        for score in OUTCOMES
        if (key := (arm.label, base.label, score)) in found
    ]
    return [intro, *lines]


def _sentence(
    arm: Arm, base: Arm, score: str, made: Paired, adjusted: float | None, seeds: int
) -> str:
    name, digits, unit = NAMED[score]
    ends = " to ".join(number(x, digits) for x in made.interval or ()) or "none"
    test = (
        "described, not tested"
        if adjusted is None
        else f"sign flips p = {short(made.p)}, Benjamini and Hochberg {short(adjusted)}"
    )
    return (
        f"{arm.bare} against {base.bare}, {arm.wording}: {name} {number(made.first, digits)} against {number(made.second, digits)}, difference "
        f"{signed(made.difference, digits)}{unit} (95 % interval {ends}, hierarchical bootstrap; {test}; n = {made.n} prompts × {seeds} seeds)."
    )
