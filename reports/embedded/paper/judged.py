"""Do the metrics measure it? AUC and Kendall's tau of every score against the oracle, and what decides about each."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from esd_bench import agreement, validation
from esd_bench.agreement import Estimate
from esd_bench.tables import Column
from reports.embedded.paper.outcomes import DETECTORS
from reports.embedded.paper.units import WORDINGS, Study

TOLD, MISLED = 0.7, 0.5
"""A metric would have told if its AUC's interval lies above the first, would have misled if it lies below the second."""
CLEAR = 0.5
"""The Janus rate of an asset that a picture shows as a Janus."""
SPHERE = (
    *("clip_distance", "r_precision", "fid", "fid_excess", "kid", "cmmd"),
    *("iq", "iv", "ig", "ig_jackknife", "mi"),
)
ORACLE = ("consistency", "front_share", "faces", "pose_peaks")
"""The oracle's own, which are no metric to be judged by it."""
VIEWED = ("clip_distance", "fid", "kid", "iq", "iv", "ig", "mi")
WITHIN = ("clip_distance", "fid", "iq", "iv", "ig", "mi", "front_elsewhere", "self_similarity")
BAND = "band:-10:45 of sphere:120"
VIEWS = {
    **{"120, sphere": "", "60, sphere": "@sphere:60", "36, sphere": "@sphere:36"},
    **{"12, sphere": "@sphere:12", "36, ring": "@ring:15:36", "52, band": f"@{BAND}"},
    "120, sphere, ImageNet": "@imagenet",
}
"""How tables call views, and what the score's name ends with."""
WANTED = {
    *(*SPHERE, *DETECTORS, *ORACLE, "janus_rate", "success"),
    *(score + ending for score in VIEWED for ending in VIEWS.values()),
}
APART = {"ring": "@ring:15:36", "imagenet": "@imagenet"}
"""Passes whose scores have the names of the main one."""
ROLES = {"self_similarity": "features", "self_similarity_clip": "clip"}
"""Measured at once with two networks: which of the two each is of."""


@dataclass(frozen=True)
class Judged:
    """The assets of a study, a column for each score, turned so that larger is worse."""

    study: Study

    @cached_property
    def assets(self) -> pd.DataFrame:
        """Of all finished runs: :func:`esd_bench.validation.assets`, with label, seed and raw scores at hand."""
        rows = self.study.scores
        ending = rows["pass"].map(APART).fillna("")
        name = rows["score"].where(rows["score"] == "", rows["score"] + ending)
        wide = validation.assets(rows.assign(score=name)[name.isin(WANTED)])
        facts = self.study.runs.loc[wide["run"], ["label", "seed"]]
        codes = pd.factorize(wide["prompt"])[0]
        return wide.assign(**{x: facts[x].to_numpy() for x in facts}, cluster=codes)

    @cached_property
    def groups(self) -> dict[str, pd.DataFrame]:
        """Wording or label -> its assets."""
        wide = self.assets
        return {str(x): own for by in ("wording", "label") for x, own in wide.groupby(by)}

    def of(self, words: bool = True, label: str = "") -> pd.DataFrame:
        """Those made with view words, or without; or those of an arm."""
        return self.groups.get(label or WORDINGS[not words], self.assets[:0])

    def has(self, score: str) -> bool:
        """Whether any asset has it."""
        return score in self.assets and bool(self.assets[score].notna().any())

    @cached_property
    def scores(self) -> list[str]:
        """What is judged: the published metrics on the sphere, then the detectors on the ring."""
        return [x for x in (*SPHERE, *DETECTORS) if self.has(x)]

    @cached_property
    def decided(self) -> dict[str, Estimate]:
        """Score -> the AUC that decides about it."""
        return {score: auc(self.of(), score) for score in self.scores}

    def heading(self, score: str) -> Column:
        """Name and direction of a score, whatever its views."""
        return self.study.heading(score.partition("@")[0])

    def networks(self, score: str) -> set[str]:
        """Digests of the networks that a score is of."""
        (*_, key) = self.study.kinds.loc[self.study.kinds["score"] == score, "key"]
        known = json.loads(key).get("networks", {})
        roles = [ROLES[score]] if score in ROLES and known else [*known]
        return {known[role]["digest"] for role in roles}

    @cached_property
    def shared(self) -> list[str]:
        """What is judged by a truth that its own network told: another head of it is the oracle."""
        oracle = self.networks("janus_rate") if self.has("janus_rate") else set()
        return [x for x in self.scores if self.networks(x) & oracle]

    def raw(self, run: str, score: str) -> float:
        """A score as it was measured."""
        study, facts = self.study, self.study.runs.loc[run]
        at = study.prompts.index(facts["prompt"]), study.seeds.index(facts["seed"])
        return float(study.arrays[facts["label"], score][at])


