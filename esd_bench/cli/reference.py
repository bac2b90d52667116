"""``reference``: pictures sampled from the prior itself."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, aside, say
from esd_bench.cli._bars import bar
from esd_bench.cli._options import Device, device_of

reference_app = typer.Typer(
    help="Reference pictures sampled from the prior itself.", no_args_is_help=True
)

app.add_typer(reference_app, name="reference")


@reference_app.command("build")
def reference_build(
    prompts: Annotated[str | None, typer.Option(help="A suite by name, or a file.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A text of your own; repeat.")] = None,
    prior: Annotated[
        str, typer.Option(help="embedded, embedded-biased, a hub id or a folder.")
    ] = "embedded",
    n: Annotated[int, typer.Option("--n", min=2, help="Pictures per prompt.")] = 48,
    scale: Annotated[float, typer.Option(help="Guidance.")] = 7.5,
    steps: Annotated[int, typer.Option(min=1, help="DDIM steps.")] = 25,
    root: Annotated[
        Path | None,
        typer.Option(help="The cache; default $ESD_BENCH_REFERENCES or ./reference_cache."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Sample the reference pictures of prompts; interrupted work is taken up again.

    Example: esd-bench reference build --prompts demo --n 48
    """
    import torch

    from esd_bench import plugins
    from esd_bench.prompts import ad_hoc, load_suite
    from esd_bench.reference import build

    suite = ad_hoc(prompt) if prompt and not prompts else load_suite(prompts or "demo")
    made = plugins.load("priors", "stable_diffusion")(torch.device(device_of(device)), folder=prior)
    for one in suite.prompts:
        with bar(one.text) as tell:
            progress = partial(tell, what="")
            found = build(made, one.text, n, scale=scale, steps=steps, root=root, progress=progress)
        say(f"{one.text}: {found.path}")


@reference_app.command("list")
def reference_list(
    root: Annotated[Path | None, typer.Option(help="The cache.")] = None,
) -> None:
    """List the finished sets."""
    from esd_bench.reference import sets

    for found in sets(_there(root)):
        say(found.path.name)


@reference_app.command("verify")
def reference_verify(
    root: Annotated[Path | None, typer.Option(help="The cache.")] = None,
) -> None:
    """Check every byte of the cache against its manifests."""
    from esd_bench.reference import sets, verify

    faults = verify(_there(root))
    for fault in faults:
        aside(fault)
    say(f"{len(sets(root))} sets, {len(faults)} faults")
    if faults:
        raise typer.Exit(2)


def _there(folder: Path | None) -> Path | None:
    if folder and not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    return folder
