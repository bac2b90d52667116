"""Objects: their size, their front, and that a seed fixes them."""

import math

import pytest
import torch

from esd_bench.cameras import DISTANCE, FOV, orbit
from esd_bench.embedded import raycast
from esd_bench.embedded.captions import subjects
from esd_bench.embedded.kinds import EXTRAS, KINDS, NAMES, extras
from esd_bench.embedded.objects import SLOTS, assemble, parts_of
from esd_bench.embedded.parts import BALL, BOX, COLOURS, NOTHING, ROD

TEMPLATES = [(k, EXTRAS.index(x)) for k, name in enumerate(NAMES) for x in extras(name)]


def things(rows, seed=0, colour=0):
    """Objects of (kind, extra) indices."""
    kind, extra = torch.tensor(rows).T
    generator = torch.Generator().manual_seed(seed)
    return assemble(kind, torch.full_like(kind, colour), extra, generator)


def plain():
    return things([(k, 0) for k in range(len(NAMES))])


def surface(shape):
    """Points all over a primitive of half-size one, its corners and rims among them."""
    angle = torch.linspace(0, 2 * math.pi, 25)
    if shape == BALL:
        height = torch.linspace(-1, 1, 13)
        rim = (
            torch.stack([angle.cos(), angle.sin()], -1)[None]
            * (1 - height**2).sqrt()[:, None, None]
        )
        return torch.cat([rim, height[:, None, None].expand(-1, 25, 1)], -1)[
            ..., [0, 2, 1]
        ].reshape(-1, 3)
    if shape == ROD:
        rim = torch.stack([angle.cos(), torch.ones(25), angle.sin()], -1)
        return torch.cat([rim, rim * torch.tensor([1.0, -1.0, 1.0])])
    return torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)


@pytest.mark.parametrize("seed", range(3))
def test_every_object_lies_in_the_unit_ball_and_in_the_evaluation_views(seed):
    objects, farthest = things(TEMPLATES, seed), torch.zeros(len(TEMPLATES))
    for shape in (BALL, BOX, ROD):
        n, p = (objects.shape == shape).nonzero().T
        local = surface(shape)[None] * objects.size[n, p, None]
        world = (objects.turn[n, p, None] @ local[..., None])[..., 0] + objects.centre[n, p, None]
        farthest = farthest.scatter_reduce(0, n, world.norm(dim=-1).amax(1), "amax")
    assert farthest.max() < DISTANCE * math.sin(FOV / 2) < 1
    assert farthest.min() > 0.9, "and fills them"


def test_front_and_back_look_different_in_colour():
    """Both silhouettes are alike; what differs inside is the front."""
    views = orbit(torch.tensor([0.0, math.pi]), torch.tensor([0.2, 0.2]), DISTANCE, FOV, 32)
    objects = plain()
    front, back = (raycast.cast(objects, views[[i] * len(objects)], supersample=1) for i in (0, 1))
    mirrored = back.flip(-1)
    both = (front[:, 3] == 1) & (mirrored[:, 3] == 1)
    apart = (front[:, :3] - mirrored[:, :3]).abs().amax(1) > 0.15
    share = (apart & both).sum((1, 2)) / both.sum((1, 2))
    assert share.min() > 0.1, NAMES[int(share.argmin())]


def test_a_seed_fixes_an_object_and_another_varies_it():
    a, b, c = things(TEMPLATES, 1), things(TEMPLATES, 1), things(TEMPLATES, 2)
    assert torch.equal(a.centre, b.centre)
    assert torch.equal(a.paint, b.paint)
    assert not torch.equal(a.centre, c.centre)
    assert not torch.equal(a.paint, c.paint)


def test_templates_are_mirror_symmetric_where_they_should_be():
    """Eyes, ears and lamps come in pairs: every part off the middle has its partner, but for a few that are meant."""
    odd = {"house": 2, "clock": 1, "cat": 1}  # chimney and door knob; minute hand; tail
    for name, kind in KINDS.items():
        parts = {(p.shape, p.at, p.size, p.paint) for p in kind.parts}
        alone = [p for p in kind.parts if (p.shape, p.mirrored().at, p.size, p.paint) not in parts]
        assert len(alone) <= odd.get(name, 0), name


def test_there_are_hundreds_of_distinct_prompts():
    every = [subject.phrase() for subject in subjects()]
    assert len(every) == len(set(every)) == 800
    assert len(NAMES) >= 16
    assert len(COLOURS) >= 8


def test_parts_fit_into_the_slots():
    assert max(len(parts_of(NAMES[k], EXTRAS[e])) for k, e in TEMPLATES) <= SLOTS
    assert (things(TEMPLATES).shape != NOTHING).any(1).all()
