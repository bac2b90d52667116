"""The command line in this process, and runs that take a second."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from esd_bench import cli
from esd_bench.store import Run, RunStore
from tests.tiny_prior import folder


@dataclass(frozen=True)
class Said:
    """What a command left on the screen."""

    code: int
    out: str
    err: str


def command(*words: object) -> Said:
    """``esd-bench`` with these words, as the console script calls it."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["esd-bench", *map(str, words)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def quick(out: Path, *words: object) -> list[str]:
    """Words of a ``generate`` of six steps of SDS and four more: tiny prior, small grids, coarse pictures."""
    given = [
        *("generate", "--prior", folder(), "--steps", "6,4", "--checkpoint", "2", "--out", out),
        *("--set", "scene.grids=6,12", "--set", "scene.samples=8"),
        *("--set", "scene.evaluation_samples=4"),
        *words,
    ]
    return [str(word) for word in (*given, *(() if "--prompt" in words else ("--prompt", "a")))]


def views(out: Path, **filters: object) -> dict[tuple[str, int], dict[str, str]]:
    """Digests of the views in a folder of runs by method and seed."""
    found = RunStore(out).find(**filters)
    return {(run.spec.method.title, run.spec.seed): dict(run.record.views) for run in found}


def only(out: Path, **filters: object) -> Run:
    """The one run there."""
    (run,) = RunStore(out).find(**filters)
    return run
