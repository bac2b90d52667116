"""A study in units: what is stored is not made again, shards divide what is missing, and no unit is begun that would not end in time."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def parser(what: str | None, runs: str, out: Path) -> argparse.ArgumentParser:
    """A command line with what every study takes."""
    made = argparse.ArgumentParser(
        description=what, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = made.add_argument
    add("--runs", type=Path, default=Path(runs), help="where pictures and scenes go")
    add("--out", type=Path, default=out, help="where numbers go")
    add("--device", default="cuda")
    add("--shard", default="0/1", help="I/N: every N-th missing unit, from the I-th")
    add("--seconds", type=float, default=1e9, help="begin no unit that would not end by then")
    add("--only", default="", help="part of a unit's name")
    return made


def missing(
    names: Sequence[str],
    stored: Callable[[str], bool],
    a: argparse.Namespace,
    after: Callable[[], float] = lambda: 0.0,
) -> Iterator[str]:
    """The units to be made here, one by one, as long as there is time for another like the longest so far.

    Args:
        names: of all units, in order.
        stored: whether one is there already.
        a: of :func:`parser`.
        after: seconds that a unit goes on while the next is begun.
    """
    from esd_bench.spec import shard

    begun, longest = time.time(), 0.0
    for name in shard([x for x in names if a.only in x and not stored(x)], a.shard):
        start = time.time()
        if start - begun + longest + after() > a.seconds:
            return
        yield name
        longest = max(longest, time.time() - start)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)
