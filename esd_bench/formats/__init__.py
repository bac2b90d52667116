"""A table's body as CSV, LaTeX, Markdown or HTML; the only place that formats numbers."""

from collections.abc import Callable

from esd_bench.formats.latex import to_latex
from esd_bench.formats.markdown import to_markdown
from esd_bench.formats.page import to_html
from esd_bench.formats.tidy import to_csv, to_frame
from esd_bench.tables import Body

__all__ = ["FORMATS", "render", "to_csv", "to_frame", "to_html", "to_latex", "to_markdown"]

FORMATS: dict[str, Callable[..., str]] = {
    "csv": to_csv,
    "latex": to_latex,
    "markdown": to_markdown,
    "html": to_html,
}


def check(format: str) -> None:
    """Refuse a format that does not exist, before any work is done.

    Raises:
        ValueError: that lists those there are.
    """
    if format not in FORMATS:
        raise ValueError(f"no format {format!r}; use {', '.join(FORMATS)}")


def render(format: str, *bodies: Body) -> str:
    """One text of one or several tables, in one of :data:`FORMATS`.

    Raises:
        ValueError: that lists them.
    """
    check(format)
    return FORMATS[format](*bodies)
