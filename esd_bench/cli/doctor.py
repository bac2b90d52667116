"""``doctor`` says what this machine and a prior are good for."""

from typing import Annotated

import typer

from esd_bench.cli._app import app, say
from esd_bench.cli._options import Device, EngineName, Threestudio, device_of, engine_options


@app.command()
def doctor(
    prior: Annotated[
        str | None,
        typer.Option(help="embedded, embedded-biased, a hub id or a folder, to examine."),
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="What to sample instead: two or more; repeat.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="DDIM steps of the samples.")] = 25,
    engine: EngineName = "native",
    threestudio: Threestudio = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="engine.python=…, engine.gpu=….")
    ] = None,
    device: Device = "auto",
) -> None:
    """Say what this machine offers; with --prior, whether a diffusion prior is sound and what is likely wrong.

    Examples:

        esd-bench doctor

        esd-bench doctor --prior embedded

        esd-bench doctor --engine threestudio --threestudio ~/threestudio
    """
    from esd_bench.doctor import check_environment, check_threestudio, diagnose

    options = engine_options(engine, threestudio, settings)
    if engine == "threestudio":
        facts = check_threestudio(**options)
        for fact in facts:
            say(fact)
        if any(fact.advice for fact in facts):
            raise typer.Exit(2)
        return
    if prior is None:
        for fact in check_environment():
            say(fact)
        return
    import torch

    from esd_bench import plugins

    made = plugins.load("priors", "stable_diffusion")(torch.device(device_of(device)), folder=prior)
    found = diagnose(made, prompt, steps=steps)
    for line in found.lines():
        say(line)
    if found.fault:
        raise typer.Exit(2)
