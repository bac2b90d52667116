"""The command line: ``esd-bench generate | plan | score | report | sheet | compare | export | ingest | label | illustrate | demo | doctor | list | ...``.

A file holds a command or a few that belong together, in the order of ``--help``. Commands import what they need when they
run, so that ``--help`` and ``report`` answer at once.
"""

from esd_bench.cli import (  # isort: skip
    generate,
    score,
    report,
    compare,
    export,
    ingest,
    label,
    reference,
    prompts,
    demo,
    illustrate,
    doctor,
    embedded,
    plugins,
)
from esd_bench.cli._app import app, main

__all__ = ["app", "main"]
