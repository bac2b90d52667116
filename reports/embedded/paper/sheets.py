"""Pictures out of the stored contact sheets: two of them side by side, and the assets that metrics judge right or wrong."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib import font_manager, pyplot
from PIL import Image, ImageDraw, ImageFont

from reports.embedded.paper.judged import Judged, Pair
from reports.embedded.paper.outcomes import Mean
from reports.embedded.paper.units import RATE, Arm, Study
from reports.embedded.study import AZIMUTHS, SHOWN

SIDE = 64
"""Pixels of a view."""
HEAD, CAPTION = 40, 16
"""Pixels above the views, for titles and the azimuths under them."""
FIRST = 8
"""Prompts of each sheet that stand side by side."""


def stored(folder: Path, study: Study) -> dict[str, Image.Image]:
    """Label of each arm whose sheet is stored -> its sheet; that of an arm with a failed run has other rows and is left out."""
    rows = min(SHOWN, len(study.prompts))
    found = {}
    for arm in study.arms:
        path = folder / "units" / f"{arm.name}-s{study.seeds[0]}.sheet.webp"
        if path.is_file() and not study.failed.get(arm.label):
            with Image.open(path) as file:
                page = file.convert("RGB")
            if 0 < page.height - rows * SIDE <= SIDE:
                found[arm.label] = page
    return found


def strips(sheets: Mapping[str, Image.Image], study: Study) -> dict[str, Image.Image]:
    """Run -> its row of views, for all that a sheet shows."""
    rows = {prompt: k for k, prompt in enumerate(study.prompts[:SHOWN])}
    runs = study.runs[study.runs["seed"] == study.seeds[0]].reset_index()
    shown = runs[runs["label"].isin(sheets) & runs["prompt"].isin(rows)]
    made = {}
    for run, label, prompt in zip(shown["run"], shown["label"], shown["prompt"], strict=True):
        page = sheets[label]
        top = page.height - (len(rows) - rows[prompt]) * SIDE
        made[run] = page.crop((page.width - len(AZIMUTHS) * SIDE, top, page.width, top + SIDE))
    return made


def extremes(study: Study, means: Mapping[tuple[str, str], Mean]) -> tuple[Arm, Arm]:
    """The arm with the highest Janus rate, and the one that succeeds most."""

    def most(score: str) -> Arm:
        known = [x for x in study.arms if (x.label, score) in means]
        return max(known, key=lambda x: means[x.label, score].value)

    return most("janus_rate"), most(RATE)


def beside(shown: Mapping[str, Image.Image], rows: int, path: Path) -> Path:
    """The first prompts of some sheets of ``rows`` prompts, under their titles."""
    first, wide = next(iter(shown.values())), len(AZIMUTHS) * SIDE
    margin, height = first.width - wide, min(rows, FIRST) * SIDE
    page = Image.new("RGB", (margin + len(shown) * wide, HEAD + height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 12)
    for k, (title, sheet) in enumerate(shown.items()):
        top, left = sheet.height - rows * SIDE, margin + k * wide
        if k == 0:
            page.paste(sheet.crop((0, top, margin, top + height)), (0, HEAD))
        own = sheet.crop((margin, top - CAPTION, sheet.width, top + height))
        page.paste(own, (left, HEAD - CAPTION))
        pen.text((left + 4, 3), title, fill="black", font=font)
        pen.line((left, 0, left, page.height), fill="black")
    path.parent.mkdir(exist_ok=True)
    page.save(path, quality=90)
    return path


def pairs(
    judged: Judged, chosen: Mapping[str, Pair], views: Mapping[str, Image.Image], path: Path
) -> Path:
    """A row a metric: a Janus, an object that is right, and what the metric says of both."""
    figure, panels = pyplot.subplots(
        len(chosen), 2, figsize=(8.5, 1.5 * len(chosen)), squeeze=False, layout="constrained"
    )
    for line, (score, pair) in zip(panels, chosen.items(), strict=True):
        shown = judged.heading(score)
        for panel, run in zip(line, (pair.janus, pair.right), strict=True):
            facts = judged.study.runs.loc[run]
            panel.imshow(views[run], interpolation="lanczos")
            value, rate = judged.raw(run, score), judged.raw(run, "janus_rate")
            panel.set_title(
                f"{facts['label']}: Janus rate {rate:.2f}, {shown.name} {value:.{shown.digits}f}",
                fontsize=8,
            )
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        line[0].set_ylabel(f"{shown.name}\n{facts['text']}", fontsize=8)
    figure.suptitle(
        "Extreme examples: left a Janus, right an object of the same prompt that is right by the oracle's rule;\n"
        f"views from {', '.join(map(str, AZIMUTHS))} degrees",
        fontsize=9,
    )
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 90})
    pyplot.close(figure)
    return path
