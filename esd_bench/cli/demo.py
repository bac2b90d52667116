"""``demo``: generate, score and report at once."""

import os
from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, out
from esd_bench.cli._bars import bar, run_bars
from esd_bench.cli._options import Out, whole


@app.command()
def demo(
    output: Out = Path("demo"),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes side by side.")] = None,
    steps: Annotated[
        str | None, typer.Option(help="Of the SDS stage and of the one after it.")
    ] = None,
) -> None:
    """Generate, score and report on the embedded prior: some minutes on two cores, with pictures and a page."""
    from esd_bench import pages
    from esd_bench.demo import grid, summarise
    from esd_bench.generate import generate as make
    from esd_bench.store import RunStore

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False, soft_wrap=True)

    specs, store = grid(whole(steps)), RunStore(output)
    missing, count = store.missing(specs), workers or min(2, os.cpu_count() or 1)
    say(
        f"{len(missing)} of {len(specs)} assets to make, {count} at a time: SDS, then VSD and ESD from it"
    )
    if missing:
        say(f"{store.preview} shows the present state, renewed every 100 steps")
    with run_bars(missing) as (watch, finished):
        for run in make(specs, store, workers=count, watch=watch):
            finished(run)
    done = summarise(output, specs, say)
    for run in done.runs:
        verdict = "right" if run in done.successes else "not right"
        say(f"{verdict} by the oracle's rule: {run.record.label}, {run.spec.prompt.text}")
    say(f"all assets side by side: {done.picture}")
    with bar("pages") as progress:
        built = pages.write(output, output / "report", progress=progress)
    say(f"to look at them: open {built.index} in a browser, from disk")
    say(f'to judge them: pip install "esd-bench[label]", then esd-bench label {output}')
