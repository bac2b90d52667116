"""How many prompts and raters a study needs: the exact power of McNemar's test on prompts.

Every method makes every prompt, so prompts are pairs. With success rates p and q and correlation r of the two outcomes on
one prompt, P(only the second succeeds) = q(1-p) - r s and P(only the first) = p(1-q) - r s, s = sqrt(p(1-p)q(1-q)).
Raters err: whoever is right with probability a, a majority of k of them is right with probability A(a, k), and a rate p is
seen as pA + (1-p)(1-A), which draws rates towards one half and shrinks their difference. Raters' errors are independent
here; where they share a bias, more of them help less.
"""

import math
from functools import lru_cache

import numpy as np

LEVEL = 0.05
MOST = 5000
"""Prompts beyond which no study goes."""


def majority(accuracy: float, raters: int) -> float:
    """How often the majority of an odd number of raters is right.

    >>> majority(0.9, 1), round(majority(0.9, 3), 3)
    (0.9, 0.972)
    """
    from scipy.stats import binom

    return float(accuracy if raters == 1 else binom.sf(raters // 2, raters, accuracy))


def seen(rate: float, accuracy: float, raters: int) -> float:
    """The success rate that raters see."""
    right = majority(accuracy, raters)
    return rate * right + (1 - rate) * (1 - right)


def discordant(first: float, second: float, correlation: float = 0.0) -> tuple[float, float]:
    """P(only the first succeeds) and P(only the second).

    Raises:
        ValueError: for rates outside (0, 1), or a correlation that two such rates can't have.
    """
    if not (0 < first < 1 and 0 < second < 1):
        raise ValueError(f"success rates lie between 0 and 1, not {first:g} and {second:g}")
    shared = correlation * math.sqrt(first * (1 - first) * second * (1 - second))
    only = first * (1 - second) - shared, second * (1 - first) - shared
    if min(*only, first * second + shared, (1 - first) * (1 - second) + shared) < 0:
        raise ValueError(f"rates {first:g} and {second:g} can't have correlation {correlation:g}")
    return only


@lru_cache(maxsize=8192)
def _critical(m: int) -> int:
    """The largest k at which k of m is significant, two-sided and exact; -1 where none is."""
    from scipy.stats import binom

    return int(np.searchsorted(2 * binom.cdf(np.arange(m // 2 + 1), m, 0.5), LEVEL, "right")) - 1


def power(n: int, only_first: float, only_second: float) -> float:
    """The probability that exact McNemar at 5 % finds a difference with ``n`` prompts, in either direction."""
    from scipy.stats import binom

    both = only_first + only_second
    if both <= 0:
        return 0.0
    m = np.arange(n + 1)
    m = m[binom.pmf(m, n, both) > 1e-9]
    k = np.array([_critical(int(x)) for x in m])
    share = only_first / both
    rejected = binom.cdf(k, m, share) + binom.sf(m - k - 1, m, share)
    return float((binom.pmf(m, n, both) * np.where(k < 0, 0.0, rejected)).sum())


def prompts_needed(only_first: float, only_second: float, wanted: float = 0.8) -> int | None:
    """The smallest number of prompts from which on the power stays at ``wanted``; None beyond :data:`MOST`.

    The exact test's power is a saw of small teeth: the answer is where it last rises above.
    """
    if only_first == only_second:
        return None
    low, high = 1, 8
    while power(high, only_first, only_second) < wanted:
        if high == MOST:
            return None
        low, high = high, min(high * 2, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if power(middle, only_first, only_second) >= wanted else (middle, high)
        )
    last = [
        n for n in range(high, high + high // 5 + 12) if power(n, only_first, only_second) < wanted
    ]
    return last[-1] + 1 if last else high


def plan(first: float, second: float, accuracy: float = 0.9) -> str:
    """A Markdown table: prompts for 80 and 90 % power, by raters an asset and by correlation of the two methods."""
    lines = [
        f"Prompts needed to tell a success rate of {first:g} from {second:g} (exact McNemar, 5 %, two-sided), if one "
        f"rater is right {accuracy:.0%} of the time:",
        "",
        "| raters an asset | rates seen | correlation | 80 % power | 90 % power |",
        "|--:|--:|--:|--:|--:|",
    ]
    for raters in (1, 3, 5):
        rates = (seen(first, accuracy, raters), seen(second, accuracy, raters))
        for correlation in (0.0, 0.3):
            try:
                only = discordant(*rates, correlation)
            except ValueError:
                if correlation == 0:
                    raise
                continue
            needed = [_said(prompts_needed(*only, wanted)) for wanted in (0.8, 0.9)]
            shown = f"{rates[0]:.2f}, {rates[1]:.2f}"
            lines.append(f"| {raters} | {shown} | {correlation:g} | {' | '.join(needed)} |")
    return "\n".join(lines)


def _said(needed: int | None) -> str:
    return "–" if needed is None else str(needed)
