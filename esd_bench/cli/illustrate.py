"""``illustrate``: the paper's figures."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, say
from esd_bench.cli._bars import bar, run_bars
from esd_bench.cli._options import Device, device_of, numbers, pairs_of, seeds_of, whole
from esd_bench.illustrate import STUDIES, Figure

illustrate_app = typer.Typer(help="The paper's figures.", no_args_is_help=True)

app.add_typer(illustrate_app, name="illustrate")

Figures = Annotated[Path, typer.Option("--out", "-o", help="The folder of figures.")]

Azimuths = Annotated[str, typer.Option(help="Degrees joined by commas; the nearest views.")]


def asked() -> str:
    """The command as it was typed, for what it writes."""
    import shlex

    return shlex.join(["esd-bench", *sys.argv[1:]])


def _written(paths: Sequence[Path]) -> None:
    say(f"written: {', '.join(map(str, paths))}")


@illustrate_app.command("gaussian")
def illustrate_gaussian(
    output: Figures = Path("figures"),
    steps: Annotated[
        int, typer.Option(min=1, help="Optimisation steps; the paper's are 2000.")
    ] = 3000,
) -> None:
    """Figure 3: a Gaussian distilled by SDS, VSD and ESD, beside theory."""
    from esd_bench.illustrate.gaussian import gaussian, table

    say(table(gaussian(output, steps=steps)))
    say(f"written: {output / 'gaussian.png'} and .pdf")


@illustrate_app.command("grid")
def illustrate_grid(
    runs: Annotated[Path, typer.Argument(help="The folder of runs.")] = Path("runs"),
    methods: Annotated[
        str | None, typer.Option(help="Names or labels joined by commas; default: all.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Ids or texts joined by commas; default: all.")
    ] = None,
    azimuths: Azimuths = "0,90,180,270",
    output: Figures = Path("figures"),
) -> None:
    """Figures 1, 4 and 9: finished runs side by side, prompts down, methods and views across.

    Example: esd-bench illustrate grid runs/ --methods sds,vsd,esd --azimuths 0,90,180,270
    """
    from esd_bench.illustrate.grid import grid

    chosen, texts = (x.split(",") if x else [] for x in (methods, prompts))
    _written(grid(runs, output, chosen, texts, numbers(azimuths), asked()))


@illustrate_app.command("entropy")
def illustrate_entropy(
    runs: Annotated[Path, typer.Argument(help="The folder of scored runs.")] = Path("runs"),
    methods: Annotated[
        str | None, typer.Option(help="Names or labels joined by commas; default: all.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Ids or texts joined by commas; default: all.")
    ] = None,
    output: Figures = Path("figures"),
) -> None:
    """Maps of the sphere: how sure the classifier is of each view of an asset.

    Example: esd-bench illustrate entropy runs/ --methods sds,esd
    """
    from esd_bench.illustrate.entropy import entropy

    chosen, texts = (x.split(",") if x else [] for x in (methods, prompts))
    _written(entropy(runs, output, chosen, texts, asked()))


@illustrate_app.command("faces")
def illustrate_faces(
    runs: Annotated[Path, typer.Argument(help="The folder of runs with films.")] = Path("runs"),
    output: Figures = Path("figures"),
    device: Device = "auto",
) -> None:
    """When faces come: the oracle on runs along their steps, beside the entropy of their views.

    Example: esd-bench generate -m vsd -m esd --set engine.film=50 && esd-bench illustrate faces runs/
    """
    from esd_bench.illustrate.faces import faces

    with bar("looking") as progress:
        _written(faces(runs, output, device_of(device), asked(), progress))


def _illustration(name: str, figure: Figure) -> None:
    """Add the command of a figure that is made of runs."""

    @illustrate_app.command(name, help=figure.says)
    def command(
        runs: Annotated[Path, typer.Option(help="The folder of its runs; resumed.")] = Path("runs"),
        output: Figures = Path("figures"),
        prompt: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
        seeds: Annotated[str, typer.Option(help="0, 0-2 or 0,3,5.")] = "0",
        prior: Annotated[str | None, typer.Option(help="Instead of the figure's own.")] = None,
        preset: Annotated[
            str, typer.Option(help="Of its runs; image2d has settings of its own.")
        ] = figure.preset,
        steps: Annotated[
            str | None, typer.Option(help="Steps of the last stage, or of all: 900,200.")
        ] = None,
        azimuths: Azimuths = "0,90,180,270",
        settings: Annotated[
            list[str] | None,
            typer.Option("--set", help="Options of the figure's function; repeat."),
        ] = None,
        pack: Annotated[int, typer.Option(min=1, help="Scenes side by side (GPU).")] = 1,
        workers: Annotated[int, typer.Option(min=1, help="Processes side by side (CPU).")] = 1,
        device: Device = "auto",
    ) -> None:
        from importlib import import_module

        from esd_bench import plugins
        from esd_bench.illustrate.study import Study
        from esd_bench.prompts import ad_hoc

        draw = getattr(import_module(f"esd_bench.illustrate.{figure.module}"), figure.module)
        study = Study(
            runs=runs,
            out=output,
            prompts=ad_hoc(prompt or figure.prompts).prompts,
            seeds=tuple(seeds_of(seeds)),
            preset=preset,
            prior=prior,
            steps=whole(steps),
            azimuths=numbers(azimuths),
            device=device_of(device),
            pack=pack,
            workers=workers,
            command=asked(),
            bars=run_bars,
        )
        _written(draw(study, **plugins.bind(draw, pairs_of(settings))))


for _name, _figure in STUDIES.items():
    _illustration(_name, _figure)