def auc(group: pd.DataFrame, score: str, right: bool = False, within: bool = False) -> Estimate:
    """How often a Janus scores worse than another asset, or one of its own prompt; or one that is not right worse than a right one."""
    truth = (-group["success"] != 1) if right else group["truth"] == 1
    return agreement.auc(group[score].to_numpy(float), truth.to_numpy(), group["cluster"], within)


def mixed(group: pd.DataFrame) -> pd.DataFrame:
    """The assets of prompts that have a Janus and one that is none: all that pairs within prompts are of."""
    return group[group.groupby("prompt")["truth"].transform("nunique") == 2]


def tau(group: pd.DataFrame, score: str, other: str = "amount") -> Estimate:
    """Kendall's tau of a score with the Janus rate, or with another turned score, such as R."""
    x, y = (group[name].to_numpy(float) for name in (score, other))
    return agreement.tau(x, y, group["cluster"])


def verdict(found: Estimate) -> str:
    """Whether a metric would have told, by its AUC."""
    if not found.interval:
        return "undefined"
    low, high = found.interval
    return "would have told" if low > TOLD else "would have misled" if high < MISLED else "neither"


@dataclass(frozen=True)
class Pair:
    """A Janus and a right object that show what a metric does: of one prompt where there are such."""

    janus: str
    right: str


def example(judged: Judged, score: str, told: bool, among: Collection[str] = ()) -> Pair | None:
    """The pair that a metric tells apart by most ranks, or gets wrong by most; None where it gets none so.

    ``among`` are runs to choose from; empty: all. Ranks are those among all. The Janus is a clear one, if there is such a pair.
    """
    wide = judged.of()[["prompt", "run", "truth", "amount", "success", score]].dropna(subset=score)
    known = wide.assign(rank=wide[score].rank())
    known = known[known["run"].isin(among)] if among else known
    clear = known[(known["truth"] != 1) | (known["amount"] >= CLEAR)]
    return _widest(clear, told) or _widest(known, told)


def _widest(known: pd.DataFrame, told: bool) -> Pair | None:
    best: tuple[float, Pair | None] = (0.0, None)
    for _, own in known.groupby("prompt"):
        janus, right = own[own["truth"] == 1], own[-own["success"] == 1]
        if janus.empty or right.empty:
            continue
        way = 1 if told else -1
        one = (way * janus["rank"]).idxmax()
        two = (way * right["rank"]).idxmin()
        gap = way * (own["rank"][one] - own["rank"][two])
        if gap > best[0]:
            best = (float(gap), Pair(own["run"][one], own["run"][two]))
    return best[1]


def sentences(judged: Judged) -> list[str]:
    """For the verdict: what would have told, what would have misled, what neither, each with its interval and n; and what that leaves open."""
    wide, study = judged.of(), judged.study
    arms = wide["label"].nunique()
    janus = int((wide["truth"] == 1).sum())
    lines = [
        f"Assets made with view words: {len(wide)} of {len(study.prompts)} prompts × {len(study.seeds)} seeds × {arms} arms; {janus} have a Janus rate of "
        f"{validation.JANUS} or more. AUC is how often one of these scores worse than another asset, of any prompt and arm; 95 % intervals by bootstrap over "
        f"the {wide['prompt'].nunique()} prompts, no test; n counts assets.",
        "",
    ]
    rules = {
        "would have told": f"the interval lies above {TOLD}",
        "would have misled": f"the interval lies below {MISLED}",
        "neither": "anything else",
        "undefined": "no Janus, or nothing else",
    }
    for what, rule in rules.items():
        own = {x: e for x, e in judged.decided.items() if verdict(e) == what}
        if not own and what == "undefined":
            continue
        listed = "; ".join(_sentence(judged, x, e) for x, e in own.items()) or "none"
        lines.append(f"* **{what.capitalize()}** ({rule}): {listed}.")
    return [*lines, *_limits(judged)]


