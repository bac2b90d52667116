"""A study in units: neither what is stored is made again nor what another process of this machine has begun.

No unit is begun that would not end in time, were it like the last. Between machines, shards divide what is missing.
"""

import argparse
import fcntl
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

_CLAIMS: list[IO[str]] = []
"""Kept until the process ends: a unit that is being scored is not stored yet."""


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
    add("--only", type=re.compile, default="", help="regular expression that a unit's name holds")
    add("--commit", default="", help="of this code, where no checkout tells")
    add("--limit", type=int, help="begin no more than so many units")
    add("--compile", action="store_true", help="compile the networks first; minutes, for long work")
    return made


def missing(
    names: Sequence[str],
    stored: Callable[[str], bool],
    a: argparse.Namespace,
    after: Callable[[], float] = lambda: 0.0,
) -> Iterator[str]:
    """The units to be made here, one by one, as long as there is time for another like the last.

    Args:
        names: of all units, in order.
        stored: whether one is there already.
        a: of :func:`parser`.
        after: seconds that a unit goes on while the next is begun.
    """
    from esd_bench.spec import shard

    begun, last = time.time(), 0.0
    left = a.limit if a.limit is not None else len(names)
    for name in shard([x for x in names if a.only.search(x) and not stored(x)], a.shard):
        start = time.time()
        if start - begun + last + after() > a.seconds or left == 0:
            return
        if not claimed(a.runs, name) or stored(name):
            continue
        left -= 1
        yield name
        last = time.time() - start
        print(f"{name}: {last:.0f} s", flush=True)


def claimed(runs: Path, name: str) -> bool:
    """Whether the unit is this process's from now on until it ends, by a file that it locks."""
    runs.mkdir(parents=True, exist_ok=True)
    claim = (runs / f".{name}.claim").open("w")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.close()
        return False
    _CLAIMS.append(claim)
    return True
