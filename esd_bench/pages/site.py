"""The report as a whole: which pages there are, in which order they are made, and what they are told."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench import formats, plugins
from esd_bench.gather import gather, write_scores
from esd_bench.pages import charts, glossary
from esd_bench.pages.assets import Asset, assets_of, hashed
from esd_bench.pages.cards import Card, Prompt, prompt, thumbs
from esd_bench.pages.colours import Style, styles
from esd_bench.pages.folder import Folder, human
from esd_bench.pages.grids import Grid, grid
from esd_bench.pages.origins import origins
from esd_bench.pages.render import STATIC, Renderer
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
    def pages(self) -> dict[str, str]:
        """Prompt -> the name of its page, in the order of the pages."""
        names = sorted(set(self.frame["prompt"]), key=natural)
        return {name: f"{hashed(name)}.html" for name in names}

    @cached_property
    def ranking(self) -> tuple[str, pd.DataFrame]:
        """The score that says Janus, and its rows from the worst on."""
        score = next((x for x in WORST if (self.frame["score"] == x).any()), "")
        rows = self.frame[
            (self.frame["score"] == score) & self.frame["value"].notna() & (score != "")
        ]
        return score, rows.sort_values(["value", "run"], ascending=[False, True], kind="stable")

    def build(self, progress: Progress) -> None:
        """Everything; the first page comes last, so that it never leads to what is not there yet."""
        for path in sorted(STATIC.glob("report.*")):
            self.folder.write(f"static/{path.name}", path.read_bytes())
        sections = glossary.sections()
        self.render = Renderer(self.frame, self.styles, glossary.anchors(sections), self.name)
        for page in self._pages(sections, progress):
            self.folder.write(*page)
        self.folder.tidy()

    def _pages(
        self, sections: list[glossary.Section], progress: Progress
    ) -> Iterator[tuple[str, str]]:
        yield from self._prompts(progress)
        self._scores()
        yield (
            "glossary.html",
            self.render("glossary.html", sections=sections, traps=glossary.traps()),
        )
        yield "provenance.html", self.render("provenance.html", origins=origins(self.frame))
        yield (
            "failures.html",
            self.render("failures.html", failures=self._failures(), pages=self.pages),
        )
        yield "janus.html", self._janus()
        yield "plots.html", self.render("plots.html", **self._plots())
        first, rest = (
            self._grids(FIRST),
            self._grids(n for n in plugins.names("tables") if n not in FIRST),
        )
        yield "tables.html", self.render("tables.html", tables=rest)
        size = human(self.folder.size)
        yield (
            "index.html",
            self.render(
                "index.html", tables=first, gallery=self.gallery, size=size, **self._counts()
            ),
        )

    # ---- prompts ---------------------------------------------------------------------------------------------------

    def _prompts(self, progress: Progress) -> Iterator[tuple[str, str]]:
        wanted = set(self.ranking[1]["run"][:EXAMPLES])
        groups, total, done = dict(iter(self.frame.groupby("prompt"))), len(self.runs), 0
        names = list(self.pages)
        for i, name in enumerate(names):
            progress(done, total, name)
            made = prompt(self.pages[name], groups[name], self.styles, self.folder)
            self._remember(made, wanted)
            if any(card.model for card in made.cards):
                self.folder.write(
                    "static/model-viewer.min.js", (STATIC / "model-viewer.min.js").read_bytes()
                )
            near = [self.pages[names[k]] if 0 <= k < len(names) else "" for k in (i - 1, i + 1)]
            yield (
                f"prompts/{made.page}",
                self.render("prompt.html", depth=1, prompt=made, near=near),
            )
            done += len(made.cards)
        progress(total, total, "")

    def _remember(self, made: Prompt, wanted: set[str]) -> None:
        """Only what other pages show: a report of thousands of assets is not held in memory."""
        cards = made.cards
        shown = thumbs(cards)
        row = thumbnails([card.strip for card in shown if card.strip], self.folder)
        self.gallery.append(
            (made.page, made.text, row, [f"{c.asset.facts['label']}" for c in shown])
        )
        self.examples |= {str(c.asset.folder): c for c in cards if str(c.asset.folder) in wanted}

    # ---- the other pages -------------------------------------------------------------------------------------------

    def _tables(self, names: Iterator[str] | tuple[str, ...]) -> Iterator[tuple[str, Body | str]]:
        """The bodies of tables, or why there is none."""
        for name in names:
            try:
                yield name, build(self.frame, find_table(name))
            except ValueError as error:
                yield name, str(error)

    def _grids(self, names: Iterator[str] | tuple[str, ...]) -> list[tuple[str, Grid | None, str]]:
        found = []
        for name, body in self._tables(names):
            if isinstance(body, str):
                found.append((name, None, body))
                continue
            self.folder.write(f"downloads/{name}.csv", formats.to_csv(body))
            self.folder.write(f"downloads/{name}.tex", formats.to_latex(body))
            found.append((name, grid(name, body, self.styles, self._link), ""))
        return found

    def _link(self, heading: str, text: str) -> str:
        return f"prompts/{self.pages[text]}" if heading == "Prompt" and text in self.pages else ""

    def _scores(self) -> None:
        with self.folder.aside(self.folder.root / "downloads" / "scores.csv") as beside:
            write_scores(self.frame, beside)
        self.folder.has("downloads/scores.csv")

    def _plots(self) -> dict[str, Any]:
        ((_, body),) = self._tables(("spread",))
        specs = {str(a.folder): a.spec for a in assets_of(self.runs)}
        titles = {c.score: c.name for c in body.columns} if isinstance(body, Body) else {}
        ((_, other),) = self._tables(("collapse",))
        titles |= {c.score: c.name for c in other.columns} if isinstance(other, Body) else {}
        rows = charts.with_lambda(self.frame, specs)
        return {
            "intervals": charts.intervals(body, self.styles) if isinstance(body, Body) else [],
            "lambdas": charts.over_lambda(rows, titles, self.styles),
            "costs": charts.costs(self.frame, self.styles),
        }

    def _janus(self) -> str:
        score, rows = self.ranking
        cards = [
            self.examples[str(run)] for run in rows["run"][:EXAMPLES] if str(run) in self.examples
        ]
        return self.render(
            "janus.html", score=score, cards=cards, total=len(rows), pages=self.pages
        )

    def _failures(self) -> list[Asset]:
        return list(assets_of(self.frame[self.frame["status"] != "finished"]))

    def _counts(self) -> dict[str, Any]:
        runs, (score, rows) = self.runs, self.ranking
        janus = int((rows["value"] > 0.5).sum()) if score else 0
        return {
            "counts": {
                "assets": len(runs),
                "prompts": len(self.pages),
                "methods": runs["label"].nunique(),
                "seeds": runs["seed"].nunique(),
                "failed": int((runs["status"] != "finished").sum()),
            },
            "janus": (score, janus) if score else None,
            "suites": sorted(set(runs["suite"])),
            "priors": sorted(set(runs["prior"])),
        }
