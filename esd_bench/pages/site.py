"""The report as a whole: which pages there are, in which order they are made, and what they are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench import formats, plugins
from esd_bench.files import aside
from esd_bench.gather import gather, write_scores
from esd_bench.pages import charts, glossary
from esd_bench.pages.assets import assets_of, hashed
from esd_bench.pages.cards import Card, Prompt, Span, entropies, prompt, thumbs
from esd_bench.pages.colours import Style, styles
from esd_bench.pages.folder import Folder, human
from esd_bench.pages.grids import Grid, grid
from esd_bench.pages.origins import by_score, origins
from esd_bench.pages.render import STATIC, VENDOR, Renderer
from esd_bench.pages.strips import Strip, thumbnails
from esd_bench.report import build, find_table
from esd_bench.tables import Body, labels, natural

FIRST = ("spread", "collapse")
"""Tables of the first page; all others have a page of their own."""
WORST = ("janus_rate", "fronts_elsewhere", "front_elsewhere")
"""The scores by which Janus assets are sought: the oracle's if there is one, else a detector's."""
EXAMPLES = 48
"""How many of them are shown."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Built:
    """A finished report: its first page, how many assets and files it shows, bytes, and files that were written anew."""

    index: Path
    assets: int
    files: int
    size: int
    fresh: int


