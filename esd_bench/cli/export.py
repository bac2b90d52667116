"""``export`` writes finished assets as GLB."""

from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, aside, say
from esd_bench.cli._bars import bar
from esd_bench.cli._options import Device, choices, device_of


@app.command()
def export(
    runs: Annotated[
        Path, typer.Argument(help="The folder of runs, of one suite, or of one prompt.")
    ] = Path("runs"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs to keep: method=esd, prompt=a-red-cat, seed=0; repeat."),
    ] = None,
    resolution: Annotated[int, typer.Option(min=4, max=512, help="Cells per side.")] = 96,
    texture: Annotated[int, typer.Option(min=16, max=8192, help="Texels per side.")] = 512,
    again: Annotated[bool, typer.Option("--again", help="Also what is there already.")] = False,
    device: Device = "auto",
) -> None:
    """Write each finished asset as asset.glb, a mesh with a texture, beside its run; what is there is skipped.

    Needs the extra "mesh": pip install "esd-bench[mesh]"

    Examples:

        esd-bench export runs/

        esd-bench export runs/ --only method=esd --texture 1024
    """
    from esd_bench.export import Settings
    from esd_bench.export import export as run

    settings = Settings(resolution, texture, device_of(device), again)
    with bar("exporting") as progress:
        summary = run(runs, choices(only), settings, progress)
    done = [*summary.kept, *summary.made]
    for folder, why in summary.without:
        aside(f"not exported: {folder}: {why}")
    say(f"{len(summary.made)} exported, {len(summary.kept)} kept, {len(summary.without)} without")
    if not done:
        raise typer.Exit(2)
    say(f"for example {done[-1]}")
