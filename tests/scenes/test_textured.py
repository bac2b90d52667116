"""The texture stage's scene: the surface it was given, colours on it, and what it learns."""

import pytest
import torch

from esd_bench.cameras import ring, sphere
from esd_bench.scenes.tetmesh import tetmesh
from esd_bench.scenes.textured import textured

SEEDS = torch.tensor([3, 4])
SMALL = {"resolution": 10, "grids": (4, 8)}
HASH = {"resolution": 10, "texture": "hash", "levels": 3, "log2_rows": 9, "finest": 32, "hidden": 8}


def begun(**options):
    shape = tetmesh(SEEDS, resolution=10, noise=0.05)
    scene = textured(SEEDS, **SMALL | options)
    assert not scene.begin(shape).empty.any()
    return shape, scene


def test_it_shows_the_surface_of_the_stage_before():
    shape, scene = begun()
    one, other = shape.render(sphere(4, 16)), scene.render(sphere(4, 16))
    torch.testing.assert_close(other.opacity, one.opacity)
    torch.testing.assert_close(other.depth, one.depth)
    assert torch.equal(scene.mesh(1).faces, shape.mesh(1).faces)


def test_another_state_is_another_surface():
    _, scene = begun()
    mesh = scene.mesh(0)
    assert scene.mesh(0) is mesh, "made once"
    fresh = textured(SEEDS, **SMALL)
    assert len(fresh.mesh(0).faces) != len(mesh.faces)
    fresh.load_state_dict(scene.state_dict())
    assert torch.equal(fresh.mesh(0).vertices, mesh.vertices)


@pytest.mark.parametrize("options", [SMALL, HASH], ids=["grids", "hash"])
def test_colours_learn_and_the_surface_does_not(options):
    scene = textured(SEEDS, **options)
    before = {k: v.clone() for k, v in scene.state_dict().items()}
    optimiser = torch.optim.Adam([{"params": x, "lr": 15 * r} for x, r in scene.learning_rates()])
    for step in range(20):
        render = scene.render(ring(15.0 * step, 2, 8))
        wanted = torch.tensor([0.9, 0.2, 0.5])[:, None, None] * render.opacity
        optimiser.zero_grad()
        ((render.rgb - wanted) ** 2).sum().backward()
        optimiser.step()
    after = scene.state_dict()
    assert torch.equal(after["level"], before["level"])
    assert torch.equal(after["deformation"], before["deformation"])
    points = scene.mesh(0).vertices.expand(2, -1, -1)
    level, colour = scene.field(points)
    assert level.shape == colour.shape[:2]
    torch.testing.assert_close(colour.mean((0, 1)), torch.tensor([0.9, 0.2, 0.5]), atol=0.2, rtol=0)
    assert scene.regularisers(render) == {}


def test_it_begins_from_a_tetmesh_of_its_own_resolution_only():
    with pytest.raises(ValueError, match="textured begins from a tetmesh of resolution 10"):
        textured(SEEDS, **SMALL).begin(tetmesh(SEEDS, resolution=8))


def test_nothing_to_begin_from_is_said():
    shape = tetmesh(SEEDS, resolution=10)
    with torch.no_grad():
        shape.level[1] = -1
    scene = textured(SEEDS, **SMALL)
    assert scene.begin(shape).empty.tolist() == [False, True]
    render = scene.render(ring(15, 2, 8))
    assert render.rgb[1].eq(0).all()
    render.rgb.sum().backward()
