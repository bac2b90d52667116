"""Batches of procedural objects: small unions of ellipsoids, boxes and rods, each with an unmistakable front.

Everything that varies between two objects of a kind (proportions, small shifts, shade of the coat) is drawn in
:func:`assemble`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.embedded.kinds import ACCESSORIES, EXTRAS, KINDS, NAMES
from esd_bench.embedded.parts import BALL, BOX, COLOURS, FIXED, NOTHING, PAINTS, Part

SLOTS = 32
RADIUS = 0.93
"""Objects fill this part of the unit ball, so that they fit the evaluation views."""


@dataclass(frozen=True)
class Objects:
    """A batch of ``n`` objects of up to ``p`` primitives; all but ``shape`` on one device.

    Attributes:
        shape: BALL, BOX, ROD or NOTHING; stays on the CPU, because loops look at it.
        turn: rotations from a primitive's own axes to the world's.
        patterned: which primitives carry the object's pattern.
        pattern: 0 none, 1 stripes, 2 spots.
        ink: colour of the stripes or spots.
    """

    shape: Int[Tensor, "n p"]
    centre: Float[Tensor, "n p 3"]
    size: Float[Tensor, "n p 3"]
    turn: Float[Tensor, "n p 3 3"]
    paint: Float[Tensor, "n p 3"]
    patterned: Bool[Tensor, "n p"]
    pattern: Int[Tensor, " n"]
    ink: Float[Tensor, "n 3"]

    def __len__(self) -> int:
        return self.shape.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Objects":
        return Objects(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: torch.device | str) -> "Objects":
        """The same objects elsewhere; ``shape`` stays."""
        moved = {
            f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "shape"
        }
        return replace(self, **moved)


def parts_of(kind: str, extra: str) -> list[Part]:
    """All primitives of a kind with an extra, before any jitter."""
    chosen = KINDS[kind]
    worn = ACCESSORIES[extra](chosen) if extra in ACCESSORIES else []
    parts = [*chosen.parts, *worn]
    if len(parts) > SLOTS:
        raise ValueError(f"{kind} {extra} has {len(parts)} parts, more than {SLOTS}")
    return parts


def rotation(degrees: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Matrices that turn about x, then y, then z."""
    angle = torch.deg2rad(degrees)
    (cx, cy, cz), (sx, sy, sz) = angle.cos().unbind(-1), angle.sin().unbind(-1)
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], -1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], -1),
        torch.stack([-sy, cy * sx, cy * cx], -1),
    ]
    return torch.stack(rows, -2)


@cache
def _templates() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Shape, centre, size, turn (degrees) and paint index of every (kind, extra), flattened kind-major."""
    filler = Part(NOTHING, (0, 0, 0), (0.01, 0.01, 0.01), "black")
    rows = []
    for kind in NAMES:
        for extra in EXTRAS:
            parts = parts_of(kind, extra)
            rows.append(parts + [filler] * (SLOTS - len(parts)))
    centre, size, turn = (
        torch.tensor([[p[i] for p in row] for row in rows]).float() for i in (1, 2, 4)
    )
    shape = torch.tensor([[p.shape for p in row] for row in rows])
    paint = torch.tensor([[PAINTS.index(p.paint) for p in row] for row in rows])
    return shape, centre, size, turn, paint


def _mix(a: Tensor, b: Sequence[float], share: float) -> Tensor:
    return a + (a.new_tensor(b) - a) * share


def palette(coat: Float[Tensor, "n 3"]) -> Float[Tensor, "n k 3"]:
    """The colour of every paint for each object's coat."""
    shades = [
        coat,
        _mix(coat, FIXED["white"], 0.62),
        _mix(coat, FIXED["black"], 0.50),
        _mix(coat, (0.35, 0.16, 0.04), 0.65),
    ]
    fixed = coat.new_tensor(list(FIXED.values())).expand(len(coat), -1, 3)
    return torch.cat([torch.stack(shades, 1), fixed], 1)


def reach(objects: Objects, directions: Float[Tensor, "u 3"]) -> Float[Tensor, "n u"]:
    """Support function: how far each object extends along each unit direction."""
    local = torch.einsum("npij,ui->npuj", objects.turn, directions) * objects.size[:, :, None]
    shape = objects.shape.to(local.device)[:, :, None]
    side = local[..., [0, 2]].norm(dim=-1) + local[..., 1].abs()
    far = torch.where(
        shape == BALL, local.norm(dim=-1), torch.where(shape == BOX, local.abs().sum(-1), side)
    )
    far = far + objects.centre @ directions.T
    return torch.where(shape == NOTHING, -1.0, far).amax(1)


def _directions(n: int = 192) -> Float[Tensor, "n 3"]:
    index = torch.arange(n) + 0.5
    y, turn = 1 - 2 * index / n, index * math.pi * (3 - math.sqrt(5))
    ring = (1 - y * y).sqrt()
    return torch.stack([ring * turn.cos(), y, ring * turn.sin()], -1)


def fitted(objects: Objects, radius: float = RADIUS) -> Objects:
    """The same objects, centred in height and scaled to ``radius``."""
    upright = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], device=objects.centre.device)
    top, bottom = reach(objects, upright).unbind(1)
    shift = torch.zeros_like(objects.centre[:, :1])
    shift[:, 0, 1] = (top - bottom) / 2
    centred = replace(objects, centre=objects.centre - shift)
    far = reach(centred, _directions().to(shift.device)).amax(1)
    scale = (radius / far)[:, None, None]
    return replace(centred, centre=centred.centre * scale, size=centred.size * scale)


def assemble(
    kind: Int[Tensor, " n"],
    colour: Int[Tensor, " n"],
    extra: Int[Tensor, " n"],
    generator: torch.Generator | None = None,
    jitter: float = 1.0,
    device: torch.device | str = "cpu",
) -> Objects:
    """One object for each triple of indices into ``NAMES``, ``COLOURS`` and ``EXTRAS``, each a variant of its own.

    Args:
        kind: indices into ``NAMES``.
        colour: indices into ``COLOURS``.
        extra: indices into ``EXTRAS``.
        generator: a CPU generator; the same one gives the same objects.
        jitter: 1 for the training distribution, 0 for the plain templates.
        device: where the objects go; the random numbers are the same everywhere.
    """
    n, row = len(kind), kind * len(EXTRAS) + extra
    shape, centre, size, turn, paint = (x[row] for x in _templates())

    def noise(*dims: int) -> Tensor:
        return jitter * (2 * torch.rand(n, *dims, generator=generator) - 1)

    stretch = 1 + 0.07 * noise(1, 3)
    # Up and down only: a sideways shift would part a pupil from its eye or lamps from their panel.
    shift = 0.012 * noise(SLOTS, 3) * torch.tensor([0.0, 1.0, 0.0])
    shade = 0.06 * noise(1) + 0.02 * noise(3)
    coat = (torch.tensor(list(COLOURS.values()))[colour] + shade).clamp(0, 1)
    pattern = (extra - EXTRAS.index("striped") + 1).clamp_min(0)
    objects = Objects(
        shape=shape,
        centre=centre * stretch + shift,
        size=size * stretch * (1 + 0.04 * noise(SLOTS, 1)),
        turn=rotation(turn),
        paint=palette(coat).gather(1, paint[..., None].expand(-1, -1, 3)),
        patterned=paint == PAINTS.index("coat"),
        pattern=pattern,
        ink=torch.where((pattern == 1)[:, None], coat * 0.3, _mix(coat, FIXED["white"], 0.8)),
    )
    return fitted(objects.to(device))
