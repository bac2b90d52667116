"""The study's tables, figures and verdict out of its stored units: ``make paper``, or ``python -m reports.embedded.paper``.

    python -m reports.embedded.paper                       everything, and the tables of README.md
    python -m reports.embedded.paper show collapse         one stored table, as README.md holds it
    python -m reports.embedded.paper scores study.csv.gz   all scores of the stored views, for esd-bench report and compare

Rerun it at any time: arms that lack a seed count as cut and are named. No torch.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

FOLDER = Path(__file__).parents[1]
ENDINGS = {"csv": "csv", "latex": "tex", "markdown": "md"}
RULED = {
    "primary": "Primary family: ESD against the same with λ = 0",
    "vsd": "Secondary: ESD against VSD as published, by the rule of the primary family",
    "exact": "Exploratory: ESD with the exact student against the same with λ = 0, by the rule of the primary family",
}
"""Families to which the protocol's rule is applied -> their tables' titles."""
WIDE = {
    "within": 4,
    **dict.fromkeys(("explored-collapse", "explored-quality", "explored-detectors"), 3),
}
"""Tables that no page is wide enough for -> columns of their LaTeX's parts."""
FIGURES = {
    "differences.webp": "Differences of all arms from ESD (0) in the Janus rate and in success, with intervals",
    "metrics.webp": "AUC of every metric for a Janus, with intervals",
    "clouds.webp": "Metrics over the Janus rate, a dot an asset",
    "sheets.webp": "The first prompts of the arm with the highest Janus rate, and of the one that succeeds most; four views of each",
    "pairs.webp": "For each metric that would have told or misled a Janus and a right object that show it",
}


def write(folder: Path) -> Iterator[Path]:
    """Everything, one file after the other.

    Raises:
        ValueError: in one line, where a unit is not what the protocol wants.
    """
    from esd_bench.formats import render
    from reports.embedded.paper import (
        beside,
        bodies,
        equal_time,
        judged,
        judgements,
        outcomes,
        pictures,
        sheets,
        units,
        verdict,
    )

    study = units.read(folder)
    means, tests = outcomes.means(study), outcomes.exploratory(study)
    families = {
        "primary": outcomes.family(study),
        "vsd": outcomes.family(study, "vsd"),
        "exact": outcomes.family(study, student="exact"),
    }
    seen = judged.Judged(study)
    pages = sheets.stored(folder, study)
    views = sheets.strips(pages, study)
    pairs = {right: judgements.chosen(seen, right, views) for right in (True, False)}
    tables = {name: bodies.outcomes(study, name, means) for name in bodies.SETS}
    tables["headline"] = bodies.headline(study, means)
    tables |= {name: bodies.rule(study, families[name], title) for name, title in RULED.items()}
    tables |= {f"explored-{x}": bodies.explored(study, x, tests) for x in bodies.SETS}
    tables |= {f"table{x}": beside.body(study, x) for x in (1, 2, 3)}
    tables |= {
        "metrics": judgements.metrics(seen),
        "views": judgements.views(seen),
        "within": judgements.within(seen),
        "told": judgements.told(seen, True, pairs[True]),
        "misled": judgements.told(seen, False, pairs[False]),
        "seconds": bodies.seconds(study),
    }
    for name, body in tables.items():
        for format, ending in ENDINGS.items():
            wide = format == "latex" and name in WIDE
            # The caption would stand in every row of a CSV.
            one = replace(body, title=name) if format == "csv" else body
            parts = bodies.narrow(one, WIDE[name]) if wide else [one]
            text = render(format, *parts).rstrip("\n") + "\n"
            yield _stored(folder / "tables" / f"{name}.{ending}", text)
    yield _stored(folder / "tables.html", render("html", *tables.values()))
    longer = equal_time.told(study, tests)
    said = study, families, longer, judged.sentences(seen)
    yield _stored(folder / "verdict.md", verdict.page(*said))
    yield _stored(folder / "tables" / "answers.md", verdict.answers(*said))
    figures = folder / "figures"
    yield pictures.forest(study, families["primary"].tests, tests, figures / "differences.webp")
    yield pictures.areas(seen, figures / "metrics.webp")
    yield pictures.clouds(seen, figures / "clouds.webp")
    ends = [x for x in sheets.extremes(study, means) if x.label in pages]
    shown = {f"{x.bare}, {x.wording}": pages[x.label] for x in ends}
    if shown:
        yield sheets.beside(shown, min(sheets.SHOWN, len(study.prompts)), figures / "sheets.webp")
    told = {x: pair for own in pairs.values() for x, pair in own.items() if pair and views}
    if told:
        yield sheets.pairs(seen, told, views, figures / "pairs.webp")


def _stored(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def scores(folder: Path, path: Path) -> None:
    """Write the tidy scores of all arms that are not cut, without those of other views and classifiers.

    Raises:
        ValueError: where the file's name is not that of a CSV.
    """
    from esd_bench.gather import write_scores
    from reports.embedded.paper import units

    if not path.name.endswith((".csv", ".csv.gz")):
        raise ValueError(f"{path}: scores are written as .csv or .csv.gz")
    write_scores(units.read(folder).main, path)


def fill(page: Path) -> Path:
    """The page with its tables made anew."""
    from reports.tables import filled

    return _stored(page, filled(page.read_text(encoding="utf-8")))


def show(name: str, folder: Path) -> str:
    """A stored table, or a figure (one of :data:`FIGURES`), or a line that says that it is not there yet."""
    if name in FIGURES and (folder / "figures" / name).is_file():
        return f"![{FIGURES[name]}](figures/{name})\n"
    path = folder / "tables" / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else "*Not made yet.*\n"


def main() -> None:
    """The command line: one line and exit code 2 where something is wrong."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="paper", description=__doc__, formatter_class=how)
    parser.add_argument("act", nargs="?", choices=("write", "show", "scores"), default="write")
    parser.add_argument(
        "what",
        nargs="?",
        default="answers",
        help="with show: a table; with scores: a .csv or .csv.gz",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="that holds arms.json, units")
    a = parser.parse_args()
    if a.act == "show":
        sys.stdout.write(show(a.what, a.folder))
        return
    start, count = time.time(), 0
    try:
        if a.act == "scores":
            scores(a.folder, Path(a.what))
            return
        for path in write(a.folder):
            print(path)
            count += 1
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    if a.folder.resolve() == FOLDER.resolve():
        for page in (FOLDER / "README.md", FOLDER.parents[1] / "README.md"):
            print(fill(page))
            count += 1
    print(f"{count} files in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
