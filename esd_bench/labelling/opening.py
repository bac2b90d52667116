"""A folder's labels together with what they are labels of."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from esd_bench.labelling.database import NAME, Database, open_database, read_database
from esd_bench.labelling.study import Mode, Study, study
from esd_bench.labelling.tallies import gone

OLD = (
    "these labels were begun by an earlier esd-bench, which keeps them by names of runs: an asset that takes the place of "
    "another takes its labels. To keep them by what was seen: --export, move .labels away, --import"
)


@contextmanager
def opened(
    root: Path,
    mode: Mode = "single",
    only: Mapping[str, Any] | None = None,
    write: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[Database, Study]]:
    """Labels and study, open for a while; ``say`` hears of labels that stand for nothing any more.

    Raises:
        ValueError: when there is nothing to judge, before a file is made; or when there are no labels to read.
    """
    if write and not (root / NAME).exists():
        study(root, "", mode, only)
    database = open_database(root) if write else read_database(root)
    try:
        shown = study(root, database.secret("items"), mode, only, database.by_views)
        if not database.by_views:
            say(OLD)
        lost = 0 if only else gone(database, shown)  # others were only not chosen
        if lost:
            say(
                f"{lost} finished judgements are of assets that are no longer there, or whose views "
                "are others now; they are kept, and count nowhere"
            )
        yield database, shown
    finally:
        database.close()
