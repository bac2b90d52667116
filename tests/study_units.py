"""Small stored units of the study with effects that are known, for the tests of its paper."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from esd_bench.tables import COLUMNS
from reports.embedded import wide

ROOT = Path(__file__).parents[1]
ARMS = json.loads((ROOT / "reports/embedded/arms.json").read_text(encoding="utf-8"))
PRIMARY = [f"esd-entropy{x}{y}" for y in ("", "-plain") for x in ("0", "0.5", "1")]
MADE = {"method": "esd", "label": "", "status": "finished", "suite": "study", "prior": "embedded-biased"}  # fmt: skip
WAYS = {
    **dict.fromkeys(("consistency", "iv", "ig", "success", "right_word"), "higher"),
    **dict.fromkeys(("front_share", "faces", "front_peaks", "pose_peaks"), ""),
}
"""Directions; of all other scores lower is better."""
SEEN = {
    **{key: {"clip": "b"} for key in ("clip_distance", "front_elsewhere", "fronts_elsewhere", "right_word")},
    **{key: {"features": "a", "clip": "b"} for key in ("self_similarity", "self_similarity_clip")},
}  # fmt: skip
"""Digests of the networks of a score; of all others the oracle's."""
Effect = Callable[[str, np.random.Generator], dict[str, float] | None]
"""From an arm's name and a generator to what an asset's scores are, or None: the run failed."""


def scores(rate: float, rng: np.random.Generator, **given: float) -> dict[str, float]:
    """All scores of an asset of this Janus rate: IQ and the detector see it, FID prefers it, the rest are blind."""
    noise = rng.normal(size=16)
    made = {
        **{"janus_rate": rate, "success": float(rate < 0.2), "consistency": 0.9 - 0.5 * rate},
        **{"front_share": 0.3 + rate / 2, "faces": 1.0, "pose_peaks": 1.0, "front_peaks": 1.0},
        **{"iq": 1 + rate + 0.01 * noise[0], "fid": 500 - 300 * rate + noise[1]},
        **{"iv": 2 + 0.1 * noise[2], "ig": 1 + 0.1 * noise[3], "clip_distance": 0.5 + noise[4] / 50},
        **{"kid": 9 + noise[5], "front_elsewhere": rate + 0.01 * noise[6], "right_word": 0.5},
        **{"fronts_elsewhere": rate, "self_similarity": noise[7], "self_similarity_clip": noise[8]},
    }  # fmt: skip
    return {**made, **given}


def write(
    folder: Path, effect: Effect, arms: Sequence[str] = PRIMARY, prompts: int = 12, seed: int = 0
) -> Path:
    """``arms.json`` and the units of these arms, on the first prompts."""
    texts = dict([*ARMS["prompts"].items()][:prompts])
    told = {**ARMS, "prompts": texts}
    (folder / "units").mkdir(parents=True)
    (folder / "arms.json").write_text(json.dumps(told), encoding="utf-8")
    rng = np.random.default_rng(seed)
    for name in arms:
        for k in ARMS["seeds"]:
            unit(folder, name, k, [(x, texts[x], effect(name, rng)) for x in texts], rng)
    return folder


def unit(folder: Path, name: str, seed: int, assets: list, rng: np.random.Generator) -> None:
    """One unit of (prompt, text, scores)."""
    arm, rows = ARMS["arms"][name], []
    for prompt, text, found in assets:
        wording = "view words" if arm["words"] else "no view words"
        run = {
            **MADE,
            "method": arm["method"],
            "label": arm["label"],
            "prompt": prompt,
            "text": text,
        }
        run |= {
            "seed": seed,
            "run": f"study/{prompt}/{name}-s{seed}",
            "wording": wording,
            "start": "",
        }
        if found is None:
            rows.append({**run, "status": "failed", "note": "diverged", "n": 0, "pass": "main"})
            continue
        rows += [_row(run, x, value, "main", "sphere:120") for x, value in found.items()]
        for score in ("iq", "fid"):
            value = found[score] + 0.1 * rng.normal()
            rows.append(_row(run, score, value, "ring", "ring:15:36"))
            rows.append(_row(run, f"{score}@sphere:12", value, "sphere12", "sphere:12"))
        rows.append(_row(run, "iq", found["iq"], "imagenet", "sphere:120", "efficientnet_lite0"))
    stem = folder / "units" / f"{name}-s{seed}"
    frame = pd.DataFrame(rows).reindex(columns=[*COLUMNS, "pass"])
    words = frame.columns.difference(["value", "n", "seed"])
    told = wide.write(frame.assign(**frame[words].fillna("")), Path(f"{stem}.csv.xz"))
    facts = {
        "name": stem.name,
        "spec": arm["spec"],
        "prompts": [text for _, text, _ in assets],
        "seconds": {"generate": 10.0, "score": 5.0},
        "record": {"device": "a test", "commit": "none"},
        **told,
    }
    Path(f"{stem}.json").write_text(json.dumps(facts), encoding="utf-8")


def _row(run: dict, score: str, value: float, where: str, views: str, network: str = "embedded") -> dict:  # fmt: skip
    seen = SEEN.get(score, {"oracle": "a" if network == "embedded" else network})
    named = {role: {"digest": x} for role, x in seen.items()}
    key = json.dumps({"protocol": views, "background": "white", "networks": named})
    way = WAYS.get(score.partition("@")[0], "lower")
    return {**run, "score": score, "value": value, "better": way, "n": 36, "network": network, "key": key,
            "unit": "", "note": "", "provenance": "{}", "pass": where}  # fmt: skip
