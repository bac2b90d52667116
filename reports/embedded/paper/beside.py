"""Tables 1, 2 and 3 of arXiv 2401.00909 made here, with the paper's own numbers above them."""

from dataclasses import replace

from esd_bench import published, report
from esd_bench.tables import Body, Cell, Column
from reports.embedded.paper.bodies import absent
from reports.embedded.paper.units import WORDINGS, Arm, Study

THEIRS = "arXiv 2401.00909"
MAY = (
    "What may be compared: the order of methods, and the sign and rough size of their differences, within one block. What may not: a number of one block "
    "with one of another. The paper's are of Stable Diffusion on 120 prompts by a classifier, a CLIP and a number of views that it does not name; SR is what "
    "people passed, oracle success what a rule passes; FID depends on the prior's pictures, on their size and on their number."
)
OPTIONS = {1: {}, 2: {"interval": "hierarchical"}, 3: {}}
TITLES = {
    1: "Table 1: means over prompts",
    2: "Table 2: means ± standard deviations over prompts (n − 1), here with 95 % intervals by bootstrap over prompts, then seeds; Wilson's for shares",
    3: "Table 3: single prompts; here means over seeds, with view words",
}


def methods(study: Study, words: bool) -> list[Arm]:
    """The paper's five methods with its settings, as far as they are not cut."""
    debiased = [x for x in study.arms if x.options.get("high") == 2.0 and x.words == words]
    named = [study.find("sds", words=words), study.find("vsd", words=words), *debiased]
    named += [study.find("perp_neg")] * words + [study.find("esd", 0.5, words=words)]
    return [arm for arm in named if arm in study.arms]


def body(study: Study, number: int) -> Body:
    """One of the paper's tables: its own rows, then ours."""
    blocks = [_theirs(number)]
    for words in (True, False) if number < 3 else (True,):
        arms = methods(study, words)
        if arms:
            labels = [arm.label for arm in arms]
            frame = study.main[study.main["label"].isin(labels)]
            made = report.build(frame, report.find_table(str(number), OPTIONS[number]))
            blocks.append(_ours(made, WORDINGS[not words]))
    names = dict.fromkeys(x.name for _, own in blocks for x in own.columns)
    shown = tuple(_shown([own for _, own in blocks], name) for name in names)
    rows = [
        ((source, *labels), tuple(_cell(own, cells, name) for name in names))
        for source, own in blocks
        for labels, cells in own.rows
    ]
    index = ("Numbers of", *(["Prompt"] if number == 3 else []), "Method", "Prompts", "Failed")
    index = tuple(x for x in index if not (number == 3 and x == "Prompts"))
    notes = [*_notes(blocks), *absent(study)]
    title = f"{TITLES[number]}. The paper's numbers as printed, and those of this study. {MAY}"
    return Body(title, index, shown, tuple(rows), tuple(notes), 2 if number == 3 else 1)


def _notes(blocks: list[tuple[str, Body]]) -> list[str]:
    """Footnotes of all blocks; what one alone says is said of that one."""
    said = [note for _, own in blocks for note in own.footnotes]
    several = len(blocks) > 2
    named = [
        f"{source}: {note}" if several and source != THEIRS and said.count(note) == 1 else note
        for source, own in blocks
        for note in own.footnotes
    ]
    return [*dict.fromkeys(named)]


def _theirs(number: int) -> tuple[str, Body]:
    """The paper's rows with our labels' columns, and its digits in every cell."""
    made = published.body(number)
    more = ("",) if number == 3 else (str(published.PROMPTS), "")
    rows = [
        (
            (*labels, *more),
            tuple(
                replace(cell, digits=x.digits) for cell, x in zip(cells, made.columns, strict=True)
            ),
        )
        for labels, cells in made.rows
    ]
    return THEIRS, replace(made, rows=tuple(rows))


def _ours(made: Body, wording: str) -> tuple[str, Body]:
    """Our rows, without the wording that heads them."""
    at = made.index.index("Method")
    rows = [
        ((*labels[:at], labels[at].removesuffix(f", {wording}"), *labels[at + 1 :]), cells)
        for labels, cells in made.rows
    ]
    return f"here, {wording}", replace(made, rows=tuple(rows))


def _shown(bodies: list[Body], name: str) -> Column:
    """A column of the last table that has it: ours, which says by what it was measured."""
    found = [x for own in bodies for x in own.columns if x.name == name][-1]
    return replace(found, mark=False, note=found.note and f"here {found.note}")


def _cell(own: Body, cells: tuple[Cell, ...], name: str) -> Cell:
    names = [x.name for x in own.columns]
    return cells[names.index(name)] if name in names else Cell(None)
