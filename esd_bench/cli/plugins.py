"""``list``: what there is to choose from."""

from typing import Annotated

import typer
from rich.markup import escape

from esd_bench.cli._app import app, out, say


@app.command("list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, schedules, students, priors, scenes, metrics, ...")
    ],
) -> None:
    """List the plugins of a kind with their options.

    Example: esd-bench list methods
    """
    from esd_bench import plugins

    if kind not in plugins.KINDS:
        raise ValueError(f"no kind {kind!r}; there are: {', '.join(plugins.KINDS)}")
    for name in plugins.names(kind):
        function = plugins.load(kind, name)
        title = f"[bold]{name}[/bold]  {escape(plugins.summary(function))}"
        out.print(title, highlight=False, soft_wrap=True)
        for option, parameter in plugins.options(function).items():
            say(f"    {option} = {parameter.default!r}")
