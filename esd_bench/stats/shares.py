"""Shares of prompts that succeed: intervals, tests, and how small a difference can be seen."""

import math
from statistics import NormalDist


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a share; None for n = 0.

    ``successes`` may be a fraction: with several seeds, the sum over ``n`` prompts of each prompt's share. The prompt
    remains the unit, which is on the safe side, because a mean over seeds varies no more than a single one.

    Raises:
        ValueError: when successes are negative or more than n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, extra = successes / n, z * z / n
    centre = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test, from the prompts on which exactly one of two methods succeeds."""
    # Not scipy.stats, which takes longer to import than most reports to make.
    from scipy.special import bdtr

    fewer, discordant = min(only_first, only_second), only_first + only_second
    return min(1.0, 2 * float(bdtr(fewer, discordant, 0.5)))


def mcnemar_bounds(first: int, second: int, n: int) -> tuple[float, float]:
    """Smallest and largest p of :func:`mcnemar` that totals allow, over all overlaps of the successes.

    Args:
        first: prompts of ``n`` on which the first method succeeds.
        second: the same of the second.
        n: prompts.

    Raises:
        ValueError: when a total is negative or more than n.
    """
    if not (0 <= first <= n and 0 <= second <= n):
        raise ValueError(f"{first} and {second} successes of {n}")
    both = range(max(0, first + second - n), min(first, second) + 1)
    p = [mcnemar(first - k, second - k) for k in both]
    return min(p), max(p)


def detectable_share(share: float, n: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Minimum detectable effect of a share: the least rise that ``n`` prompts in each of two independent arms show.

    By Cohen's arcsine transform. For pairs it is an upper bound, unless methods succeed on opposite prompts. None where even 1 is not far enough.

    Args:
        share: of the first arm, in [0, 1].
        n: prompts in each arm.
        alpha: level of the two-sided test.
        power: chance to see it.
    """
    law = NormalDist()
    effect = (law.inv_cdf(1 - alpha / 2) + law.inv_cdf(power)) * math.sqrt(2 / n)
    angle = math.asin(math.sqrt(share)) + effect / 2
    return math.sin(angle) ** 2 - share if angle < math.pi / 2 else None
