"""The protocol's second comparison: SDS for as many steps as take the GPU as long as ESD's.

Where that arm lacks a seed it counts as cut: what there is of it is described, seed by seed as well, and not tested.
"""

from collections.abc import Callable, Iterable

import numpy as np

from esd_bench.formats.printed import number
from esd_bench.stats import Paired
from reports.embedded.paper.outcomes import PRIMARY, Key, Test, by_seed, differences, scale
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
    intro = f"{arm.steps} steps of {arm.method.upper()} take the GPU as long as {STEPS} of ESD, by what a step of each took when the protocol was mended."
    if not seeds:
        return [f"{intro} The arm is cut: no seed is made."]
    whole = seeds == study.seeds
    there = study if whole else of_seeds(seeds)
    if not whole:
        those = "seed {} is" if len(seeds) == 1 else "seeds {} are"
        made = those.format(" and ".join(map(str, seeds)))
        intro += f" Of the longer runs only {made} made, so that the arm counts as cut: described, not tested, and the intervals know of no other seed."
    bases = [x for x in (there.find("esd", 0.0), there.find("sds")) if x in there.arms]
    intro += "".join(
        f" {x.bare} lacks these seeds."
        for x in (there.find("esd", 0.0), there.find("sds"))
        if x not in bases
    )
    clock = [_seconds(study, x, seeds) for x in (arm, *bases)]
    intro += f" By the clock a unit took {'; '.join(clock)}, on GPUs that others shared, and by code that was not the same."
    keys = [(arm.label, base.label, score) for base in bases for score in OUTCOMES]
    found = differences(there, keys)
    adjusted = {(x.first.label, x.second.label, x.score): x.adjusted for x in tests}
    return [
        intro,
        *(
            _sentence(there, arm, base, key, found[key], adjusted.get(key), whole)
            for base in bases
            for score in OUTCOMES
            if (key := (arm.label, base.label, score)) in found
        ),
    ]


def _seconds(study: Study, arm: Arm, seeds: tuple[int, ...]) -> str:
    """How long its units of these seeds took to generate, on average."""
    took = [study.facts[f"{arm.name}-s{x}"]["seconds"]["generate"] for x in seeds]
    return f"{np.mean(took):.0f} s ({arm.bare})"


def _sentence(
    there: Study, arm: Arm, base: Arm, key: Key, made: Paired, adjusted: float | None, whole: bool
) -> str:
    name, digits, unit = NAMED[key[2]]
    pair = [there.arrays[label, key[2]] for label in key[:2]]
    each = scale(key[2]) * np.nanmean(by_seed(*pair), axis=0)
    seeds = "" if whole else f"by seed {', '.join(signed(x, digits) for x in each)}; "
    ends = " to ".join(number(x, digits) for x in made.interval or ()) or "none"
    test = (
        "described, not tested"
        if adjusted is None
        else f"sign flips p = {short(made.p)}, Benjamini and Hochberg {short(adjusted)}"
    )
    return (
        f"{arm.bare} against {base.bare}, {arm.wording}: {name} {number(made.first, digits)} against {number(made.second, digits)}, difference "
        f"{signed(made.difference, digits)}{unit} ({seeds}95 % interval {ends}, hierarchical bootstrap; {test}; n = {made.n} prompts × {len(there.seeds)} seeds)."
    )
