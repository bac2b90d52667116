"""The arithmetic that printed numbers must obey, whatever was rounded.

Flags: ``ok``; ``rounding`` differs, within the rounding of its inputs; ``truncation`` cut off instead of rounded;
``inconsistent`` can't follow from its own row whatever the rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, sqrt


@dataclass(frozen=True)
class Printed:
    """A number as printed: ``value`` to so many ``decimals``."""

    value: float
    decimals: int

    @classmethod
    def of(cls, text: str) -> "Printed":
        """From its digits, trailing zeros included."""
        return cls(float(text), len(text.partition(".")[2]))

    @property
    def unit(self) -> float:
        """One in the last place."""
        return 10.0**-self.decimals

    @property
    def range(self) -> tuple[float, float]:
        """What rounds to it."""
        return self.value - self.unit / 2, self.value + self.unit / 2


Range = tuple[float, float]


def gain_range(iq: Printed, iv: Printed) -> Range:
    """What (IV - IQ) / IQ can be, given that both are rounded."""
    return iv.range[0] / iq.range[1] - 1, iv.range[1] / iq.range[0] - 1


def judge(printed: Printed, ratio: Range, wide: Range) -> str:
    """The flag of a printed gain.

    Args:
        printed: the gain.
        ratio: (IV - IQ) / IQ of the printed IQ and IV; a range where it is known to some decimals only.
        wide: the same with the rounding of IQ and IV allowed for.
    """
    cut = (printed.value, printed.value + printed.unit)
    if _meet(ratio, printed.range):
        return "ok"
    if _meet(ratio, cut):
        return "truncation"
    if _meet(wide, printed.range):
        return "rounding"
    return "truncation" if _meet(wide, cut) else "inconsistent"


def _meet(a: Range, b: Range) -> bool:
    # Half-open above, with slack for binary fractions.
    return a[0] < b[1] - 1e-9 and b[0] <= a[1] + 1e-9


def covariance(iq: Printed, iv: Printed, ig: Printed) -> Range:
    """What Cov(IQ, IG) over assets must be if IG is their mean gain: IQ_i IG_i = IV_i - IQ_i for every asset."""
    ends = [(v - q) - q * g for q in iq.range for v in iv.range for g in ig.range]
    return min(ends), max(ends)


def feasible(needed: Range, sd_iq: Printed, sd_ig: Printed) -> bool:
    """Whether standard deviations allow a covariance (Cauchy and Schwarz); the same for n and for n - 1."""
    least = 0.0 if needed[0] <= 0 <= needed[1] else min(abs(x) for x in needed)
    return least <= sd_iq.range[1] * sd_ig.range[1]


def count(percent: Printed, n: int) -> int | None:
    """The whole number behind a percentage of ``n``, or None where there is none."""
    low, high = (x * n / 100 for x in percent.range)
    return ceil(low - 1e-9) if ceil(low - 1e-9) <= floor(high + 1e-9) else None


def denominators(percents: Sequence[Printed], among: Iterable[int]) -> list[int]:
    """The sample sizes for which every percentage is a whole number of cases."""
    return [n for n in among if all(count(percent, n) is not None for percent in percents)]


def apart(a: Printed, b: Printed, sds: tuple[Printed, Printed], n: tuple[int, int]) -> Range:
    """Unpaired |z| of two means: the least and the most that rounding allows."""
    gap, slack = abs(a.value - b.value), (a.unit + b.unit) / 2
    least, most = (
        sqrt(sum(max(sd.range[end], 0.0) ** 2 / k for sd, k in zip(sds, n, strict=True)))
        for end in (0, 1)
    )
    return max(gap - slack, 0.0) / most, (gap + slack) / least if least > 0 else inf
