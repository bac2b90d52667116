"""``score`` turns the pictures of finished runs into numbers."""

from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, aside, say
from esd_bench.cli._bars import bar
from esd_bench.cli._options import (
    Address,
    Device,
    ExecutorName,
    Gpus,
    Workers,
    device_of,
    executor_of,
)


@app.command()
def score(
    runs: Annotated[Path, typer.Argument(help="The folder of runs.")] = Path("runs"),
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric or a file; repeat. Default: all.")
    ] = None,
    views: Annotated[
        list[str] | None,
        typer.Option(
            help="Protocols instead of the run's own: sphere:120, ring:15:36; sphere=ring:15:119 scores a ring as what it is."
        ),
    ] = None,
    band: Annotated[
        str,
        typer.Option(
            help="Elevations in degrees that training saw: a sphere is scored there too; or none."
        ),
    ] = "-10:45",
    background: Annotated[str, typer.Option(help="white, grey or black.")] = "white",
    references: Annotated[
        int, typer.Option(help="Pictures per reference set; 0 leaves FID, KID and CMMD out.")
    ] = 48,
    embedder: Annotated[
        list[str] | None,
        typer.Option(help="role=network,option=value: clip=clip,model=ViT-B-32; repeat."),
    ] = None,
    fid_mode: Annotated[
        str | None,
        typer.Option(
            help="FID and KID as a library resizes for them: clean, pytorch, torchmetrics or tf1."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Score also what is scored already.")
    ] = False,
    executor: ExecutorName = "",
    workers: Workers = None,
    address: Address = None,
    gpus: Gpus = None,
    device: Device = "auto",
) -> None:
    """Score finished runs; what is scored already is skipped.

    Examples:

        esd-bench score runs/

        esd-bench score runs/ --metric fid --metric inception --references 96

        esd-bench score runs/ --metric fid --metric kid --fid-mode pytorch --band none

        esd-bench score runs/ --executor ray --gpus 1      on an existing cluster, sixteen runs a task
    """
    from esd_bench.features import override
    from esd_bench.score import Settings
    from esd_bench.score import score as run

    place = device_of(device, executor, gpus)
    where = executor_of(executor, place, workers, address, gpus)
    settings = Settings(
        background=background,
        views=tuple(views or ()),
        band=_band(band),
        device=place,
        references=references,
        embedders=dict(override(text) for text in embedder or ()),
        fid_mode=fid_mode,
        again=again,
    )
    with bar("scoring") as progress:
        summary = run(runs, metric, settings, progress, where)
    say(
        f"{summary.scored} scored, {summary.kept} kept, {summary.failed} failed runs without scores"
    )
    for reason, count in summary.skipped.items():
        aside(f"skipped ({count}): {reason}")
    for problem, count in summary.problems.items():
        aside(f"error ({count}): {problem}")
    if summary.problems:
        raise typer.Exit(2)
    say(f"next: esd-bench report {runs} --table 1")


def _band(text: str) -> tuple[float, float] | None:
    """Two elevations from ``LOW:HIGH``, or nothing."""
    if text == "none":
        return None
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise ValueError(f"a band is LOW:HIGH in degrees, or none, not {text!r}") from None
    return low, high
