"""The checks: each takes all rows of a table and yields what it finds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

from esd_bench.lint.arithmetic import (
    apart,
    count,
    covariance,
    denominators,
    feasible,
    gain_range,
    judge,
)
from esd_bench.lint.rows import HIGHER, Row
from esd_bench.stats import mcnemar_bounds

LEVEL, Z = 0.05, 1.959964
SIZES = range(20, 400)
"""Numbers of prompts that are tried where nobody says one, or where the one said does not fit."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        severity: "error", "warning" or "note".
        check: gain, covariance, spread, counts, best or significance.
        where: the line or cell.
        verdict: a word for machines, such as "inconsistent".
        text: a sentence.
    """

    severity: str
    check: str
    where: str
    verdict: str
    text: str


SEVERITY = {"inconsistent": "error", "truncation": "warning", "rounding": "warning", "ok": "note"}


def verdict_of_gain(row: Row) -> tuple[str, str]:
    """The flag of one asset's IG, and why it is not ok: it must be (IV - IQ) / IQ."""
    ranges = row.gain or _ranges(row)
    if ranges is None or "ig" not in row.entries:
        return "", ""
    near, wide = ranges
    flag = judge(row.entries["ig"].printed, near, wide)
    ratio = (near[0] + near[1]) / 2
    return flag, "" if flag == "ok" else f"{flag}: its row gives (IV − IQ)/IQ = {ratio:.4f}"


def _ranges(row: Row) -> tuple[tuple[float, float], tuple[float, float]] | None:
    if not {"iq", "iv"} <= set(row.entries):
        return None
    iq, iv = row.entries["iq"].printed, row.entries["iv"].printed
    exact = iv.value / iq.value - 1 if iq.value else float("nan")
    return ((exact, exact), gain_range(iq, iv)) if iq.range[0] > 0 else None


def verdict_of_mean_gain(row: Row) -> tuple[str, str]:
    """The flag of a mean of gains, and why it is impossible: some covariance of IQ and IG must explain it."""
    if not {"iq", "iv", "ig"} <= set(row.entries):
        return "", ""
    iq, iv, ig = (row.entries[x] for x in ("iq", "iv", "ig"))
    if iq.sd is None or ig.sd is None:
        return "", ""
    needed = covariance(iq.printed, iv.printed, ig.printed)
    if feasible(needed, iq.sd, ig.sd):
        return "ok", ""
    least, most = min(map(abs, needed)), iq.sd.range[1] * ig.sd.range[1]
    return "inconsistent", (
        f"inconsistent: as a mean of gains it needs Cov(IQ, IG) of at least {least:.4f}, "
        f"but the standard deviations allow {most:.4f}"
    )


def gains(rows: Sequence[Row]) -> Iterator[Finding]:
    """IG of single assets against their IQ and IV."""
    for row in (x for x in rows if x.asset):
        flag, why = verdict_of_gain(row)
        if flag not in ("", "ok"):
            yield Finding(SEVERITY[flag], "gain", _named(row), flag, _mended(row, why))


def _mended(row: Row, why: str) -> str:
    """What IQ or IV would have to be."""
    pair, ig = _ranges(row), row.entries["ig"].printed
    flag, _, reason = why.partition(": ")
    said = f"IG {ig.value:.{ig.decimals}f} ({flag}): {reason}"
    if pair is None or flag != "inconsistent":
        return said
    iq, iv = row.entries["iq"].printed.value, row.entries["iv"].printed.value
    return f"{said}; it would take an IQ of {iv / (1 + ig.value):.3f} or an IV of {iq * (1 + ig.value):.3f}"


def mean_gains(rows: Sequence[Row]) -> Iterator[Finding]:
    """Means of IG: are they the gain of the means, and if not, can they be a mean of gains?"""
    for row in (x for x in rows if not x.asset and "ig" in x.entries and _ranges(x)):
        ranges = _ranges(row)
        assert ranges is not None
        ig, (near, wide) = row.entries["ig"].printed, ranges
        flag, why = verdict_of_mean_gain(row)
        of_means = judge(ig, near, wide)
        said = f"IG {ig.value:.{ig.decimals}f}; the gain of the means is {near[0]:.4f}"
        if of_means != "inconsistent":
            text = f"{said}, so it is that ({of_means}), not the mean of the assets' gains"
            yield Finding("note", "gain", _named(row), "gain of means", text)
        elif flag == "inconsistent":
            yield Finding("error", "covariance", _named(row), flag, f"{said}; {why}")
        else:
            rest = (
                "a mean of gains can be"
                if flag
                else "without deviations of IQ and IG a mean of gains can't be checked"
            )
            yield Finding(
                "note",
                "covariance",
                _named(row),
                flag or "unchecked",
                f"{said}; {rest}{_correlation(row)}",
            )


def _correlation(row: Row) -> str:
    iq, iv, ig = (row.entries[x] for x in ("iq", "iv", "ig"))
    if iq.sd is None or ig.sd is None or not iq.sd.value * ig.sd.value:
        return ""
    needed = iv.printed.value - iq.printed.value * (1 + ig.printed.value)
    return (
        f" (it takes a correlation of {needed / (iq.sd.value * ig.sd.value):.2f} between IQ and IG)"
    )


