"""``label`` serves the human study and counts what it says."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from esd_bench.cli._app import app, aside, say
from esd_bench.cli._options import choices, numbers

if TYPE_CHECKING:
    from esd_bench.labelling.study import Mode


@app.command()
def label(
    runs: Annotated[
        Path, typer.Argument(help="The folder of runs, of one suite, or of one prompt.")
    ] = Path("runs"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs to show: method=esd, wording='view words', seed=0; repeat."),
    ] = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="Two methods side by side: which is better?")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one.")] = 8765,
    host: Annotated[
        str, typer.Option(help="An address that other machines reach; think first.")
    ] = "127.0.0.1",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
    gold: Annotated[
        Path | None, typer.Option(help="CSV of known answers (run,view,count,look), for --tally.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A rater who does not count in the tally; repeat.")
    ] = None,
    tally: Annotated[
        bool, typer.Option("--tally", help="Print success rates and agreement; no server.")
    ] = False,
    missing: Annotated[
        Literal["exclude", "fail"], typer.Option(help="What a missing or undecided seed is.")
    ] = "exclude",
    format_: Annotated[
        str, typer.Option("--format", help="Of --tally: markdown, csv, latex or html.")
    ] = "markdown",
    export: Annotated[Path | None, typer.Option(help="Write all labels as CSV; not blind.")] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", help="Take over another lab's CSV of labels.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write success_rate into the runs, for the tables.")
    ] = False,
    power: Annotated[
        str | None,
        typer.Option(help="Prompts needed to tell two success rates apart, such as 0.2,0.5."),
    ] = None,
    accuracy: Annotated[
        float, typer.Option(min=0.5, max=1, help="Of --power: how often one rater is right.")
    ] = 0.9,
) -> None:
    """Run a human study on a local page: blind, in random order, three questions an asset; and count the answers.

    Needs the extra "label": pip install "esd-bench[label]". Labels are kept in RUNS/.labels, every click at once.

    Examples:

        esd-bench label runs/

        esd-bench label runs/ --tally --write

        esd-bench label runs/ --export labels.csv

        esd-bench label --power 0.2,0.5
    """
    if power is not None:
        from esd_bench.labelling.power import plan

        say(plan(*_two(power), accuracy))
        return
    mode: Mode = "pairs" if pairwise else "single"
    chosen = choices(only)
    if without and not (tally or write):
        raise ValueError("--without is for --tally and --write")
    if not (tally or export or import_ or write):
        from esd_bench.labelling.serve import serve

        serve(runs, mode, chosen, host, port, not no_browser, gold, aside)
        return
    from esd_bench.labelling.acts import Act, act

    if pairwise and write:
        raise ValueError("--write is for labels of single assets")
    if write and missing == "fail":
        raise ValueError("--missing fail is for --tally; --write leaves open what is undecided")
    left = tuple(without or ())
    what = Act(mode, chosen, tally, format_, missing, gold, export, import_, write, left)
    text = act(runs, what, aside)
    sys.stdout.write(text)


def _two(text: str) -> tuple[float, float]:
    given = numbers(text)
    if len(given) != 2:
        raise ValueError(f"--power takes two success rates, such as 0.2,0.5, not {text!r}")
    return given[0], given[1]
