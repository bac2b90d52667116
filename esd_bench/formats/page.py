"""HTML: a page of its own, everything escaped."""

from pathlib import Path

from esd_bench.formats.printed import printed
from esd_bench.tables import Body


def to_html(*bodies: Body) -> str:
    """A page that needs nothing but itself."""
    from jinja2 import Environment

    source = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    template = Environment(autoescape=True).from_string(source)
    return template.render(tables=[printed(body) for body in bodies]) + "\n"
