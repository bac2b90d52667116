"""Templates with everything escaped, and what each of them may ask."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from esd_bench import __version__
from esd_bench.pages.colours import Style, bare, hollow, scale
from esd_bench.pages.svg import swatch
from esd_bench.tables import labels

HERE = Path(__file__).parent
STATIC = HERE / "static"
VENDOR = Path(__file__).parents[1] / "vendor"
"""Code of others; THIRD_PARTY.md names it."""
PAGES = (
    ("index.html", "Overview"),
    ("janus.html", "Janus first"),
    ("plots.html", "Plots"),
    ("tables.html", "Tables"),
    ("failures.html", "Failures"),
    ("provenance.html", "Provenance"),
    ("glossary.html", "Glossary"),
)
NAMES = {
    "janus_rate": "Janus rate",
    "consistency": "R",
    "ig": "IG",
    "clip_distance": "CLIP distance",
    "fronts_elsewhere": "Fronts elsewhere",
}


class Renderer:
    """Pages from templates; ``depth`` is how many folders below the report's own a page lies."""

    def __init__(
        self,
        frame: pd.DataFrame,
        styles: Mapping[str, Style],
        anchors: Mapping[str, str],
        name: str,
    ) -> None:
        self.environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        legend = [(label, styles[bare(label)], hollow(label)) for label in labels(frame)]
        self.environment.globals |= {
            "site": name,
            "nav": PAGES,
            "version": __version__,
            "legend": legend,
            "swatch": swatch,
            "anchors": anchors,
            "scale": scale(),
            "names": NAMES,
            "dict": dict,
        }

    def __call__(self, template: str, depth: int = 0, **told: Any) -> str:
        """One page."""
        page = self.environment.get_template(template)
        return page.render({"up": "../" * depth, "here": template, "models": False, **told}) + "\n"
