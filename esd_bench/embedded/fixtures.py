"""Objects whose number of fronts is known: the truth that Janus detectors are tried on.

A figure of this world keeps its body, and what shows its front (face, chest, feet; headlights, door, dial) is repeated at
360 / k degrees. A tail or a back panel stays where no front takes its place, that is for odd k. Beside them stand things
without any front, most of which look the same from many sides for good reasons: a ball, a vase, a tree, a table.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.cameras import Cameras, protocol
from esd_bench.embedded import raycast
from esd_bench.embedded.captions import article
from esd_bench.embedded.kinds import KINDS, NAMES
from esd_bench.embedded.objects import Objects, assemble, fitted, palette, rotation
from esd_bench.embedded.parts import COLOURS, NOTHING, PAINTS, Part, ball, box, rod
from esd_bench.views import ViewSet

FIGURES = (
    "cat", "dog", "bear", "rabbit", "pig", "owl", "mouse", "frog", "penguin", "elephant", "monkey", "robot",
)  # fmt: skip
"""Kinds with a round body, on which one to four fronts find room."""
FLAT = ("lion", "car", "house", "clock")
"""Kinds with a front and a back only."""
AHEAD, BEHIND, AXIS = 0.06, -0.20, 0.01
"""Of a part's centre: z from which it belongs to the front, z from which to the back, and the |x| of parts on the axis."""


def _legs(n: int, radius: float) -> list[Part]:
    turns = [2 * math.pi * (i + 0.5) / n for i in range(n)]
    return [
        rod((radius * math.sin(a), -0.35, radius * math.cos(a)), (0.06, 0.35, 0.06), "wood")
        for a in turns
    ]


SYMMETRIC: dict[str, tuple[int, list[Part]]] = {
    "ball": (0, [ball((0, 0, 0), 0.6)]),
    "egg": (0, [ball((0, 0, 0), (0.42, 0.6, 0.42))]),
    "vase": (0, [
        ball((0, -0.2, 0), (0.42, 0.45, 0.42)), rod((0, 0.3, 0), (0.16, 0.25, 0.16)),
        rod((0, 0.55, 0), (0.26, 0.04, 0.26), "dark"), rod((0, -0.62, 0), (0.25, 0.05, 0.25), "dark"),
    ]),
    "tree": (0, [
        rod((0, -0.5, 0), (0.11, 0.35, 0.11), "wood"), ball((0, 0.05, 0), (0.5, 0.35, 0.5)),
        ball((0, 0.4, 0), (0.36, 0.3, 0.36), "light"),
    ]),
    "mushroom": (0, [
        rod((0, -0.35, 0), (0.16, 0.4, 0.16), "white"), ball((0, 0.1, 0), (0.55, 0.3, 0.55)),
    ]),
    "bottle": (0, [
        rod((0, -0.25, 0), (0.28, 0.45, 0.28)), ball((0, 0.2, 0), (0.28, 0.2, 0.28)),
        rod((0, 0.5, 0), (0.09, 0.25, 0.09), "dark"),
    ]),
    "cube": (4, [box((0, 0, 0), (0.5, 0.5, 0.5))]),
    "table": (4, [box((0, 0.05, 0), (0.6, 0.06, 0.6)), *_legs(4, 0.7)]),
    "stool": (3, [rod((0, 0.05, 0), (0.5, 0.06, 0.5)), *_legs(3, 0.4)]),
    "bench": (2, [
        box((0, 0, 0), (0.8, 0.06, 0.25)), box((0.6, -0.25, 0), (0.06, 0.25, 0.22), "wood"),
        box((-0.6, -0.25, 0), (0.06, 0.25, 0.22), "wood"),
    ]),
    "mug": (1, [
        rod((0, 0, 0), (0.4, 0.5, 0.4)), rod((0, 0.49, 0), (0.36, 0.03, 0.36), "dark"),
        box((0.55, 0.2, 0), (0.17, 0.05, 0.06)), box((0.55, -0.2, 0), (0.17, 0.05, 0.06)),
        box((0.68, 0, 0), (0.05, 0.22, 0.06)),
    ]),
}  # fmt: skip
"""Things without a front: by how many turns they fall onto themselves (0: by any), and their parts."""


