"""The figures: differences of all arms from ESD (0), what each metric tells of Janus, and the metrics over the Janus rate."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from esd_bench.validation import JANUS
from reports.embedded.paper.judged import MISLED, TOLD, Judged, auc, mixed, variants, verdict
from reports.embedded.paper.outcomes import Test, of_wording
from reports.embedded.paper.units import RATE, Study
from reports.embedded.paper.verdict import ENOUGH, LEVEL, POINTS, empty

RED, BLUE, GREY = "#b2182b", "#2166ac", "#777777"
SHOWN = {"janus_rate": ("Janus rate", ENOUGH), RATE: ("oracle success (points)", POINTS)}
PANELS = ("clip_distance", "fid", "iq", "iv", "ig", "mi", "front_elsewhere", "self_similarity")
MARKS = {
    "60, sphere": ("^", "60 views"),
    "36, sphere": ("v", "36 views"),
    "12, sphere": ("d", "12 views"),
    "36, ring": ("s", "ring of 36"),
    "52, band": ("_", "band"),
    "120, sphere, ImageNet": ("x", "ImageNet classes"),
}


def save(figure: pyplot.Figure, path: Path) -> Path:
    """A picture in WebP without loss, which says nothing of when and by what it was made."""
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, pil_kwargs={"lossless": True, "method": 6})
    pyplot.close(figure)
    return path


def forest(study: Study, primary: Sequence[Test], others: Sequence[Test], path: Path) -> Path:
    """Differences from ESD (0) with intervals, all arms; a row of panels for each wording."""
    tests = [x for x in (*primary, *others) if x.made and x.score in SHOWN]
    sets = [own for words in (True, False) if (own := of_wording(tests, words))]
    rows = [len({x.first.name for x in own}) for own in sets] or [1]
    figure, panels = pyplot.subplots(
        len(rows), 2, figsize=(11, 1.9 + 0.27 * sum(rows)), squeeze=False, sharex="col",
        layout="constrained", gridspec_kw={"height_ratios": [x + 1.5 for x in rows]},
    )  # fmt: skip
    for line, own in zip(panels, sets, strict=False):
        for panel, (score, (_, enough)) in zip(line, SHOWN.items(), strict=True):
            shown = [x for x in own if x.score == score]
            _differences(panel, shown, {x.first.name for x in primary})
            panel.axvspan(-enough, enough, color="#eeeeee", zorder=0)
            panel.axvline(0, color="black", linewidth=0.7)
            floor = ": no success in any arm, nothing to tell" * all(map(empty, shown))
            panel.set_title(own[0].first.wording + floor, fontsize=10)
        line[1].set_yticklabels([])
    for panel, (name, _) in zip(panels[-1], SHOWN.values(), strict=True):
        panel.set_xlabel(f"difference in {name}")
    figure.suptitle(
        f"Differences from ESD (λ = 0) of the same wording and student; {_n(study)}; bars are 95 % intervals\n"
        f"bold: primary arms; blue better and red worse with an adjusted p < {LEVEL}; grey band: what counts as small",
        fontsize=10,
    )
    return save(figure, path)


def _n(study: Study) -> str:
    return f"{len(study.prompts)} prompts × {len(study.seeds)} seeds"


def _differences(panel: Axes, tests: Sequence[Test], primary: set[str]) -> None:
    """A line an arm, the primary ones at the top."""
    ordered = sorted(tests, key=lambda x: x.first.name not in primary)
    for y, test in enumerate(ordered):
        made, low_is_good = test.made, test.score == "janus_rate"
        better = (made.difference < 0) == low_is_good
        colour = GREY if test.adjusted >= LEVEL else BLUE if better else RED
        low, high = made.interval or (made.difference, made.difference)
        panel.plot([low, high], [y, y], color=colour, linewidth=1.6)
        inside = colour if test.adjusted < LEVEL else "white"
        panel.plot(made.difference, y, "o", color=colour, markerfacecolor=inside, markersize=5)
    names = [x.first.bare for x in ordered]
    panel.set_yticks(range(len(names)), names, fontsize=8)
    for label, test in zip(panel.get_yticklabels(), ordered, strict=True):
        label.set_fontweight("bold" if test.first.name in primary else "normal")
    panel.set_ylim(len(names) - 0.4, -0.6)


def areas(judged: Judged, path: Path) -> Path:
    """AUC of every metric with its interval, coloured by what is decided about it; other views as small marks."""
    known = {x: e for x, e in judged.decided.items() if e.value is not None}
    ordered = sorted(known, key=lambda x: -known[x].value)
    figure, panel = pyplot.subplots(figsize=(8.5, 1.6 + 0.32 * len(ordered)), layout="constrained")
    colours = {"would have told": BLUE, "would have misled": RED}
    for y, score in enumerate(ordered):
        found = known[score]
        colour = colours.get(verdict(found), GREY)
        if found.interval:
            panel.plot(found.interval, [y, y], color=colour, linewidth=2)
        panel.plot(found.value, y, "o", color=colour, markersize=7)
    wide = judged.of()
    _other_areas(panel, judged, ordered)
    for x in (MISLED, TOLD):
        panel.axvline(x, color="black", linewidth=0.7, linestyle="--")
    names = [judged.heading(x).name for x in ordered]
    panel.set_yticks(range(len(names)), names, fontsize=9)
    panel.set(xlim=(0, 1), ylim=(len(names) - 0.3, -0.7))
    panel.set_xlabel(
        f"AUC: how often an asset with a Janus rate of {JANUS} or more scores worse than another"
    )
    panel.set_title(
        f"Which metric would have told? View words, {len(wide)} assets, {_n(judged.study)}, {wide['label'].nunique()} arms\n"
        f"blue: interval above {TOLD}; red: below {MISLED}; small marks: otherwise measured",
        fontsize=10,
    )
    named = dict(zip(*panel.get_legend_handles_labels()[::-1], strict=True))
    if named:
        panel.legend(named.values(), named.keys(), fontsize=8, loc="lower right")
    return save(figure, path)


def _other_areas(panel: Axes, judged: Judged, ordered: Sequence[str]) -> None:
    """Marks for the same metrics within prompts, on other views and by other classes."""
    wide = judged.of()
    pairs = mixed(wide)
    for y, score in enumerate(ordered):
        if (inside := auc(pairs, score, within=True).value) is not None:
            panel.plot(inside, y, "o", color=GREY, markerfacecolor="white", markersize=6, label="pairs of one prompt")  # fmt: skip
    for score, views, name in variants(judged, ordered):
        if views in MARKS and (value := auc(wide, name).value) is not None:
            mark, label = MARKS[views]
            panel.plot(value, ordered.index(score) + 0.3, mark, color="black", markersize=4, alpha=0.7, label=label)  # fmt: skip


def clouds(judged: Judged, path: Path) -> Path:
    """Each metric over the Janus rate, a dot an asset, right objects in blue."""
    shown = [x for x in PANELS if judged.has(x)]
    wide = judged.of()
    lines = -(-len(shown) // 4)
    figure, panels = pyplot.subplots(
        lines, 4, figsize=(12, 3 * lines), squeeze=False, layout="constrained"
    )
    for panel, score in zip(panels.flat, shown, strict=False):
        heading = judged.heading(score)
        way = -1 if heading.better == "higher" else 1
        for right, colour in ((False, RED), (True, BLUE)):
            own = wide[(-wide["success"] == 1) == right]
            panel.plot(
                own["amount"], way * own[score], ".", color=colour, markersize=2.5, alpha=0.35
            )
        found = judged.decided.get(score)
        area = f", AUC {found.value:.2f}" if found and found.value is not None else ""
        arrow = {"higher": " ↑", "lower": " ↓"}.get(heading.better or "", "")
        panel.set_title(f"{heading.name}{arrow}{area}", fontsize=10)
        panel.axvline(JANUS, color="black", linewidth=0.6, linestyle="--")
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    for panel in panels[-1]:
        panel.set_xlabel("Janus rate")
    figure.suptitle(
        f"View words, {len(wide)} assets; blue: right by the oracle's rule, red: not", fontsize=10
    )
    return save(figure, path)
