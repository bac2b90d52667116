"""What the pages tell of one run: its facts, its numbers, the values of single views."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

GLB = "asset.glb"


@dataclass(frozen=True)
class Number:
    """One score of a run; ``origin`` is the anchor of what stands behind it."""

    score: str
    value: float
    unit: str
    n: int
    network: str
    note: str
    origin: str

    @property
    def text(self) -> str:
        """Four significant digits, or a dash."""
        return f"{self.value:.4g}" if math.isfinite(self.value) else "–"


@dataclass(frozen=True)
class Asset:
    """A finished or failed run.

    Attributes:
        id: of its places in the report, from suite, prompt and run; twelve hex digits.
        facts: columns of the gathered frame that all its rows share.
        numbers: its scores in the order of the frame.
    """

    id: str
    folder: Path
    facts: Mapping[str, Any]
    numbers: tuple[Number, ...]

    @property
    def name(self) -> str:
        """Method and seed."""
        return f"{self.facts['label']}, seed {self.facts['seed']}"

    @property
    def failed(self) -> bool:
        """Whether the run ended without an asset."""
        return bool(self.facts["status"] != "finished")

    @cached_property
    def spec(self) -> dict[str, Any]:
        """As stored, or nothing where only its scores are left."""
        return _read(self.folder / "spec.json")

    @cached_property
    def record(self) -> dict[str, Any]:
        """As stored, or nothing where only its scores are left."""
        return _read(self.folder / "record.json")

    @property
    def model(self) -> Path | None:
        """Its GLB file, if it was exported."""
        path = self.folder / GLB
        return path if path.is_file() else None

    def value(self, score: str) -> float:
        """A score, or NaN."""
        return next((x.value for x in self.numbers if x.score == score), math.nan)

    @cached_property
    def views(self) -> dict[str, tuple[str, np.ndarray]]:
        """Score -> the protocol and the value of each view, of scores that are means over the run's own views."""
        found = {}
        for path in sorted((self.folder / "scores").glob("*.json")):
            file = _read(path) if "@" not in path.stem else {}
            for score in file.get("scores", ()):
                if score.get("per_view"):
                    values = np.asarray(score["per_view"], dtype=np.float64)
                    found[str(score["name"])] = str(file["comparability"]["protocol"]), values
        return found

    def angles(self, protocol: str) -> np.ndarray | None:
        """(n, 2) azimuth and elevation in degrees of stored views; None where they were not stored."""
        cameras = _read(self.folder / "views" / protocol.replace(":", "-") / "cameras.json")
        return directions(cameras) if cameras else None


def directions(cameras: Mapping[str, Any]) -> np.ndarray:
    """(n, 2) azimuth and elevation in degrees of stored cameras."""
    eye = np.asarray(cameras["camera_to_world"], dtype=np.float64).reshape(-1, 4, 4)[:, :3, 3]
    azimuth = np.arctan2(eye[:, 0], eye[:, 2])
    elevation = np.arctan2(eye[:, 1], np.hypot(eye[:, 0], eye[:, 2]))
    return np.rad2deg(np.stack([azimuth, elevation], 1))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def hashed(*parts: object) -> str:
    """Twelve hex digits: a file name or an anchor that holds nothing of the text it stands for."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


SHARED = (
    "suite",
    "prompt",
    "text",
    "prior",
    "method",
    "label",
    "seed",
    "status",
    "wording",
    "start",
)


def assets_of(rows: pd.DataFrame) -> Iterator[Asset]:
    """The assets behind the rows of a gathered frame, in its order."""
    for run, own in rows.groupby("run", sort=False):
        folder = Path(str(run))
        facts = {name: own[name].iloc[0] for name in SHARED}
        blank = own["score"] == ""
        facts["reason"] = str(own["note"][blank].iloc[0]) if blank.any() else ""
        numbers = tuple(map(_number, own[~blank].to_dict("records")))
        yield Asset(hashed(*folder.parts[-3:]), folder, facts, numbers)


def _number(row: Mapping[Any, Any]) -> Number:
    return Number(
        row["score"], float(row["value"]), row["unit"], int(row["n"]), row["network"], row["note"],
        origin(row),
    )  # fmt: skip


def origin(row: Mapping[Any, Any]) -> str:
    """The anchor of how a number was measured, which many numbers share."""
    return "k" + hashed(json.dumps(conditions(row), sort_keys=True), row["provenance"])


def conditions(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A comparability key without the version of the score: scores of one measurement share it; and the views' number."""
    key = {k: v for k, v in json.loads(row["key"] or "{}").items() if k != "version"}
    return {**key, "network": row["network"], "n": int(row["n"])}
