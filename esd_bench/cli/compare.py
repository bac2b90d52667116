"""``compare`` tells two methods apart, prompt by prompt."""

from typing import Annotated

import typer

from esd_bench.cli._app import app
from esd_bench.cli._options import choices, given
from esd_bench.cli.report import Failed, Format, Interval, Only, Out, Runs, written


@app.command()
def compare(
    runs: Runs,
    first: Annotated[str, typer.Argument(help="A method's name, or a label as tables print it.")],
    second: Annotated[str, typer.Argument(help="The one that is subtracted.")],
    only: Only = None,
    primary: Annotated[
        list[str] | None,
        typer.Option(help="Scores declared before; repeat. Default: success, janus_rate."),
    ] = None,
    interval: Interval = None,
    failed: Failed = None,
    format_: Format = "markdown",
    output: Out = None,
) -> None:
    """Compare two methods on the prompts that both have, in every score that both have.

    Prints means, their difference with its interval, p raw and adjusted (Holm for the primary scores, Benjamini-Hochberg for
    the others; McNemar's exact test for success with one seed, else sign flips), wins, ties and losses, and the least
    difference that so many prompts could show. [docs/statistics.md](docs/statistics.md) says why.

    Examples:

        esd-bench compare runs/ esd vsd

        esd-bench compare scores.csv "ESD (lambda = 0.5)" vsd --only wording="view words" --primary ig
    """
    from esd_bench.report import compare as run

    options = given(primary=primary and ",".join(primary), interval=interval, failed=failed)
    written(run(runs, first, second, format_, choices(only), options), output)
