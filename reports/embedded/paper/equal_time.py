"""The protocol's second comparison: SDS for as many steps as take the GPU as long as ESD's."""

from collections.abc import Iterable

import numpy as np

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


def told(study: Study, tests: Iterable[Test]) -> list[str]:
    """What stands in the verdict: an introduction, and a sentence for each outcome against ESD (0) and against the shorter runs.

    Args:
        study: all that is stored.
        tests: the exploratory family.
    """
    arm = longer(study)
    intro = f"{arm.steps} steps of {arm.method.upper()} were to take the GPU as long as {STEPS} of ESD, by what a step of each took when the protocol was mended."
    if arm in study.cut:
        return [f"{intro} The arm is cut."]
    bases = [x for x in (study.find("esd", 0.0), study.find("sds")) if x in study.arms]
    clock = [_seconds(study, x) for x in (arm, *bases)]
    intro += f" By the clock a unit took {'; '.join(clock)}, on GPUs that others shared, and by code that was not the same."
    keys = [(arm.label, base.label, score) for base in bases for score in OUTCOMES]
    found = differences(study, keys)
    adjusted = {(x.first.label, x.second.label, x.score): x.adjusted for x in tests}
    return [
        intro,
        *(
            _sentence(study, arm, base, score, found[key], adjusted.get(key))
            for base in bases
            for score in OUTCOMES
            if (key := (arm.label, base.label, score)) in found
        ),
    ]


def _seconds(study: Study, arm: Arm) -> str:
    """How long its units took to generate, on average."""
    took = [study.facts[f"{arm.name}-s{x}"]["seconds"]["generate"] for x in study.seeds]
    return f"{np.mean(took):.0f} s ({arm.bare})"


def _sentence(
    study: Study, arm: Arm, base: Arm, score: str, made: Paired, adjusted: float | None
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
        f"{signed(made.difference, digits)}{unit} (95 % interval {ends}, hierarchical bootstrap; {test}; n = {made.n} prompts × {len(study.seeds)} seeds)."
    )
