"""The tables about the metrics: what they tell of Janus, by views, by classifier, within each method, and by which assets."""

from collections.abc import Collection, Mapping

from esd_bench import stats, validation
from esd_bench.agreement import Estimate
from esd_bench.tables import Body, Cell, Column, heading
from reports.embedded.paper.bodies import absent
from reports.embedded.paper.judged import (
    CLEAR,
    MISLED,
    SPHERE,
    TOLD,
    WITHIN,
    Judged,
    Pair,
    auc,
    example,
    mixed,
    tau,
    unscored,
    variants,
    verdict,
)

HOW = f"in brackets 95 % intervals by bootstrap over prompts ({stats.RESAMPLES} resamples, seed {stats.SEED})"
JANUS = f"a Janus rate of {validation.JANUS} or more"
TURNED = (
    f"AUC: how often an asset with {JANUS} scores worse than another one (.5 is chance, below it the score prefers the Janus); {HOW}. Tau: "
    "Kendall's, with the Janus rate, and with R: positive where what scores worse has less R."
)
DESCRIBED = "Descriptive: nothing here is tested."


def _cell(found: Estimate) -> Cell:
    return Cell(found.value, None, found.interval, found.n)


def _columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(x, mark=False) for x in names)


def _counts(judged: Judged) -> list[str]:
    said = []
    for words, name in ((True, "View words"), (False, "No view words")):
        wide = judged.of(words)
        if len(wide):
            janus, right = int((wide["truth"] == 1).sum()), int((-wide["success"] == 1).sum())
            arms, prompts = wide["label"].nunique(), wide["prompt"].nunique()
            said.append(
                f"{name}: {len(wide)} assets of {arms} arms and {prompts} prompts, {janus} with {JANUS}, {right} right by the oracle's rule."
            )
    lost = sum(judged.study.failed.values())
    said += [f"{lost} failed runs have no scores and are left out."] * (lost > 0)
    return [*said, *absent(judged.study)]


def metrics(judged: Judged) -> Body:
    """Every metric against the Janus rate, R and success."""
    both = len(judged.of(False)) > 0
    rows = []
    for score in judged.scores:
        views = "sphere:120" if score in SPHERE else "ring:15:36"
        wide, plain = judged.of(), judged.of(False)
        cells = [_cell(judged.decided[score]), _cell(auc(wide, score, right=True))]
        cells += [_cell(tau(wide, score)), _cell(tau(wide, score, "consistency"))]
        if both:
            cells += [_cell(auc(plain, score)), _cell(tau(plain, score))]
        name, kind = judged.heading(score).name, verdict(judged.decided[score])
        rows.append(((name, views, str(judged.decided[score].n), kind), tuple(cells)))
    names = ["AUC, Janus", "AUC, not right", "tau, Janus rate", "tau, R"]
    names += ["AUC, no view words", "tau, no view words"] * both
    title = (
        f"Metrics against the pose oracle, on the assets made with view words. {TURNED} AUC, not right: the same of assets that fail the oracle's rule of "
        f"success. By the protocol a metric would have told if the interval of its AUC for Janus lies above {TOLD}, would have misled if below {MISLED}."
    )
    index = ("Metric", "Views", "Assets", "It")
    said = (*_counts(judged), *unscored(judged), *_shared(judged), POOLED)
    return Body(title, index, _columns(*names), tuple(rows), said)


POOLED = (
    "Pairs are of all prompts and arms, and several arms are nearly alike: an AUC is of this mixture. "
    "Pairs of one prompt, and of one arm, stand in the table within prompts and methods."
)


def _shared(judged: Judged) -> list[str]:
    """Which metrics the oracle's own network makes."""
    names = ", ".join(judged.heading(x).name for x in judged.shared)
    return [f"Of the oracle's own network, by its features or another head: {names}."] * bool(names)


