"""``embedded``: the small models that ship."""

from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, say
from esd_bench.cli._options import Device, device_of

embedded_app = typer.Typer(
    help="The small models that ship with the package.", no_args_is_help=True
)

app.add_typer(embedded_app, name="embedded")


@embedded_app.command("train")
def embedded_train(
    stages: Annotated[
        list[str], typer.Argument(help="all, or data, vae, clip, prior=embedded, classifier, card.")
    ],
    output: Annotated[Path, typer.Option("--out", "-o", help="Checkpoints, data and weights.")],
    front: Annotated[
        float | None, typer.Option(help="Share of front views, instead of the prior's own.")
    ] = None,
    pace: Annotated[float, typer.Option(help="Factor on the training times.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny data, to try the chain.")] = False,
    device: Device = "auto",
) -> None:
    """Train the embedded models anew: under twenty minutes on one H100-class GPU; running it again resumes.

    Example: esd-bench embedded train all --out trained/
    """
    from esd_bench.embedded.train import progress_shown, train
    from esd_bench.embedded.training.job import Job

    with progress_shown():
        train(
            stages, Job(output, device_of(device), pace=pace, seed=seed, front=front, quick=quick)
        )


@embedded_app.command("export")
def embedded_export(
    name: Annotated[str, typer.Argument(help="embedded or embedded-biased")],
    output: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
) -> None:
    """Write a prior as a complete folder that diffusers' StableDiffusionPipeline loads."""
    from esd_bench.embedded.weights import export

    say(f"written: {export(name, output)}")
