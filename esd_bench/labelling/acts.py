"""What ``label`` does without a server: import, tally, export, write into the runs; in this order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esd_bench import formats
from esd_bench.files import aside
from esd_bench.labelling.database import Database
from esd_bench.labelling.exchange import export_labels, import_labels, read_gold
from esd_bench.labelling.opening import opened
from esd_bench.labelling.report import tally
from esd_bench.labelling.scores import write_runs
from esd_bench.labelling.study import Mode, Study
from esd_bench.labelling.tallies import Missing, votes, without


@dataclass(frozen=True)
class Act:
    """What to do with the labels of a folder of runs."""

    mode: Mode = "single"
    only: dict[str, Any] = field(default_factory=dict)
    tally: bool = False
    format: str = "markdown"
    missing: Missing = "exclude"
    gold: Path | None = None
    export: Path | None = None
    import_: Path | None = None
    write: bool = False
    without: tuple[str, ...] = ()


def act(root: Path, what: Act, say: Callable[[str], None] = lambda line: None) -> str:
    """Do it; the tables that were asked for are returned.

    Raises:
        ValueError: in one line.
    """
    formats.check(what.format)
    with opened(root, what.mode, what.only, bool(what.import_), say) as (database, shown):
        return _act(database, shown, what, say)


def _act(database: Database, shown: Study, what: Act, say: Callable[[str], None]) -> str:
    if what.import_:
        lines, raters, own = import_labels(database, shown, what.import_)
        say(f"imported: {lines} lines of {raters} raters from {what.import_}")
        if own:
            say(f"{own} lines are of this study itself: they change nothing")
    given, text = without(votes(database, shown), what.without), ""
    if what.tally:
        gold = read_gold(what.gold, shown) if what.gold else {}
        text = formats.render(what.format, *tally(given, shown, what.missing, gold, what.without))
    if what.export:
        what.export.parent.mkdir(parents=True, exist_ok=True)
        with aside(what.export) as beside:
            beside.write_text(export_labels(database, shown), encoding="utf-8")
        say(f"written: {what.export}; it names methods, so keep it from raters")
    if what.write:
        done, open_ = write_runs(given, shown)
        say(f"written into the runs: {done} with a verdict, {open_} without one yet")
    return text
