"""The study's tables, figures and verdict out of its stored units: ``make paper``, or ``python -m reports.embedded.paper``.

    python -m reports.embedded.paper                       everything, and the pages' tables
    python -m reports.embedded.paper show collapse         one stored table, as pages hold it

Rerun it at any time: arms that lack a seed count as cut and are named. No torch.
"""

import argparse
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parents[1]
ENDINGS = {"csv": "csv", "latex": "tex", "markdown": "md"}


def write(folder: Path) -> list[Path]:
    """Everything; returns what was written.

    Raises:
        ValueError: in one line, where a unit is not what the protocol wants.
    """
    from esd_bench.formats import render
    from reports.embedded.paper import bodies, outcomes, units, verdict

    study = units.read(folder)
    means, tests = outcomes.means(study), outcomes.exploratory(study)
    families = {
        "primary": outcomes.family(study),
        "vsd": outcomes.family(study, "vsd"),
        "exact": outcomes.family(study, student="exact"),
    }
    tables = {name: bodies.outcomes(study, name, means) for name in bodies.SETS}
    tables |= {name: bodies.rule(study, x, TITLES[name]) for name, x in families.items()}
    tables |= {f"explored-{x}": bodies.explored(study, x, tests) for x in bodies.SETS}
    tables["seconds"] = bodies.seconds(study)
    written = []
    for name, body in tables.items():
        for format, ending in ENDINGS.items():
            text = render(format, body).rstrip("\n") + "\n"
            written.append(_stored(folder / "tables" / f"{name}.{ending}", text))
    written.append(_stored(folder / "tables.html", render("html", *tables.values())))
    written.append(_stored(folder / "verdict.md", verdict.page(study, families, [])))
    return written


TITLES = {
    "primary": "Primary family: ESD against the same with λ = 0",
    "vsd": "Secondary: ESD against VSD as published, by the rule of the primary family",
    "exact": "Exploratory: ESD with the exact student against the same with λ = 0, by the rule of the primary family",
}


def _stored(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def show(name: str, folder: Path) -> str:
    """A stored table, or a line that it is not there yet."""
    path = folder / "tables" / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else "*Not made yet.*\n"


def main() -> None:
    """The command line: exit code 2 and one line where something is wrong."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="paper", description=__doc__, formatter_class=how)
    parser.add_argument("act", nargs="?", choices=("write", "show"), default="write")
    parser.add_argument("table", nargs="?", help="with show: which one")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="that holds arms.json, units")
    a = parser.parse_args()
    if a.act == "show":
        sys.stdout.write(show(a.table, a.folder))
        return
    start = time.time()
    try:
        written = write(a.folder)
    except ValueError as error:
        parser.exit(2, f"error: {error}\n")
    for path in written:
        print(path)
    print(f"{len(written)} files in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