def views(judged: Judged) -> Body:
    """How the metrics' answers depend on the number of views, on where they are, and on the classifier."""
    both = len(judged.of(False)) > 0
    rows = []
    for score, where, name in variants(judged):
        wide, plain = judged.of(), judged.of(False)
        cells = [auc(wide, name), tau(wide, name), tau(wide, name, "consistency")]
        cells += [auc(plain, name)] if both else []
        rows.append(((judged.heading(score).name, where), tuple(map(_cell, cells))))
    names = ["AUC, Janus", "tau, Janus rate", "tau, R"] + ["AUC, no view words"] * both
    title = f"The same by number and place of views, and with EfficientNet-Lite0's ImageNet classes. {TURNED} {DESCRIBED}"
    return Body(
        title, ("Metric", "Views"), _columns(*names), tuple(rows), tuple(_counts(judged)), 1
    )


def within(judged: Judged) -> Body:
    """AUC among the assets of each prompt alone; AUC and tau among those of each arm."""
    scores = [x for x in WITHIN if judged.has(x)]
    rows = []
    for measure, name in ((auc, "AUC, Janus"), (tau, "tau, Janus rate")):
        for arm in (x for x in judged.study.arms if x.words):
            own = judged.of(label=arm.label)
            janus = f"{int((own['truth'] == 1).sum())}/{len(own)}"
            rows.append(((name, arm.bare, janus), tuple(_cell(measure(own, x)) for x in scores)))
    pairs = mixed(judged.of())
    if len(pairs):
        janus = f"{int((pairs['truth'] == 1).sum())}/{len(pairs)}"
        cells = tuple(_cell(auc(pairs, x, within=True)) for x in scores)
        count = pairs["prompt"].nunique()
        rows.insert(0, (("AUC, one prompt", f"all, {count} prompts", janus), cells))
    title = (
        f"Within prompts and within each method, view words. {TURNED} AUC, one prompt: pairs of the same prompt alone, of all arms, on the prompts that "
        f"have a Janus and another asset; what only tells prompts apart is at .5 there. {DESCRIBED}"
    )
    shown = _columns(*(judged.heading(x).name for x in scores))
    return Body(title, ("", "Method", "Janus"), shown, tuple(rows), tuple(_counts(judged)), 1)


def chosen(judged: Judged, right: bool, among: Collection[str] = ()) -> dict[str, Pair | None]:
    """The metrics that would have told, or misled, each with a pair of runs that shows it, of these if any are named."""
    kind = "would have told" if right else "would have misled"
    return {
        score: example(judged, score, right, among)
        for score, found in judged.decided.items()
        if verdict(found) == kind
    }


def told(judged: Judged, right: bool, pairs: Mapping[str, Pair | None]) -> Body:
    """What :func:`chosen` found, with a Janus and a right object that show it."""
    kind = "would have told" if right else "would have misled"
    both, rows = mixed(judged.of()), []
    for score, pair in pairs.items():
        shown = judged.heading(score)
        name = heading(shown)
        areas = (_cell(judged.decided[score]), _cell(auc(both, score, within=True)))
        if not pair:
            rows.append(((name, "no such pair", "–", "–"), (*areas, Cell(None), Cell(None))))
            continue
        nothing = (Cell(None), Cell(None))
        for what, run, own in (("Janus", pair.janus, areas), ("right", pair.right, nothing)):
            value, rate = judged.raw(run, score), judged.raw(run, "janus_rate")
            facts = judged.study.runs.loc[run]
            asset = f"{what}: {facts['text']}, seed {facts['seed']}"
            cells = (*own, Cell(value, digits=shown.digits), Cell(rate))
            rows.append(((name, asset, str(facts["label"]), run.rpartition("-")[2]), cells))
    rows = rows or [(("none", "–", "–", "–"), (Cell(None),) * 4)]
    title = (
        f"Metrics that {kind}: the interval of the AUC lies {'above' if right else 'below'} {TOLD if right else MISLED}. With each the pair of one prompt, "
        f"a Janus and an object that is right by the oracle's rule, that it {'tells apart' if right else 'gets wrong'} by most ranks (of those whose pictures "
        f"are stored and a Janus rate of {CLEAR} or more, where there are any): an example, chosen for being extreme. AUC, one prompt: of all pairs of "
        "one prompt; what only tells prompts apart is at .5 there."
    )
    names = _columns("AUC, Janus", "AUC, one prompt", "Its score", "Janus rate")
    index = ("Metric", "Asset", "Method", "Run")
    return Body(title, index, names, tuple(rows), (*_counts(judged), *_shared(judged)), 1)
