"""Folders of runs that were never made, with scores that were never computed, as ``generate`` and ``score`` write them."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from esd_bench.prompts import Prompt, Wording
from esd_bench.spec import Choice, RunSpec
from esd_bench.store import RunRecord
from tests.specs import spec

UNITS = {"iq": "nats", "iv": "nats"}
BETTER = {
    **dict.fromkeys(("clip_distance", "fid", "iq", "janus_rate"), "lower"),
    **dict.fromkeys(("iv", "ig", "consistency", "success", "mine"), "higher"),
}
KEY: dict[str, Any] = {
    "networks": {"features": {"name": "net-1", "digest": "ab" * 32}},
    "background": "white",
    "protocol": "sphere:120",
    "n": 120,
    "reference": None,
}
PROVENANCE: dict[str, Any] = {
    "views": "differs in every run",
    "device": "x86_64",
    "threads": 1,
    "batch": {"net-1": 32},
    "versions": {"torch": "2.9"},
}
SEVEN = ("clip_distance", "fid", "iq", "iv", "ig", "janus_rate", "success")


class Runs:
    """A folder of runs that is filled one run at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        prompt: str = "a red cat",
        method: str = "sds",
        seed: int = 0,
        scores: dict[str, float | None] | None = None,
        label: str = "",
        reason: str = "",
        **how: Any,
    ) -> Path:
        """One run; ``how`` may hold suite, words, changes (of the spec), key, provenance, own (``@protocol`` scores)."""
        made = _spec(prompt, method, seed, how)
        folder = self.root / made.suite / made.prompt.id / made.id
        record = RunRecord("failed" if reason else "finished", reason, label or made.label)
        _write(folder / "spec.json", made.to_json())
        _write(folder / "record.json", asdict(record))
        for name, value in (scores or {}).items():
            self.score(folder, name, value, **how)
        return folder

    def score(
        self, folder: Path, name: str, value: float | None, stem: str = "", **how: Any
    ) -> None:
        """One file of scores with one score in it."""
        score = {
            "name": name,
            "value": value,
            "unit": UNITS.get(name, ""),
            "better": BETTER.get(name),
            "n": 120,
            "per_view": [],
            "version": how.get("version", 1),
            "note": "",
        }
        key = {**KEY, "versions": {name: 1}, **how.get("key", {})}
        file = {
            "metric": name,
            "scores": [score],
            "network": "net-1",
            "key": "0" * 16,
            "comparability": key,
            "provenance": {**PROVENANCE, **how.get("provenance", {})},
        }
        _write(folder / "scores" / f"{stem or name}.json", file)

    def study(
        self, prompts: int = 6, seeds: int = 1, methods: tuple[str, ...] = ("sds", "vsd", "esd")
    ) -> "Runs":
        """A whole grid with seven scores, of which ESD's are the better ones."""
        rng = np.random.default_rng(0)
        for p in range(prompts):
            for method in methods:
                for seed in range(seeds):
                    self.add(f"a cat number {p}", method, seed, _seven(rng, method == "esd"))
        return self


def _seven(rng: np.random.Generator, good: bool) -> dict[str, float | None]:
    iq = float(rng.uniform(2, 3) - good)
    iv = float(iq + rng.uniform(0.3, 0.6) + good)
    return {
        "clip_distance": float(rng.uniform(0.70, 0.75) - 0.02 * good),
        "fid": float(rng.uniform(150, 365)),
        "iq": iq,
        "iv": iv,
        "ig": (iv - iq) / iq,
        "janus_rate": float(rng.uniform(0, 1) * (1 - 0.7 * good)),
        "success": float(good or rng.uniform() < 0.2),
    }


def _spec(prompt: str, method: str, seed: int, how: dict[str, Any]) -> RunSpec:
    made = spec(
        suite=how.get("suite", "test"),
        prompt=Prompt(prompt),
        seed=seed,
        wording=Wording(view_words=how.get("words", True)),
        **how.get("changes", {}),
    )
    options = made.stages[-1].method.options if method == "esd" else (("scale", 100.0),)
    if "entropy" in how:
        options = tuple((k, how["entropy"] if k == "entropy" else v) for k, v in options)
    stage = replace(made.stages[-1], method=Choice(method, options))
    return replace(made, stages=(*made.stages[:-1], stage))


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False))
