"""``report`` makes tables of stored scores, ``sheet`` a picture of the assets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from esd_bench.cli._app import app, aside
from esd_bench.cli._options import choices, given

Runs = Annotated[
    Path,
    typer.Argument(help="The folder of runs, one suite or prompt of it, or a CSV of scores."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(help="Rows to keep: method=esd, prior=embedded, seed=0; repeat."),
]
Format = Annotated[str, typer.Option("--format", help="csv, latex, markdown or html.")]
Interval = Annotated[
    str | None,
    typer.Option(help="bootstrap (over prompts), hierarchical (prompts, then seeds), t or none."),
]
Failed = Annotated[
    str | None,
    typer.Option(help="A failed run is no success (fail, the default), or is left out (exclude)."),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="A file instead of the screen.")]


@app.command()
def report(
    runs: Runs = Path("runs"),
    table: Annotated[
        str | None,
        typer.Option(
            help="1, 2, 3, overview, spread, per_prompt, collapse, paired, ranks, or a file."
        ),
    ] = None,
    format_: Format = "markdown",
    only: Only = None,
    interval: Interval = None,
    p_values: Annotated[
        str | None,
        typer.Option(metavar="METHOD", help="Test every method against this one; p is adjusted."),
    ] = None,
    failed: Failed = None,
    per_seed: Annotated[
        bool, typer.Option("--per-seed", help="A row for each seed instead of their mean.")
    ] = False,
    show_prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Texts instead of ids.")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published", help="The paper's own tables, flagged.")
    ] = False,
    lint: Annotated[
        bool,
        typer.Option("--lint", help="Check anybody's CSV (RUNS), or the paper's (--published)."),
    ] = False,
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="With --lint: prompts behind each mean.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Also store the scores as CSV, which stands for the runs later."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="A folder of pages with all tables, plots and assets, instead of text."),
    ] = None,
    output: Out = None,
) -> None:
    r"""Regenerate the paper's tables from stored scores; check the tables of others.

    --lint reads a CSV with the columns method, prompt, n, iq, iv, ig, sr (or success, in per cent), fid, clip (a distance; or
    clip_score), and each with _sd: all but method may be missing. Digits count: they say what was rounded. "0.13 ± 0.05" holds
    a deviation, and `**x**` or `\textbf{x}` marks the best. Exit code 1 if something can't be, whatever the rounding.

    Examples:

        esd-bench report runs/ --table 1 --format latex

        esd-bench report runs/ --table 2 --interval hierarchical --p-values vsd

        esd-bench report runs/ --table collapse --per-seed

        esd-bench report --published --table 3

        esd-bench report runs/ --html report/

        esd-bench report --lint theirs.csv --n 120
    """
    if lint:
        _lint(None if published else runs, table, n, format_, output)
        return
    from esd_bench.gather import gather, write_scores
    from esd_bench.report import report as run
    from esd_bench.report import report_published

    if html and (published or table or output):
        raise ValueError("--html makes pages of all tables; leave out --published, --table, --out")
    options = given(interval=interval, p_values=p_values, failed=failed, texts=show_prompts or None)
    if published:
        text = report_published(_number(table), format_)
    else:
        if scores:
            write_scores(gather(runs, choices(only)), scores)
        if html:
            _pages(runs, html, choices(only))
            return
        text = run(runs, table or "overview", format_, choices(only), options, per_seed)
    written(text, output)


def _number(table: str | None) -> int | None:
    if table not in (None, "1", "2", "3"):
        raise ValueError(f"the paper has tables 1, 2 and 3, not {table!r}")
    return int(table) if table else None


def _lint(
    file: Path | None, table: str | None, n: int | None, format_: str, output: Path | None
) -> None:
    from esd_bench.report import lint_file, lint_published

    text, bad = lint_file(file, n, format_) if file else lint_published(_number(table), format_)
    written(text, output)
    if bad:
        raise typer.Exit(1)


def written(text: str, output: Path | None) -> None:
    """A text on the screen, or in a file."""
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
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
