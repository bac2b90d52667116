"""Skipped samples: what is asked, in which order, against a slow oracle; the grid that says where; the scene that uses it."""

import pytest
import torch

from esd_bench.cameras import ring
from esd_bench.draws import Draws
from esd_bench.renderers._sieve import nearest_first, sieved
from esd_bench.renderers.volume import volume
from esd_bench.scenes._occupancy import TURNS, Occupancy
from esd_bench.scenes.hashgrid import hashgrid

SEEDS = torch.tensor([3, 5])


def draws(step=0, seeds=SEEDS):
    return Draws(seeds, torch.tensor(step))


def field_of(weights):
    """A field with parameters, of points ``(p, n, 3)``."""

    def field(points):
        density = 3 * torch.sigmoid((points * weights[:, None]).sum(-1))
        return density, torch.sigmoid(points * 2 + weights[:, None])

    return field


def half(points):
    return points[..., 0] > 0.1


def pictures(field, occupied=None, kept=1.0, chunk=None):
    render = volume(samples=16, kept=kept, chunk=chunk, recompute=True)
    cameras = ring(15, 2, 6)
    both = cameras[[0, 1, 0, 1]]
    return render(field, both, 2, draws(), occupied)


def test_samples_are_numbered_nearest_first():
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(2, 5, 7, generator=generator) > 0.4
    for kept in (0.1, 0.5, 1.0):
        found = nearest_first(mask, kept)
        for member in range(2):
            wanted = [r * 7 + s for s in range(7) for r in range(5) if mask[member, r, s]]
            room = round(kept * 35)
            assert found[member].tolist() == (wanted + [35] * room)[:room]


@pytest.mark.parametrize("chunk", [None, 300])
def test_a_sieved_field_is_the_field_where_it_is_occupied_and_nothing_elsewhere(chunk):
    weights = torch.randn(2, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)

    def masked(points):
        density, rgb = field_of(weights)(points)
        return density * half(points), rgb

    found = []
    for render in (pictures(masked), pictures(field_of(weights), half, 1.0, chunk)):
        loss = (render.rgb**2).sum() + render.depth.sum()
        found.append((render.rgb, render.opacity, *torch.autograd.grad(loss, weights)))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)
    assert found[0][1].max() > 0.1


def test_a_field_is_asked_nothing_else():
    asked = []

    def field(points):
        asked.append(points)
        return field_of(torch.ones(2, 3))(points)

    points = torch.rand(2, 8 * 16, 3) * 2 - 1
    sieved(field, half, 0.75, 16)(points)
    assert asked[0].shape == (2, 96, 3)
    occupied = half(points).sum(1)
    for member in range(2):
        kept = asked[0][member, : occupied[member]]
        assert half(kept).all()
        assert len(torch.unique(kept, dim=0)) == occupied[member]


def ball(points):
    return 100.0 * (points.norm(dim=-1) < 0.5)


def test_the_grid_finds_a_ball_and_forgets_it():
    grid = Occupancy(2, 16, 0.05)
    grid.fill(ball)
    points = torch.rand(2, 2000, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1
    far = points.norm(dim=-1)
    found = grid.occupied(points)
    assert found[far < 0.5 - 0.11].all()
    assert not found[far > 0.5 + 0.11].any()
    assert not grid.occupied(torch.full((2, 1, 3), 1.0)).any()  # the cube's far corner has a cell
    for step in range(200 * TURNS):
        if step % TURNS < 2:  # the turns are alike; all sixteen would take a while
            grid.look(lambda x: torch.zeros(x.shape[:2]), draws(step))
    faded = grid.opacity.reshape(2, -1, TURNS)
    assert faded[..., :2].max() < 1e-4
    assert faded[..., 2:].max() > 0.9


def test_sixteen_steps_look_at_every_cell_once_and_inside_it():
    grid, seen = Occupancy(1, 8, 0.1), []
    for step in range(TURNS):
        grid.look(lambda x: (seen.append(x), torch.zeros(x.shape[:2]))[1], draws(step, SEEDS[:1]))
    cells = ((torch.cat(seen, 1)[0] + 1) * 4).long()
    assert len(torch.unique(cells, dim=0)) == 512


def test_a_side_that_has_no_sixteenths_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        Occupancy(1, 6, 0.1)


def scene(seeds=SEEDS, **options):
    small = {"levels": 4, "base": 4, "finest": 30, "log2_rows": 9, "hidden": 8, "samples": 32}
    return hashgrid(seeds, **small, **options)


def test_a_scene_that_skips_looks_nearly_the_same():
    cameras = ring(15, 2, 12)[[0, 1, 0, 1]]
    pictures = [
        scene(**x).render(cameras, torch.tensor(0.5), draws(7))
        for x in ({}, {"occupancy": 16, "kept": 0.6})
    ]
    dense, sparse = (x.opacity.detach() for x in pictures)
    assert dense.max() > 0.9
    assert (dense - sparse).abs().max() < 0.1  # its rim is less than the threshold


def test_what_a_member_skips_depends_on_no_other():
    cameras = ring(15, 2, 6)
    both = scene(occupancy=8).render(cameras[[0, 1, 0, 1]], torch.tensor(0.5), draws(3))
    alone = scene(SEEDS[1:], occupancy=8)
    one = alone.render(cameras, torch.tensor(0.5), draws(3, SEEDS[1:]))
    torch.testing.assert_close(both.rgb[2:], one.rgb, atol=1e-6, rtol=1e-5)
    assert "occupancy.opacity" in alone.state_dict()  # a resumed run skips the same
