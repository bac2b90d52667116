"""Finished runs and their scores as one tidy frame, read as plain JSON: no torch, no plugin, so at once.

Columns are those of :data:`esd_bench.tables.COLUMNS`; ``gather`` also reads what ``write_scores`` stored, so that tables can
be made again from committed scores without the runs.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from esd_bench.cells import back, plain
from esd_bench.tables import COLUMNS

FILTERS = ("suite", "prior", "method", "label", "wording", "prompt", "seed", "status")
"""Columns by which runs can be chosen."""
COUNTS = ("n", "seed")


def gather(root: Path | str, only: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """A tidy frame with a row for each run and score.

    Args:
        root: a folder of runs (of all suites, of one, or of one prompt), or a CSV of :func:`write_scores`.
        only: values that columns of :data:`FILTERS` must have, such as ``{"suite": "benchmark"}``; or lists of them.

    Raises:
        ValueError: for a broken file, naming it, or when no finished run is left.
    """
    path = Path(root)
    frame = _from_csv(path) if path.is_file() else _from_runs(path)
    chosen = {k: [*map(str, v if isinstance(v, list) else [v])] for k, v in (only or {}).items()}
    for name, values in chosen.items():
        if name not in FILTERS:
            raise ValueError(f"runs can be chosen by {', '.join(FILTERS)}, not by {name!r}")
        frame = frame[frame[name].astype(str).isin(values)]
    if frame.empty:
        which = ", ".join(f"{name} {' or '.join(values)}" for name, values in chosen.items())
        raise ValueError(f"no finished run in {root}" + (f" with {which}" if which else ""))
    return _one_suite_each(frame)


def write_scores(frame: pd.DataFrame, path: Path | str) -> None:
    """Store a gathered frame, so that tables can be made again without the runs; ``.csv.gz`` is compressed.

    Runs keep the last three parts of their folders: suite, prompt and id.
    """
    runs = frame["run"].map(lambda run: "/".join(Path(run).parts[-3:]))
    safe = frame.assign(run=runs).map(lambda x: plain(x) if isinstance(x, str) else x)
    packed = {"method": "gzip", "mtime": 0} if Path(path).suffix == ".gz" else None
    safe.to_csv(path, index=False, lineterminator="\n", compression=packed)


def _one_suite_each(frame: pd.DataFrame) -> pd.DataFrame:
    """Prompt ids that two suites share get the suite's name, or they would be averaged as if they were seeds."""
    shared = frame.groupby("prompt")["suite"].transform("nunique") > 1
    full = frame["suite"] + "/" + frame["prompt"]
    return frame.assign(prompt=frame["prompt"].where(~shared, full))


def _from_csv(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            dtype={name: str for name in COLUMNS if name not in COUNTS},
            keep_default_na=False,
        )
        # Python's own parser, because that of pandas may be off by a bit.
        values = [float(text) if text else math.nan for text in frame["value"]]
        words = {x: frame[x].map(back) for x in COLUMNS if x not in (*COUNTS, "value")}
        return frame.assign(value=values, **words)[list(COLUMNS)]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no scores: {error}") from None


