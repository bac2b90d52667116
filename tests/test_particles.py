"""Particles: one alone is the plain scene, and a view reaches only its own."""

import pytest
import torch

from esd_bench.cameras import ring
from esd_bench.draws import Draws
from esd_bench.particles import Particles
from esd_bench.scenes import Scene
from esd_bench.scenes.hashgrid import hashgrid
from esd_bench.scenes.voxels import voxels

SEEDS = torch.tensor([3, 4])
MAKE = {
    "voxels": lambda seeds: voxels(seeds, grids=(4, 8), samples=8, evaluation_samples=8),
    "hashgrid": lambda seeds: hashgrid(seeds, levels=3, log2_rows=10, samples=8, finest=32),
}
each = pytest.mark.parametrize("name", MAKE)


def cameras(views):
    return ring(15, 2 * views, size=6)


def training(scene, views=4):
    draws = Draws(SEEDS, torch.tensor(0))
    return scene.render(cameras(views), torch.tensor(0.5), draws)


@each
def test_one_particle_is_the_plain_scene_bitwise(name):
    one, plain = Particles(MAKE[name], SEEDS, 1), MAKE[name](SEEDS)
    assert isinstance(one, Scene)
    for rendered in (training, lambda scene: scene.render(cameras(2))):
        assert torch.equal(rendered(one).rgb, rendered(plain).rgb)
    found, wanted = one.regularisers(training(one)), plain.regularisers(training(plain))
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)
    rates = [[sum(x.numel() for x in xs), rate] for xs, rate in one.learning_rates()]
    assert rates == [[sum(x.numel() for x in xs), rate] for xs, rate in plain.learning_rates()]


@each
def test_a_view_reaches_its_own_particle_alone(name):
    scene = Particles(MAKE[name], SEEDS, 2)
    pictures = training(scene).rgb.unflatten(0, (2, 2, 2))  # member, particle, view
    assert not torch.equal(pictures[0, 0], pictures[0, 1])
    pictures[1, 0, 1].sum().backward()
    reached = torch.stack([x.grad.flatten(2).abs().sum(-1) for x in scene.values.values()]).sum(0)
    assert (reached > 0).tolist() == [[False, False], [True, False]]


@each
def test_the_first_particle_is_the_asset_and_the_state_is_all(name):
    scene, twin = Particles(MAKE[name], SEEDS, 2), Particles(MAKE[name], SEEDS + 9, 2)
    with torch.no_grad():
        for x in scene.values.values():
            x[:, 1] += 1
    state = scene.state_dict()
    assert all(x.shape[:2] == (2, 2) for x in state.values())
    twin.load_state_dict(state)
    assert torch.equal(twin.render(cameras(2)).rgb, scene.render(cameras(2)).rgb)
    before = scene.render(cameras(2)).rgb
    with torch.no_grad():
        for x in scene.values.values():
            x[:, 1] += 1
    assert torch.equal(scene.render(cameras(2)).rgb, before)


def test_views_must_be_shared_out():
    with pytest.raises(ValueError, match="multiple of 3 views"):
        training(Particles(MAKE["voxels"], SEEDS, 3))
