"""``report`` makes tables of stored scores, ``sheet`` a picture of the assets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, aside
from esd_bench.cli._options import choices


@app.command()
def report(
    runs: Annotated[
        Path,
        typer.Argument(help="The folder of runs, one suite or prompt of it, or a CSV of scores."),
    ] = Path("runs"),
    table: Annotated[
        str | None, typer.Option(help="1, 2, 3, overview, spread, per_prompt, collapse, or a file.")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="csv, latex, markdown or html.")
    ] = "markdown",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Rows to keep: method=esd, prior=embedded, seed=0; repeat."),
    ] = None,
    show_prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Texts instead of ids.")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published", help="The paper's own tables, flagged.")
    ] = False,
    scores: Annotated[
        Path | None,
        typer.Option(help="Also store the scores as CSV, which stands for the runs later."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="A folder of pages with all tables, plots and assets, instead of text."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file instead of the screen.")
    ] = None,
) -> None:
    """Regenerate the paper's tables from stored scores.

    Examples:

        esd-bench report runs/ --table 1 --format latex

        esd-bench report runs/ --table collapse

        esd-bench report --published --table 3

        esd-bench report runs/ --html report/
    """
    from esd_bench.gather import gather, write_scores
    from esd_bench.report import report as run
    from esd_bench.report import report_published

    if html and (published or table or output):
        raise ValueError("--html makes pages of all tables; leave out --published, --table, --out")
    if published:
        if table not in (None, "1", "2", "3"):
            raise ValueError(f"the paper has tables 1, 2 and 3, not {table!r}")
        text = report_published(int(table) if table else None, format_)
    else:
        if scores:
            write_scores(gather(runs, choices(only)), scores)
        if html:
            _pages(runs, html, choices(only))
            return
        options = {"texts": True} if show_prompts else None
        text = run(runs, table or "overview", format_, choices(only), options)
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    aside(f"written: {output}")


def _pages(runs: Path, folder: Path, only: dict[str, list[str]]) -> None:
    from esd_bench import pages
    from esd_bench.cli._bars import bar

    with bar("pages") as progress:
        built = pages.write(runs, folder, only, progress)
    size = pages.human(built.size)
    aside(f"written: {built.index}, {built.assets} assets, {built.files} files, {size}")


@app.command()
def sheet(
    runs: Annotated[
        Path, typer.Argument(help="The folder of runs, of one suite, or of one prompt.")
    ] = Path("runs"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs to keep: method=esd, wording='view words', seed=0; repeat."),
    ] = None,
    views: Annotated[int, typer.Option(min=1, help="Views of each asset.")] = 6,
    output: Annotated[
        Path, typer.Option("--out", "-o", help="The picture: .png, .webp or .jpg.")
    ] = Path("sheet.png"),
) -> None:
    """Lay the assets side by side: a row for each prompt, some views by each method.

    Examples:

        esd-bench sheet runs/

        esd-bench sheet runs/ --only method=vsd --only method=esd --views 12 --out both.webp
    """
    from esd_bench.sheets import contact_sheet

    if output.suffix not in (".png", ".webp", ".jpg"):
        raise ValueError(f"a sheet is a .png, .webp or .jpg, not {output.name!r}")
    count = contact_sheet(runs, output, choices(only), views)
    aside(f"written: {output}, {count} assets")