@dataclass(frozen=True)
class Fixture:
    """One object with its truth.

    Attributes:
        text: the prompt that it answers.
        kind: of :data:`FIGURES`, :data:`FLAT` or :data:`SYMMETRIC`.
        fronts: how many it has; 0 for things without one.
        fold: by how many turns it (nearly) falls onto itself; 0 is by any.
        objects: the object, alone in its batch.
        turn: radians about the vertical axis; the first front looks there.
    """

    text: str
    kind: str
    fronts: int
    fold: int
    objects: Objects
    turn: float = 0.0

    def views(self, name: str = "ring:15:36", size: int = 64) -> ViewSet:
        """Its pictures from the cameras of a protocol, ``size`` pixels wide."""
        cameras = protocol(name, size).to(self.objects.centre.device)
        many = self.objects[torch.zeros(len(cameras), dtype=torch.long)]
        # Small pictures go many at a time: on a CPU the primitives cost more than the pixels.
        chunk = None if cameras.c2w.is_cuda else max(4, 4 * (64 // size) ** 2)
        rgba = raycast.cast(many, _turned(cameras, -self.turn), chunk=chunk)
        return ViewSet((rgba * 255 + 0.5).floor().to(torch.uint8).cpu(), cameras.to("cpu"), name)


def counts(kind: str) -> tuple[int, ...]:
    """How many fronts a kind can have."""
    return (1, 2, 3, 4) if kind in FIGURES else (1, 2)


def faced(
    kind: str,
    fronts: int,
    colour: str = "red",
    seed: int = 0,
    turn: float = 0.0,
    device: torch.device | str = "cpu",
) -> Fixture:
    """A figure with a number of fronts; the seed varies its proportions and shade, as the training objects vary.

    Raises:
        ValueError: for a kind or a number of fronts that there is not.
    """
    if kind not in (*FIGURES, *FLAT) or fronts not in counts(kind):
        raise ValueError(f"no {kind!r} with {fronts} fronts among the fixtures")
    generator = torch.Generator().manual_seed(seed)
    which = torch.tensor([[NAMES.index(kind)], [list(COLOURS).index(colour)], [0]])
    plain = assemble(which[0], which[1], which[2], generator)
    made = _repeated(_round(plain, kind) if kind in FIGURES else plain, kind, fronts)
    return Fixture(_text(colour, kind), kind, fronts, fronts, made.to(device), turn)


def symmetric(
    kind: str, colour: str = "red", turn: float = 0.0, device: torch.device | str = "cpu"
) -> Fixture:
    """A thing of :data:`SYMMETRIC`, without any front."""
    fold, parts = SYMMETRIC[kind]
    return Fixture(_text(colour, kind), kind, 0, fold, _solid(parts, colour).to(device), turn)


def _text(colour: str, kind: str) -> str:
    return f"{article(colour)} {colour} {kind}"


def _slots(kind: str, among: slice) -> list[int]:
    return [i for i, part in enumerate(KINDS[kind].parts) if among.start < part.at[2] < among.stop]


def _round(objects: Objects, kind: str) -> Objects:
    """The parts on the axis as wide as deep, so that a front fits onto every side."""
    body = [
        i
        for i in _slots(kind, slice(BEHIND, AHEAD))
        if abs(KINDS[kind].parts[i].at[0]) < AXIS and KINDS[kind].parts[i].turn == (0, 0, 0)
    ]
    size, centre = objects.size.clone(), objects.centre.clone()
    size[:, body, 0] = size[:, body, 2]
    centre[:, body, 2] = 0
    return replace(objects, size=size, centre=centre)


def _repeated(objects: Objects, kind: str, copies: int) -> Objects:
    """What is ahead of the body, ``copies`` times round the vertical axis."""
    front, back = _slots(kind, slice(AHEAD, 9)), _slots(kind, slice(-9, BEHIND))
    whole = objects
    if copies % 2 == 0:
        shape = objects.shape.clone()
        shape[:, back] = NOTHING
        whole = replace(objects, shape=shape)
    pieces = [whole, *(_around(objects, front, 360 * i / copies) for i in range(1, copies))]
    per_part = ("shape", "centre", "size", "turn", "paint", "patterned")
    joined = {name: torch.cat([getattr(x, name) for x in pieces], 1) for name in per_part}
    return fitted(replace(objects, **joined))


def _around(objects: Objects, slots: list[int], degrees: float) -> Objects:
    """Some parts, turned about the vertical axis."""
    about = rotation(torch.tensor([0.0, degrees, 0.0]))
    return replace(
        objects,
        shape=objects.shape[:, slots],
        centre=objects.centre[:, slots] @ about.T,
        size=objects.size[:, slots],
        turn=about @ objects.turn[:, slots],
        paint=objects.paint[:, slots],
        patterned=objects.patterned[:, slots],
    )


def _solid(parts: Sequence[Part], colour: str) -> Objects:
    """An object of plain parts."""
    coat = torch.tensor([COLOURS[colour]])
    paints = torch.tensor([PAINTS.index(part.paint) for part in parts])
    centre, size, turn = (torch.tensor([[p[i] for p in parts]]).float() for i in (1, 2, 4))
    made = Objects(
        shape=torch.tensor([[part.shape for part in parts]]),
        centre=centre,
        size=size,
        turn=rotation(turn),
        paint=palette(coat)[:, paints],
        patterned=torch.zeros(1, len(parts), dtype=torch.bool),
        pattern=torch.zeros(1, dtype=torch.long),
        ink=coat,
    )
    return fitted(made)


def _turned(cameras: Cameras, radians: float) -> Cameras:
    """Cameras turned about the vertical axis."""
    about: Float[Tensor, "4 4"] = torch.eye(4)
    about[:3, :3] = rotation(torch.tensor([0.0, math.degrees(radians), 0.0]))
    return replace(cameras, c2w=about.to(cameras.c2w) @ cameras.c2w)
