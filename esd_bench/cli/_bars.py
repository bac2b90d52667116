"""Progress bars on stderr; quiet where nobody looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from esd_bench.cli._app import aside, err


@contextmanager
def run_bars(missing: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Progress bars of the whole grid and of the present pack; quiet lines where nobody looks."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[news]}"),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        total = bars.add_task("runs", total=len(missing), news="")
        present = bars.add_task("starting", total=None, news="")

        def watch(news: Any) -> None:
            first = news.specs[0]
            more = f" and {len(news.specs) - 1} more" if len(news.specs) > 1 else ""
            numbers = "  ".join(f"{k} {v:.3f}" for k, v in news.numbers.items() if v)
            name = f"{news.stage}: {first.prompt.text}{more}"
            bars.update(
                present, description=name, completed=news.step, total=news.steps, news=numbers
            )

        def finished(run: Any) -> None:
            bars.advance(total)
            why = f" ({run.record.reason})" if run.record.reason else ""
            line = f"{run.record.status}{why}: {run.folder} in {run.record.seconds:.0f} s"
            aside(line)

        yield watch, finished


@contextmanager
def bar(title: str) -> Iterator[Any]:
    """One progress bar, for calls of (done, total, what)."""
    from rich.progress import Progress

    with Progress(console=err, disable=not err.is_terminal) as bars:
        task = bars.add_task(title, total=None)

        def progress(done: int, total: int, what: str = "") -> None:
            bars.update(task, completed=done, total=total, description=f"{title} {what}")

        yield progress
