"""The command line in this process, and runs that take a second."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch
from warnings import catch_warnings, simplefilter

from esd_bench import cli, presets
from esd_bench.spec import Choice, RunSpec
from esd_bench.store import Run, RunStore
from tests.tiny_prior import folder


def small(settings: presets.Settings) -> RunSpec:
    """The preset ``small``, of a second: small grids, few samples, few and coarse pictures."""
    spec = presets.embedded(settings)
    options = {"grids": (6, 12), "samples": 8, "evaluation_samples": 4}
    scene = Choice.of("scenes", "voxels", options)
    return replace(spec, scene=scene, views=("sphere:8", "ring:15:8"), view_size=32)


@dataclass(frozen=True)
class Said:
    """What a command left on the screen."""

    code: int
    out: str
    err: str


def command(*words: object) -> Said:
    """``esd-bench`` with these words, as the console script calls it; it knows the preset ``small``."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["esd-bench", *map(str, words)]),
        patch.dict(presets.PRESETS, small=small),
        patch.dict(presets.FULL, small=presets.embedded_full),
        redirect_stdout(out),
        redirect_stderr(err),
        catch_warnings(),
    ):
        # What a browser of other tests left open is no news of this command.
        simplefilter("ignore", ResourceWarning)
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def quick(out: Path, *words: object) -> list[str]:
    """Words of a ``generate`` of six steps of SDS and four more: the tiny prior and the preset ``small``."""
    given = [
        *("generate", "--preset", "small", "--prior", folder(), "--steps", "6,4"),
        *("--checkpoint", "2", "--out", out, *words),
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


if __name__ == "__main__":
    said = command(*sys.argv[1:])
    sys.stdout.write(said.out)
    sys.stderr.write(said.err)
    sys.exit(said.code)
