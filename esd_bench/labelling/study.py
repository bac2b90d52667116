"""What raters are shown: the assets of a folder of runs, or pairs of them, under names that tell nothing."""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from esd_bench.gather import gather
from esd_bench.labelling.criteria import PAIRS, SIDES, SINGLE
from esd_bench.paths import inside

Mode: TypeAlias = Literal["single", "pairs"]
MODES: dict[Mode, Collection[str]] = {"single": tuple(SINGLE), "pairs": PAIRS}
"""Answers as they are stored."""
SHOWN: dict[Mode, dict[str, str]] = {"single": SINGLE, "pairs": SIDES}
"""Answers as raters click them, and what the buttons say."""


@dataclass(frozen=True)
class Asset:
    """One finished run as raters see it.

    Attributes:
        id: opaque; a keyed hash of ``key``.
        folder: of the run, resolved, inside the folder of runs.
        name: ``suite/prompt/run``, which other machines know too.
        text: the prompt.
        sphere, ring: folders of views below ``folder``.
        key: what labels are kept by: the name and the digests of both sets of views, so that an asset that takes another's
            run does not take its labels.
    """

    id: str
    folder: Path
    name: str
    text: str
    sphere: str
    ring: str
    key: tuple[str, ...]

    @property
    def mesh(self) -> Path:
        """The GLB file that ``export`` makes, which need not be there."""
        return self.folder / "asset.glb"


@dataclass(frozen=True)
class Item:
    """One thing to judge: an asset, or two of the same prompt and seed."""

    id: str
    text: str
    assets: tuple[Asset, ...]


@dataclass(frozen=True)
class Study:
    """All that can be shown, and what the raters must not know.

    Attributes:
        items: what is judged, by id.
        assets: by id.
        arms: a row a run: name, prompt, method, label, seed, status, run, item; failed runs have no item.
        left_out: runs that can't be shown, and why.
    """

    root: Path
    mode: Mode
    items: dict[str, Item]
    assets: dict[str, Asset]
    arms: pd.DataFrame
    left_out: tuple[tuple[str, str], ...] = ()


def opaque(secret: str, *names: str) -> str:
    """A name that tells nothing to whoever does not hold the secret."""
    return hmac.new(secret.encode(), "\0".join(names).encode(), hashlib.sha256).hexdigest()[:20]


def study(
    root: Path | str,
    secret: str,
    mode: Mode = "single",
    only: Mapping[str, Any] | None = None,
    by_views: bool = True,
) -> Study:
    """Everything below ``root`` that can be judged.

    Args:
        root: a folder of runs, of one suite, or of one prompt.
        secret: of the study; the same one gives the same ids.
        mode: one asset at a time, or two methods side by side.
        only: values that columns of :data:`esd_bench.gather.FILTERS` must have.
        by_views: whether views are part of what labels are kept by, as they are in all but the oldest databases.

    Raises:
        ValueError: when nothing is left to judge.
    """
    place = Path(root)
    if not place.is_dir():
        raise ValueError(f"{root} is no folder of runs")
    runs = gather(place, only).drop_duplicates("run").reset_index(drop=True)
    assets, left_out = _assets(place, runs, secret, by_views)
    names = runs["run"].map(_name)
    arms = runs.assign(name=names, item=names.map({x.name: x.id for x in assets}))
    made = _singles(assets) if mode == "single" else _pairs(arms, assets, secret)
    if not made:
        why = "; ".join(f"{name}: {what}" for name, what in left_out[:1])
        raise ValueError(f"nothing to judge in {root}" + (f" ({why})" if why else ""))
    kept = ["name", "prompt", "method", "label", "seed", "status", "run", "item"]
    items, known = {x.id: x for x in made}, {x.id: x for x in assets}
    return Study(place, mode, items, known, arms[kept], tuple(left_out))


def _name(folder: str) -> str:
    return "/".join(Path(folder).resolve().parts[-3:])


def _assets(
    root: Path, runs: pd.DataFrame, secret: str, by_views: bool
) -> tuple[list[Asset], list[tuple[str, str]]]:
    made, left_out = [], []
    for run in runs[runs["status"] == "finished"].itertuples():
        name = _name(str(run.run))
        try:
            made.append(_asset(root, Path(str(run.run)), name, str(run.text), secret, by_views))
        except ValueError as error:
            left_out.append((name, str(error)))
    return made, left_out


def _asset(root: Path, folder: Path, name: str, text: str, secret: str, by_views: bool) -> Asset:
    real = inside(root, folder.relative_to(root))
    try:
        views = json.loads((real / "spec.json").read_text(encoding="utf-8"))["views"]
        stored = json.loads((real / "record.json").read_text(encoding="utf-8"))["views"]
        both = [str(views[i]) for i in (0, -1)]
        digests = [str(stored.get(x, "")) for x in both]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"its spec or record names no views ({error})") from None
    sphere, ring = (x.replace(":", "-") for x in both)
    for kind in (sphere, ring):
        if not inside(real, f"views/{kind}/cameras.json").is_file():
            raise ValueError(f"it has no views {kind!r}")
    key = (name, *(digests if by_views else ()))
    return Asset(opaque(secret, *key), real, name, text, sphere, ring, key)


def _singles(assets: list[Asset]) -> list[Item]:
    return [Item(asset.id, asset.text, (asset,)) for asset in assets]


def _pairs(arms: pd.DataFrame, assets: list[Asset], secret: str) -> list[Item]:
    """Every two methods on the same prompt and seed."""
    known = {asset.name: asset for asset in assets}
    shown = arms[arms["name"].isin(known)].sort_values("label")
    made = []
    for _, group in shown.groupby(["prompt", "seed"], sort=True):
        for a, b in combinations(group.drop_duplicates("label")["name"], 2):
            both = (known[a], known[b])
            made.append(
                Item(opaque(secret, "pair", *both[0].key, *both[1].key), both[0].text, both)
            )
    return made
