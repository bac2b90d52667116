"""``prompts``: suites, shipped and imported."""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, aside, say

prompts_app = typer.Typer(help="Prompt suites.", no_args_is_help=True)

app.add_typer(prompts_app, name="prompts")


@prompts_app.command("list")
def prompts_list(
    suite: Annotated[
        str | None, typer.Argument(help="A suite or a file, to see its prompts.")
    ] = None,
) -> None:
    """List the shipped suites, or the prompts of one."""
    from esd_bench.prompts import load_suite, suite_names

    for name in [suite] if suite else suite_names():
        found = load_suite(name)
        line = f"{found.name}: {len(found.prompts)} prompts, {found.licence or 'no licence stated'}"
        say(line)
        for prompt in found.prompts if suite else ():
            say(f"  {prompt.id}  {prompt.text}")


@prompts_app.command("import")
def prompts_import(
    path: Annotated[Path, typer.Argument(help="Your own copy of the list.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="The .toml to write.")],
    format_: Annotated[
        str, typer.Option("--format", help="gpteval3d, t3bench, txt, csv or jsonl.")
    ] = "txt",
    expected: Annotated[int | None, typer.Option(help="How many prompts there should be.")] = None,
    extra: Annotated[Path | None, typer.Option(help="A text file of more prompts.")] = None,
    licence: Annotated[str, typer.Option(help="What you know of its licence.")] = "",
) -> None:
    """Turn somebody's list of prompts into a suite.

    Example: esd-bench prompts import prompts.json --format gpteval3d -o gpteval3d.toml
    """
    from esd_bench.prompt_import import import_suite, write_suite

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        suite = import_suite(path, format_, expected, extra, licence)
    for warning in caught:
        aside(f"warning: {warning.message}")
    write_suite(suite, output)
    say(f"{len(suite.prompts)} prompts in {output}")