def spreads(rows: Sequence[Row]) -> Iterator[Finding]:
    """Deviations of IQ and IV that ask for the opposite of what IG asks for."""
    for row in (x for x in rows if {"iq", "iv", "ig"} <= set(x.entries)):
        iq, iv, ig = (row.entries[x] for x in ("iq", "iv", "ig"))
        if iq.sd is None or iv.sd is None or iv.sd.range[1] >= iq.sd.range[0]:
            continue
        if covariance(iq.printed, iv.printed, ig.printed)[0] > 0:
            text = (
                f"sd(IV) {iv.sd.value} < sd(IQ) {iq.sd.value} needs Cov(IQ, IV − IQ) < 0, "
                "but the mean IG needs Cov(IQ, IG) > 0"
            )
            yield Finding("warning", "spread", _named(row), "opposite signs", text)


def counts(rows: Sequence[Row]) -> Iterator[Finding]:
    """Percentages of success as whole numbers of prompts, for the stated number and for others."""
    own = [x for x in rows if "success_rate" in x.entries and not x.asset]
    if 0 < max((x.entries["success_rate"].printed.value for x in own), default=0) <= 1:
        text = "no success rate above 1: percentages are expected, 55.8 and not .558, so nothing was counted"
        yield Finding("warning", "counts", own[0].where.partition(":")[0], "shares", text)
        return
    for row in (x for x in own if x.n):
        rate, n = row.entries["success_rate"].printed, row.n or 0
        whole = count(rate, n)
        said = f"{rate.value:.{rate.decimals}f} % "
        if whole is None:
            text = f"{said}is no whole number of {n} prompts"
            yield Finding("error", "counts", _named(row), "no whole number", text)
        else:
            yield Finding("note", "counts", _named(row), "ok", f"{said}is {whole} of {n} prompts")
    if own:
        fits = denominators([x.entries["success_rate"].printed for x in own], SIZES)
        listed = ", ".join(map(str, fits[:8])) + (" …" if len(fits) > 8 else "")
        text = f"sizes between {SIZES[0]} and {SIZES[-1]} that fit every percentage: {listed or 'none'}"
        yield Finding("note", "counts", own[0].where.partition(":")[0], "sizes", text)


def best(rows: Sequence[Row]) -> Iterator[Finding]:
    """Cells marked as the best of their prompt that are not."""
    for _, score, own in _columns(rows):
        goal = (max if HIGHER[score] else min)(x.entries[score].printed.value for x in own)
        better = [x.method for x in own if x.entries[score].printed.value == goal]
        for row in own:
            value = row.entries[score].printed.value
            if row.entries[score].bold and value != goal:
                text = f"{score} {value:g} is marked or claimed as the best, but {', '.join(better)} has {goal:g}"
                yield Finding("error", "best", _named(row), "not the best", text)


def significance(rows: Sequence[Row]) -> Iterator[Finding]:
    """What unpaired means, deviations and n, or totals of success, say about each pair of methods."""
    for _, score, own in _columns([x for x in rows if not x.asset]):
        for a, b in combinations(own, 2):
            yield from _by_counts(a, b) if score == "success_rate" else _by_means(a, b, score)


def _by_means(a: Row, b: Row, score: str) -> Iterator[Finding]:
    x, y = a.entries[score], b.entries[score]
    if x.sd is None or y.sd is None or not a.n or not b.n:
        return
    least, most = apart(x.printed, y.printed, (x.sd, y.sd), (a.n, b.n))
    where = f"{_named(a)} and {b.method}"
    said = f"{score}: unpaired |z| of {least:.1f} to {most:.1f}"
    if most < Z:
        claimed = _claimed(a, b, score)
        text = f"{said}: not told apart by these numbers; only the pairs could"
        yield Finding("warning" if claimed else "note", "significance", where, "not carried", text)
    else:
        verdict = "carried" if least >= Z else "depends on rounding"
        yield Finding("note", "significance", where, verdict, said)


def _by_counts(a: Row, b: Row) -> Iterator[Finding]:
    totals = [count(x.entries["success_rate"].printed, x.n) if x.n else None for x in (a, b)]
    if totals[0] is None or totals[1] is None or a.n is None or a.n != b.n:
        return
    low, high = mcnemar_bounds(totals[0], totals[1], a.n)
    said = f"{totals[0]} and {totals[1]} of {a.n}: McNemar's p from {low:.2g} to {high:.2g}"
    where, claimed = f"{_named(a)} and {b.method}", _claimed(a, b, "success_rate")
    if low > LEVEL:
        text = f"{said}, never significant whatever the overlap"
        yield Finding("warning" if claimed else "note", "significance", where, "not carried", text)
    elif high <= LEVEL:
        text = f"{said}, significant whatever the overlap"
        yield Finding("note", "significance", where, "carried", text)
    else:
        yield Finding("note", "significance", where, "depends", f"{said}, by the overlap")


def _claimed(a: Row, b: Row, score: str) -> bool:
    """Whether exactly one of two is marked as the best."""
    return a.entries[score].bold != b.entries[score].bold


def _columns(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """(prompt, score, rows that have it) for all groups of rows that are compared."""
    ordered = sorted(rows, key=lambda x: x.prompt)
    for prompt, group in groupby(ordered, key=lambda x: x.prompt):
        own = list(group)
        for score in HIGHER:
            having = [x for x in own if score in x.entries]
            if len(having) > 1:
                yield prompt, score, having


def _named(row: Row) -> str:
    return f"{row.where}, {row.method}" + (f", {row.prompt[:24]}" if row.prompt else "")


CHECKS: tuple[Callable[[Sequence[Row]], Iterator[Finding]], ...] = (
    gains,
    mean_gains,
    spreads,
    counts,
    best,
    significance,
)