def write(
    root: Path | str,
    out: Path,
    only: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write the report of all runs below ``root`` into a folder; unchanged files of an earlier build are kept.

    Args:
        root: a folder of runs (of all suites, of one, of one prompt), or a CSV of scores, which has no pictures.
        out: a folder that is missing, empty, or holds a report.
        only: values that columns of :data:`esd_bench.gather.FILTERS` must have.
        progress: told how many assets are done, of how many, and the present prompt.

    Raises:
        ValueError: in one line, for a broken file, no runs, or a folder that holds something else.
    """
    frame = gather(root, only)
    site = Site(frame, Folder(out), str(Path(root).resolve().name))
    site.build(progress or (lambda done, total, what: None))
    folder = site.folder
    count = int(frame["run"].nunique())
    return Built(out / "index.html", count, len(folder.files), folder.size, folder.fresh)


@dataclass
class Site:
    """What all pages share, and the pages themselves."""

    frame: pd.DataFrame
    folder: Folder
    name: str
    examples: dict[str, Card] = field(default_factory=dict)
    gallery: list[tuple[str, str, Strip | None, list[str]]] = field(default_factory=list)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return self.frame.drop_duplicates("run")

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Of all methods."""
        return styles(labels(self.frame))

    @cached_property
    def span(self) -> Span:
        """The ends of the scale of entropies."""
        return entropies(self.frame)

    @cached_property
    def pages(self) -> dict[str, str]:
        """Prompt -> the name of its page, in the order of the pages, which is that of their texts."""
        texts = dict(zip(self.runs["prompt"], self.runs["text"], strict=True))
        names = sorted(texts, key=lambda name: (natural(texts[name]), name))
        return {name: f"{hashed(name)}.html" for name in names}

    @cached_property
    def ranking(self) -> tuple[str, pd.DataFrame]:
        """The score that says Janus, and its rows from the worst on."""
        score = next((x for x in WORST if (self.frame["score"] == x).any()), "none")
        rows = self.frame[(self.frame["score"] == score) & self.frame["value"].notna()]
        return score, rows.sort_values(["value", "run"], ascending=[False, True], kind="stable")

    @cached_property
    def sections(self) -> list[glossary.Section]:
        """Of the glossary."""
        return glossary.sections()

    @cached_property
    def render(self) -> Renderer:
        """Templates filled with what all of them show."""
        return Renderer(self.frame, self.styles, glossary.anchors(self.sections), self.name)

    def build(self, progress: Progress) -> None:
        """Everything; the first page comes last, so that it never leads to what is not there yet."""
        for path in sorted(STATIC.glob("report.*")):
            self._copy(path)
        self._prompts(progress)
        self._scores()
        for name in ("glossary", "provenance", "failures", "janus", "plots", "tables", "index"):
            told = getattr(self, f"_{name}")()
            self.folder.write(f"{name}.html", self.render(f"{name}.html", **told))
        self.folder.tidy()

    def _copy(self, path: Path) -> None:
        self.folder.write(f"static/{path.name}", path.read_bytes())

    # ---- prompts ---------------------------------------------------------------------------------------------------

    def _prompts(self, progress: Progress) -> None:
        """One at a time; of each only what other pages show is kept, so that thousands of assets fit in memory."""
        groups, total, done = dict(iter(self.frame.groupby("prompt"))), len(self.runs), 0
        names = list(self.pages)
        for i, name in enumerate(names):
            progress(done, total, name)
            made = prompt(self.pages[name], groups[name], self.span, self.styles, self.folder)
            near = [self.pages[names[k]] if 0 <= k < len(names) else "" for k in (i - 1, i + 1)]
            told = {"prompt": made, "near": near, "span": self.span, "models": made.models}
            self.folder.write(f"prompts/{made.page}", self.render("prompt.html", 1, **told))
            self._remember(made)
            done += len(made.cards)
        progress(total, total, "")

    def _remember(self, made: Prompt) -> None:
        shown, wanted = thumbs(made.cards), set(self.ranking[1]["run"][:EXAMPLES])
        row = thumbnails([card.strip for card in shown if card.strip], self.folder)
        names = [str(card.asset.facts["label"]) for card in shown]
        self.gallery.append((made.page, made.text, row, names))
        self.examples |= {x: c for c in made.cards if (x := str(c.asset.folder)) in wanted}
        if made.models:
            self._copy(VENDOR / "model-viewer.min.js")

    def _scores(self) -> None:
        with aside(self.folder.root / "downloads" / "scores.csv") as beside:
            write_scores(self.frame, beside)
        self.folder.has("downloads/scores.csv")

    # ---- what the other pages are told -----------------------------------------------------------------------------

    def _glossary(self) -> dict[str, Any]:
        return {"sections": self.sections, "traps": glossary.traps()}

    def _provenance(self) -> dict[str, Any]:
        found = origins(self.frame)
        return {"origins": found, "scores": by_score(found)}

    def _failures(self) -> dict[str, Any]:
        failed = self.frame[self.frame["status"] != "finished"]
        ordered = failed.sort_values(["text", "label", "seed"], kind="stable")
        return {"failures": list(assets_of(ordered)), "pages": self.pages}

    def _janus(self) -> dict[str, Any]:
        score, rows = self.ranking
        cards = [x for run in rows["run"][:EXAMPLES] if (x := self.examples.get(str(run)))]
        known = {"pages": self.pages, "span": self.span, "models": any(x.model for x in cards)}
        return {"score": score, "cards": cards, "total": len(rows), **known}

    def _plots(self) -> dict[str, Any]:
        means = self.first["spread"]
        bodies = [body for body in self.first.values() if isinstance(body, Body)]
        columns = [column for body in bodies for column in body.columns]
        titles = {c.score: f"{c.name} (share)" if c.unit == "%" else c.name for c in columns}
        specs = {str(asset.folder): asset.spec for asset in assets_of(self.runs)}
        rows = charts.with_lambda(self.frame, specs)
        return {
            "intervals": charts.intervals(means, self.styles) if isinstance(means, Body) else [],
            "lambdas": charts.over_lambda(rows, titles, self.styles),
            "costs": charts.costs(self.frame, self.styles),
        }

    def _tables(self) -> dict[str, Any]:
        names = [name for name in plugins.names("tables") if name not in FIRST]
        return {"tables": self._grids({name: self._body(name) for name in names})}

    def _index(self) -> dict[str, Any]:
        first, runs, (score, rows) = self._grids(self.first), self.runs, self.ranking
        counts = {
            "assets": len(runs),
            "prompts": len(self.pages),
            "methods": runs["label"].nunique(),
            "seeds": runs["seed"].nunique(),
            "failed": int((runs["status"] != "finished").sum()),
        }
        return {
            "tables": first,
            "gallery": self.gallery,
            "counts": counts,
            "janus": (score, int((rows["value"] > 0.5).sum())) if len(rows) else None,
            "suites": sorted(set(runs["suite"])),
            "priors": sorted(set(runs["prior"])),
            "size": human(self.folder.size),
        }

    # ---- tables ----------------------------------------------------------------------------------------------------

    @cached_property
    def first(self) -> dict[str, Body | str]:
        """The tables of the first page, which plots need too."""
        return {name: self._body(name) for name in FIRST}

    def _body(self, name: str) -> Body | str:
        """A table, or why there is none."""
        try:
            return build(self.frame, find_table(name))
        except ValueError as error:
            return str(error)

    def _grids(self, bodies: Mapping[str, Body | str]) -> list[tuple[str, Grid | None, str]]:
        """(name, table, why there is none), with downloads beside them."""
        found: list[tuple[str, Grid | None, str]] = []
        for name, body in bodies.items():
            if isinstance(body, str):
                found.append((name, None, body))
                continue
            self.folder.write(f"downloads/{name}.csv", formats.to_csv(body))
            self.folder.write(f"downloads/{name}.tex", formats.to_latex(body))
            found.append((name, grid(name, body, self.styles, self._link), ""))
        return found

    def _link(self, heading: str, text: str) -> str:
        return f"prompts/{self.pages[text]}" if heading == "Prompt" and text in self.pages else ""
