"""One asset on a page: its turntable, its maps, its numbers, and everything that is known of how it was made."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from esd_bench.formats.printed import number
from esd_bench.pages.assets import Asset, assets_of
from esd_bench.pages.colours import Style, bare, hollow
from esd_bench.pages.folder import Folder
from esd_bench.pages.models import model
from esd_bench.pages.spheres import ring_map, sphere_map
from esd_bench.pages.strips import Strip, strip
from esd_bench.tables import labels

HEADLINES = ("janus_rate", "fronts_elsewhere", "consistency", "ig", "clip_distance")
"""Scores under a turntable, as far as they exist; all are in its details."""
FRONTS = ("front_share", "front_elsewhere")
"""Scores whose values of single views say how like a front each is: of an oracle, of a detector."""
ENTROPY = "iq"
Span = tuple[float, float] | None
"""The ends of a scale, if there is anything to show on it."""


@dataclass(frozen=True)
class Card:
    """What the templates need of an asset; ``model`` is a script, ``lacking`` why something is not shown."""

    asset: Asset
    style: Style
    hollow: bool
    strip: Strip | None
    model: str
    lacking: str
    maps: tuple[Markup, ...]
    headlines: tuple[tuple[str, str], ...]
    story: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Prompt:
    """One prompt's page: its file's name, its text, and its cards by seed."""

    page: str
    text: str
    seeds: tuple[tuple[int, tuple[Card, ...]], ...]

    @property
    def cards(self) -> list[Card]:
        """All of them."""
        return [card for _, cards in self.seeds for card in cards]

    @property
    def models(self) -> bool:
        """Whether any of them can be shown in 3-D."""
        return any(card.model for card in self.cards)


def prompt(
    page: str, rows: pd.DataFrame, span: Span,
    styles: Mapping[str, Style], folder: Folder,
) -> Prompt:  # fmt: skip
    """Everything on one prompt's page; strips and models are stored on the way."""
    order = {label: i for i, label in enumerate(labels(rows))}
    assets = sorted(assets_of(rows), key=lambda x: (x.facts["seed"], order[x.facts["label"]]))
    cards = [_card(x, span, styles, folder) for x in assets]
    seeds = sorted({int(x.facts["seed"]) for x in assets})
    by_seed = tuple((s, tuple(c for c in cards if c.asset.facts["seed"] == s)) for s in seeds)
    return Prompt(page, str(rows["text"].iloc[0]), by_seed)


def entropies(rows: pd.DataFrame) -> Span:
    """The least and the greatest entropy of any single view: all maps share one scale."""
    scored = rows[rows["score"] == ENTROPY]
    found = [asset.views[ENTROPY][1] for asset in assets_of(scored) if ENTROPY in asset.views]
    known = np.concatenate([x[np.isfinite(x)] for x in found]) if found else np.empty(0)
    return (float(known.min()), float(known.max())) if len(known) else None


def _card(asset: Asset, span: Span, styles: Mapping[str, Style], folder: Folder) -> Card:
    label = str(asset.facts["label"])
    script, lacking = model(asset, folder)
    numbers = {x.score: number(x.value, 3) for x in asset.numbers if math.isfinite(x.value)}
    return Card(
        asset,
        styles[bare(label)],
        hollow(label),
        strip(asset, folder),
        script,
        lacking,
        tuple(_maps(asset, span or (0.0, 1.0))),
        tuple((score, numbers[score]) for score in HEADLINES if score in numbers),
        tuple(story(asset)),
    )


def _maps(asset: Asset, span: tuple[float, float]) -> Iterator[Markup]:
    front = next((asset.views[x] for x in FRONTS if x in asset.views), None)
    for found, what in ((front, "front-likeness"), (asset.views.get(ENTROPY), "entropy")):
        angles = asset.angles(found[0]) if found else None
        if found is None or angles is None or len(angles) != len(found[1]):
            continue
        known = np.isfinite(found[1])
        values, angles = found[1][known], angles[known]
        if not known.any():
            continue
        if what == "entropy":
            yield sphere_map(values, angles, what, " nats", span)
        elif np.ptp(angles[:, 1]) < 1:
            yield ring_map(values, angles, what)
        else:
            yield sphere_map(values, angles, what, "", (0.0, 1.0))


def story(asset: Asset) -> Iterator[tuple[str, str]]:
    """How a run was made, as (what, text)."""
    record, spec = asset.record, asset.spec
    yield "run", asset.folder.name
    for stage in spec.get("stages", ()):
        method = stage["method"]
        chosen = ", ".join(f"{name} = {value}" for name, value in method.get("options", ()))
        yield (
            "stage",
            f"{method['name']}{f' ({chosen})' if chosen else ''}, {stage.get('steps', '?')} steps",
        )
    if record.get("seconds"):
        yield "time", f"{record['seconds']:.0f} s, in a pack of {record.get('width', 1)}"
    if record.get("peak_memory"):
        yield "peak memory", f"{record['peak_memory'] / 1e9:.2f} GB"
    for name in ("device", "threads", "commit", "prior", "warm_start"):
        if record.get(name):
            yield name.replace("_", " "), str(record[name])
    versions = record.get("versions") or {}
    if versions:
        yield "versions", ", ".join(f"{name} {value}" for name, value in versions.items())
    for protocol, digest in (record.get("views") or {}).items():
        yield f"views {protocol}", str(digest)


def thumbs(cards: Sequence[Card]) -> list[Card]:
    """The first seed of each arm that has pictures."""
    first: dict[str, Card] = {}
    for card in cards:
        if card.strip:
            first.setdefault(card.asset.facts["label"], card)
    return list(first.values())
