"""Surfaces of fields whose silhouettes are known in closed form."""

import math
from functools import partial

import pytest
import torch

from esd_bench import plugins
from esd_bench.meshes import Mesh, isosurface, tetrahedra
from esd_bench.surfaces import clustered, colours, silhouette_threshold, surface
from tests.blobs import Blob, ball

RESOLUTION = 40
CELL = 2 / RESOLUTION


def radii(mesh: Mesh):
    return mesh.vertices.norm(dim=-1)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


@pytest.mark.parametrize("height", [20.0, 60.0, 1000.0])
def test_a_gaussian_is_as_large_as_it_looks(height):
    """A ray at distance b from the middle meets height * s * sqrt(2 pi) exp(-b^2 / 2 s^2), at the edge ln 2."""
    s = 0.2
    edge = s * math.sqrt(2 * math.log(height * s * math.sqrt(2 * math.pi) / math.log(2)))
    scene = Blob(lambda x: height * torch.exp(-(x**2).sum(-1) / (2 * s**2)))
    found = radii(surface(scene, RESOLUTION))
    assert found.mean().item() == pytest.approx(edge, abs=CELL / 4)
    assert (found - edge).abs().max() < CELL


def test_a_ball_is_closed_round_and_turned_outwards():
    mesh = surface(Blob(ball()), RESOLUTION)
    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    assert {tuple(x) for x in edges.tolist()} == {tuple(x[::-1]) for x in edges.tolist()}
    assert len(mesh.vertices) - len(edges) // 2 + len(mesh.faces) == 2
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.07)  # a quarter of a cell
    assert (mesh.normals * mesh.vertices).sum(-1).min() > 0


def test_a_given_threshold_is_taken():
    scene = Blob(lambda x: 10 * (1 - x.norm(dim=-1)).clamp_min(0))
    assert radii(surface(scene, RESOLUTION, threshold=5.0)).mean() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="above 0"):
        surface(scene, RESOLUTION, threshold=0.0)


@pytest.mark.parametrize("density", [0.0, 0.2])
def test_nothing_and_haze_have_no_surface(density):
    with pytest.raises(ValueError, match="no surface: the asset is empty"):
        surface(Blob(lambda x: torch.full((len(x),), density)), 16)


SMALL = {"voxels": {"grids": (6, 12)}, "hashgrid": {"levels": 3, "log2_rows": 10, "hidden": 8}}


@pytest.mark.parametrize("name", SMALL)
def test_scenes_that_begin_as_a_blob_have_the_surface_of_one(name):
    """Of a pack, the member that is asked for: the same as when it is alone."""
    make = partial(plugins.load("scenes", name), **SMALL[name])
    mesh = surface(make(torch.tensor([3, 7])), 16, member=1)
    alone = surface(make(torch.tensor([7])), 16)
    torch.testing.assert_close(mesh.vertices, alone.vertices)
    assert torch.equal(mesh.faces, alone.faces)
    assert radii(mesh).std() < 0.1 * radii(mesh).mean()
    rgb = colours(make(torch.tensor([7])), mesh.vertices[:50], mesh.normals[:50])
    assert rgb.shape == (50, 3)


def test_a_threshold_above_everything_leaves_no_surface():
    with pytest.raises(ValueError, match="no surface: the asset is empty"):
        surface(Blob(ball()), 16, threshold=1e6)


def test_a_full_cube_ends_at_the_ball_that_renderers_see():
    found = radii(surface(Blob(lambda x: torch.full((len(x),), 50.0)), RESOLUTION))
    assert found.max() <= 1
    assert found.min() > 1 - 2 * CELL


def test_floaters_are_dropped_and_hollows_filled():
    body, floater = ball(), ball(0.05, (0.0, 0.9, 0.0))

    def hollow(x):
        return (body(x) + floater(x)) * (x.norm(dim=-1) > 0.3)

    mesh = surface(Blob(hollow), RESOLUTION)
    assert (radii(mesh) - 0.6).abs().max() < CELL
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.07)  # a quarter of a cell


def test_two_large_parts_both_stay():
    left, right = ball(0.3, (-0.5, 0.0, 0.0)), ball(0.3, (0.5, 0.0, 0.0))
    mesh = surface(Blob(lambda x: left(x) + right(x)), RESOLUTION)
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    assert high[0].item() == pytest.approx(0.8, abs=CELL)
    assert low[0].item() == pytest.approx(-0.8, abs=CELL)


def test_no_level_fits_the_silhouettes_better():
    grid = torch.rand(12, 12, 12) ** 4 * 20
    best = silhouette_threshold(grid, 0.1)
    opaque = [1 - torch.exp(-grid.sum(a) * 0.1) > 0.5 for a in range(3)]

    def overlap(level):
        shadows = [grid.amax(a) > level for a in range(3)]
        both = sum((s & o).sum() for s, o in zip(shadows, opaque, strict=True))
        return both / sum((s | o).sum() for s, o in zip(shadows, opaque, strict=True))

    assert overlap(best) >= max(overlap(level) for level in grid.flatten())


def test_clusters_have_fewer_faces_and_the_same_shape():
    positions, tets = tetrahedra(24)
    fine = isosurface(positions, 0.6 - positions.norm(dim=-1), tets)
    coarse = clustered(fine, 2 / 24)
    assert len(coarse.faces) < len(fine.faces) / 2.5
    assert volume(coarse) == pytest.approx(volume(fine), rel=0.02)


def test_a_scene_with_a_mesh_keeps_it_and_the_colour_on_it():
    class Meshed(Blob):
        def mesh(self, member):
            assert member == 0
            return Mesh(torch.eye(3).requires_grad_(), torch.tensor([[0, 1, 2]]))

    scene = Meshed(ball())
    mesh = surface(scene)
    assert torch.equal(mesh.vertices, torch.eye(3))
    assert not mesh.vertices.requires_grad
    assert torch.equal(colours(scene, mesh.vertices, mesh.vertices), (torch.eye(3) + 1) / 2)


def test_colour_is_gathered_below_the_surface():
    """In a medium of density s under a plane, colour exp(-k depth) is seen as s / (s + k)."""
    density, fall = 40.0, 15.0
    scene = Blob(
        lambda x: torch.full((len(x),), density),
        lambda x: torch.exp(-fall * -x[:, 2:]).expand(-1, 3),
    )
    up = torch.tensor([[0.0, 0, 1]])
    seen = colours(scene, torch.zeros(1, 3), up)
    assert seen[0, 0].item() == pytest.approx(density / (density + fall), abs=0.01)


def test_colour_where_there_is_nothing_is_finite():
    scene = Blob(lambda x: torch.zeros(len(x)), lambda x: torch.full((len(x), 3), 0.25))
    seen = colours(scene, torch.zeros(1, 3), torch.tensor([[0.0, 0, 1]]))
    assert seen.tolist() == [[0.25] * 3]