def _from_runs(root: Path) -> pd.DataFrame:
    depths = ("*/*/*", "*/*", "*")
    records = [path for depth in depths for path in root.glob(f"{depth}/record.json")]
    # A hidden folder is a run in the making.
    folders = sorted(path.parent for path in records if path.parent.name[0] != ".")
    specs = {folder: _read(folder / "spec.json") for folder in folders}
    rows = [row for folder in folders for row in _rows(folder, specs[folder])]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return _told_apart(frame, {str(folder): _arm(spec) for folder, spec in specs.items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def _rows(folder: Path, spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each score of a run, or one without a score that says that it has none."""
    record = _read(folder / "record.json")
    stored = {path.stem: _read(path) for path in sorted((folder / "scores").glob("*.json"))}
    try:
        run = _facts(folder, spec, record)
        scores = [_score(s, file, stem) for stem, file in stored.items() for s in file["scores"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{folder} is no finished run ({what})") from None
    for score in scores or [{**NOTHING, "note": record.get("reason", "")}]:
        yield {**run, **score}


def _facts(folder: Path, spec: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    *before, last = [_title(stage["method"]["name"]) for stage in spec["stages"]]
    words = spec.get("wording", {}).get("view_words", True)
    wording = "view words" if words else "no view words"
    return {
        "suite": spec["suite"],
        "prompt": spec["prompt"]["id"],
        "text": spec["prompt"]["text"],
        "prior": str(dict(spec["prior"]["options"]).get("folder", spec["prior"]["name"])),
        "method": last,
        "label": record.get("label") or last,
        "seed": int(spec["seed"]),
        "run": str(folder),
        "status": record["status"],
        # Nobody knows how somebody's own assets were asked for.
        "wording": "unknown words" if spec.get("engine") == "ingest" else wording,
        "start": ", ".join(dict.fromkeys(before)),
    }


def _title(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(".py").replace("-", "_")


NOTHING = {
    "score": "",
    "value": math.nan,
    "unit": "",
    "better": "",
    "n": 0,
    "network": "",
    "key": "",
    "provenance": "",
}


def _score(score: dict[str, Any], file: dict[str, Any], stem: str) -> dict[str, Any]:
    """One number; views other than the run's own two sets give it a name of its own, ``fid@band:-10:45:120``."""
    # A file's scores share one key, but the versions of its other scores do not matter to this one.
    key = {**file["comparability"], "version": score.get("version", 1)}
    key.pop("versions", None)
    same = {
        name: file["provenance"].get(name) for name in ("device", "threads", "batch", "versions")
    }
    return {
        "score": score["name"] + (f"@{key['protocol']}" if "@" in stem else ""),
        "value": math.nan if score["value"] is None else float(score["value"]),
        "unit": score.get("unit", ""),
        "better": score.get("better") or "",
        "n": int(score.get("n", 0)),
        "network": file.get("network", ""),
        "key": _text(key),
        "note": score.get("note", ""),
        "provenance": _text(same),
    }


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


# ---- telling arms apart --------------------------------------------------------------------------------------------


def _arm(spec: dict[str, Any]) -> dict[str, str]:
    """Everything that decides a run's pictures but the prompt and the seed, as path -> value."""
    apart = ("prompt", "seed", "suite", "preset", "views")
    return dict(flat({key: value for key, value in spec.items() if key not in apart}))


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of a JSON value as (path, text); a list of [name, value] pairs counts as an object."""
    if isinstance(value, list) and all(isinstance(x, list) and len(x) == 2 for x in value):
        value = {str(name): x for name, x in value}
    if isinstance(value, list):
        value = {str(i): x for i, x in enumerate(value)}
    if isinstance(value, dict) and value:
        for name, x in value.items():
            yield from flat(x, f"{path}.{name}" if path else str(name))
    else:
        yield path, str(value)


def _told_apart(frame: pd.DataFrame, arms: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Labels completed where runs of one label differ in more than prompt and seed: no table may average over them."""
    endings: dict[str, str] = {}
    for _, runs in frame.groupby("label", sort=False)["run"].unique().items():
        paths = dict.fromkeys(path for run in runs for path in arms[run])
        apart = [p for p in paths if len({arms[run].get(p) for run in runs}) > 1]
        endings |= {run: "".join(f", {_named(p, arms[run])}" for p in apart) for run in runs}
    how = frame["run"].map(endings).fillna("")
    said = zip(frame["label"], how, ", " + frame["wording"], strict=True)
    # The wording stays last, so that tables which show it apart can take it off.
    return frame.assign(label=[_before(label, ending, last) for label, ending, last in said])


def by_seed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the seed in every label, so that tables have a row for each seed."""
    said = zip(frame["label"], frame["seed"], ", " + frame["wording"], strict=True)
    return frame.assign(label=[_before(label, f", seed {k}", last) for label, k, last in said])


def _before(label: str, ending: str, last: str) -> str:
    bare = label.removesuffix(last)
    return f"{bare}{ending}{label[len(bare) :]}"


def _named(path: str, arm: Mapping[str, str]) -> str:
    """A difference in words: a plugin or folder by its name, an option as "steps = 900"."""
    value, last = arm.get(path, "none"), path.rsplit(".", 1)[-1]
    return _title(value) if last in ("name", "folder") else f"{last} = {value}"
