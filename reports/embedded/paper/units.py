"""The stored units of the study: read, checked against what the protocol wants, and put in order.

``arms.json`` (``study.py --describe``) says what is wanted; an arm with fewer than all seeds counts as cut.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esd_bench.tables import COLUMNS, Column
from esd_bench.tables._columns import column
from reports.embedded import wide

WORDINGS = ("view words", "no view words")
GROUPS = (
    "1. Primary, view words",
    "1. Primary, no view words",
    "2. VSD and SDS, view words",
    "2. VSD and SDS, no view words",
    "3. Others, view words",
    "4. Others, no view words",
)
"""The protocol's, in the order in which arms are made."""
STEPS = 1200
RATE = "success"
"""The score by which a failed run counts, as a 0."""


@dataclass(frozen=True)
class Arm:
    """What ``arms.json`` says of an arm; ``name`` is that of its files, ``label`` that of its rows."""

    name: str
    method: str
    options: dict[str, float]
    words: bool
    student: str | None
    schedule: str | None
    steps: int
    label: str
    spec: str

    @property
    def wording(self) -> str:
        """Of its prompts, as tables say it."""
        return WORDINGS[not self.words]

    @property
    def bare(self) -> str:
        """The label without the wording."""
        return self.label.removesuffix(f", {self.wording}")

    @property
    def plain(self) -> bool:
        """Whether nothing but method and options differ from the preset."""
        return not (self.student or self.schedule) and self.steps == STEPS

    @property
    def entropy(self) -> float | None:
        """ESD's λ."""
        return self.options.get("entropy") if self.method == "esd" else None

    @property
    def group(self) -> str:
        """One of :data:`GROUPS`."""
        if self.plain and self.entropy in (0, 0.5, 1):
            return GROUPS[not self.words]
        if self.plain and self.method in ("vsd", "sds"):
            return GROUPS[2 + (not self.words)]
        return GROUPS[4 + (not self.words)]