def _sentence(judged: Judged, score: str, found: Estimate) -> str:
    name = judged.heading(score).name
    if found.value is None:
        return f"{name} (n = {found.n})"
    ends = f" [{', '.join(f'{x:.3f}' for x in found.interval)}]" if found.interval else ""
    return f"{name} {found.value:.3f}{ends} (n = {found.n})"


def _limits(judged: Judged) -> list[str]:
    """What the protocol's AUC does not say: within prompts, over methods, by another network, and of what has no score. Descriptive."""
    wide, lines = judged.of(), []
    decided = [x for x, e in judged.decided.items() if verdict(e) in ("would have told", "would have misled")]  # fmt: skip
    both = {"": wide, ", without view words": judged.of(False)}
    for wording, group in both.items():
        pairs = mixed(group)
        if decided and len(pairs):
            told = "; ".join(_sentence(judged, x, auc(pairs, x, within=True)) for x in decided)
            lines.append(
                f"* Descriptive, pairs of one prompt alone{wording} ({pairs['prompt'].nunique()} prompts have a Janus and another asset; what only tells "
                f"prompts apart is at .5 here): {told}."
            )
    for wording, group in both.items():
        if told := _orders(judged, group):
            lines.append(
                f"* Descriptive, the order of methods, which is what a metric is asked for{wording}: Kendall's tau of the {group['label'].nunique()} arms' means "
                f"with their mean Janus rates, 1 where they are in the same order (no interval, several arms are nearly alike): {told}."
            )
    if judged.shared:
        names = ", ".join(judged.heading(x).name for x in judged.shared)
        lines.append(
            f"* Of the oracle's own network, by its features or another head: {names}. That they agree with the oracle, or do not, may be this network's doing."
        )
    other = [x for x in VIEWED if judged.has(f"{x}@imagenet")]
    if other:
        told = "; ".join(_sentence(judged, x, auc(wide, f"{x}@imagenet")) for x in other)
        lines.append(f"* Descriptive, by EfficientNet-Lite0's ImageNet classes instead: {told}.")
    return [*lines, *(f"* {x}" for x in unscored(judged))]


def _orders(judged: Judged, group: pd.DataFrame) -> str:
    """Every score's tau with the Janus rate over arms, the largest first; nothing of fewer than three arms."""
    arms = group.groupby("label")[[*judged.scores, "amount"]].mean().assign(cluster=0)
    if len(arms) < 3:
        return ""
    found = {judged.heading(x).name: tau(arms, x).value for x in judged.scores}
    known = {name: x for name, x in found.items() if x is not None}
    return "; ".join(f"{name} {known[name]:.2f}" for name in sorted(known, key=known.get, reverse=True))  # fmt: skip


def unscored(judged: Judged) -> list[str]:
    """Assets that a score leaves out, which are no chance sample of all."""
    wide, said = judged.of(), dict[str, list[str]]()
    for score in judged.scores:
        lost = wide[wide[score].isna()]
        if len(lost):
            count = f"{len(lost)} assets, {int((lost['truth'] == 1).sum())} of which have a Janus rate of {validation.JANUS} or more"
            said.setdefault(count, []).append(judged.heading(score).name)
    return [f"Without a score and left out: {x} ({', '.join(own)})." for x, own in said.items()]


def variants(judged: Judged, scores: Sequence[str] = VIEWED) -> Iterator[tuple[str, str, str]]:
    """(score, views, the score's name on these views), as far as they were measured."""
    for score in scores:
        for views, ending in VIEWS.items():
            if judged.has(score + ending):
                yield score, views, score + ending