@dataclass(frozen=True)
class Study:
    """What is stored, and what is not.

    Attributes:
        arms: those that are not cut, in the protocol's order.
        cut: those that lack a seed.
        missing: units that are not stored.
        prompts: ids, in the order in which all tables of the suite draw them.
        seeds: of every arm.
        scores: tidy scores of the arms that are not cut, with the column ``pass``.
        facts: the stored JSON of every unit there is, those of cut arms too.
    """

    arms: tuple[Arm, ...]
    cut: tuple[Arm, ...]
    missing: tuple[str, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    scores: pd.DataFrame
    facts: dict[str, dict[str, Any]]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run."""
        return self.scores.drop_duplicates("run").set_index("run")

    @cached_property
    def failed(self) -> dict[str, int]:
        """Label -> failed runs."""
        lost = self.runs["status"] != "finished"
        return {str(x): int(n) for x, n in lost.groupby(self.runs["label"]).sum().items()}

    @cached_property
    def main(self) -> pd.DataFrame:
        """Scores of the views that every run stores, by the embedded networks, failed runs among them: what tables read."""
        rows = self.scores[
            (self.scores["pass"] == "main") & ~self.scores["score"].str.contains("@")
        ]
        return rows[list(COLUMNS)]

    @cached_property
    def kinds(self) -> pd.DataFrame:
        """A row of ``main`` for every way in which a score was measured: enough to head its column."""
        return self.main.drop_duplicates(["score", "n", "key"])

    def heading(self, score: str) -> Column:
        """The column of an outcome. None is marked as best: what wins is for the tests to say."""
        made = replace(column(self.kinds, score), mark=False)
        # KID is in the thousands on features that are not Inception's.
        return replace(made, digits=0) if score == "kid" else made

    @cached_property
    def arrays(self) -> dict[tuple[str, str], np.ndarray]:
        """(label, score) -> (prompts, seeds); NaN where there is none, and 0 for the success of a failed run."""
        lost = self.runs[self.runs["status"] != "finished"].reset_index()
        rows = pd.concat([self.main, lost.assign(score=RATE, value=0.0)])
        rows = rows[rows["score"] != ""]
        row = rows["prompt"].map({x: i for i, x in enumerate(self.prompts)}).to_numpy()
        column = rows["seed"].map({x: i for i, x in enumerate(self.seeds)}).to_numpy()
        values, made = rows["value"].to_numpy(float), {}
        for key, where in rows.groupby(["label", "score"]).indices.items():
            table = np.full((len(self.prompts), len(self.seeds)), np.nan)
            table[row[where], column[where]] = values[where]
            made[key] = table
        return made

    def find(self, method: str = "esd", entropy: float | None = None, **same: Any) -> Arm:
        """The arm of a method as it is published, or of these other settings; also where it is cut."""
        asked = {"student": None, "schedule": None, "words": True, "steps": STEPS, **same}
        (found,) = [
            arm
            for arm in (*self.arms, *self.cut)
            if arm.method == method
            and arm.entropy == entropy
            and all(getattr(arm, k) == v for k, v in asked.items())
        ]
        return found


def wanted(folder: Path) -> tuple[dict[str, str], tuple[int, ...], list[Arm]]:
    """Prompts (id -> text), seeds and arms of the protocol.

    Raises:
        ValueError: where nothing says what they are.
    """
    path = folder / "arms.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing; reports/embedded/study.py --describe writes it")
    told = json.loads(path.read_text(encoding="utf-8"))
    arms = [Arm(name=name, **facts) for name, facts in told["arms"].items()]
    return told["prompts"], tuple(told["seeds"]), arms


def read(folder: Path) -> Study:
    """The study below a folder that holds ``arms.json`` and ``units``.

    Args:
        folder: of the study.

    Raises:
        ValueError: in one line, where a unit was made otherwise than the protocol says, or none is there.
    """
    prompts, seeds, arms = wanted(folder)
    names = {arm.name: [f"{arm.name}-s{seed}" for seed in seeds] for arm in arms}
    facts = {
        unit: _facts(folder / "units" / f"{unit}.json", arm, list(prompts.values()))
        for arm in arms
        for unit in names[arm.name]
        if (folder / "units" / f"{unit}.json").is_file()
    }
    _known(folder / "units", {f"{arm.name}-s{seed}" for arm in arms for seed in seeds})
    whole = [arm for arm in arms if all(unit in facts for unit in names[arm.name])]
    if not whole:
        raise ValueError(
            f"no arm has all its seeds in {folder / 'units'}; reports/embedded/study.py makes them"
        )
    frames = [
        _scores(folder / "units" / f"{unit}.csv.xz", facts[unit], arm, seed, [*prompts])
        for arm in whole
        for unit, seed in zip(names[arm.name], seeds, strict=True)
    ]
    missing = [unit for own in names.values() for unit in own if unit not in facts]
    cut = [arm for arm in arms if arm not in whole]
    scores = pd.concat(frames, ignore_index=True)
    return Study(
        tuple(whole), tuple(cut), tuple(missing), tuple(sorted(prompts)), seeds, scores, facts
    )


def _known(folder: Path, names: set[str]) -> None:
    """Refuse units of no arm, which would be left out in silence."""
    for path in sorted(folder.glob("*.json")):
        if path.stem not in names:
            raise ValueError(f"{path} is of no arm of the protocol; move it away")


def _facts(path: Path, arm: Arm, prompts: Sequence[str]) -> dict[str, Any]:
    try:
        told = dict(json.loads(path.read_text(encoding="utf-8")))
        spec, texts = told["spec"], list(told["prompts"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no unit: {type(error).__name__}: {error}") from None
    if spec != arm.spec:
        raise ValueError(
            f"{path} was made of another spec ({str(spec)[:8]}) than the protocol's ({arm.spec[:8]}); move it away"
        )
    if texts != list(prompts):
        raise ValueError(
            f"{path} has other prompts than the protocol ({_apart(texts, prompts)}); move it away"
        )
    return told


def _apart(texts: Sequence[str], prompts: Sequence[str]) -> str:
    """How two lists of prompts differ."""
    if len(texts) != len(prompts):
        return f"{len(texts)} instead of {len(prompts)}"
    pairs = zip(texts, prompts, strict=True)
    return next((f"{a!r} instead of {b!r}" for a, b in pairs if a != b), "")


def _scores(
    path: Path, facts: dict[str, Any], arm: Arm, seed: int, prompts: Sequence[str]
) -> pd.DataFrame:
    """The tidy scores of a unit, which must be of all its prompts and of nothing else."""
    frame = wide.read(path, facts)
    _same(path, "label", frame["label"], [arm.label])
    _same(path, "seed", frame["seed"], [seed])
    _same(path, "prompt", frame["prompt"], prompts)
    if frame["run"].nunique() != len(prompts):
        raise ValueError(f"{path} has a run twice; make the unit again")
    return frame


def _same(path: Path, what: str, found: pd.Series, expected: Iterable[Any]) -> None:
    apart = sorted({*map(str, found.unique())} ^ {*map(str, expected)})
    if apart:
        raise ValueError(f"{path} does not hold what its .json says: {what} {', '.join(apart[:3])}")
