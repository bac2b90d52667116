"""The geometry stage's scene: surfaces out of densities, its penalties against slow loops, its pictures."""

import math

import pytest
import torch
from torch.nn import functional

from esd_bench.cameras import DISTANCE, FOV, orbit, ring, sphere
from esd_bench.meshes import Mesh, kept, lattice, without_outliers
from esd_bench.scenes._levels import levels, search, surface
from esd_bench.scenes.tetmesh import laplacian, normal_consistency, tetmesh
from esd_bench.scenes.voxels import Voxels, voxels

SEEDS = torch.tensor([3, 4])


class Ball(Voxels):
    """A scene whose density falls from its middle outwards; each member's at its own height."""

    def __init__(self, *heights: float) -> None:
        torch.nn.Module.__init__(self)
        self.members, self.heights = len(heights), torch.tensor(heights)[:, None]

    def field(self, points):
        return self.heights * (1 - points.norm(dim=-1)), torch.zeros_like(points)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return (torch.linalg.cross(a, b) * c).sum().item() / 6


def test_a_voxel_scene_s_blob_becomes_a_round_mesh():
    blob = voxels(SEEDS, grids=(16, 32), noise=0.0)
    scene = tetmesh(SEEDS, resolution=32, threshold=6.0)
    beginning = scene.begin(blob)
    assert not beginning.empty.any()
    assert beginning.notes["threshold"].tolist() == [6.0, 6.0]
    # 3 softplus(8 (1 - r / .55)) = 6 on the surface.
    radius = 0.55 * (1 - math.log(math.exp(2) - 1) / 8)
    mesh = scene.mesh(1)
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.03)
    torch.testing.assert_close(
        mesh.vertices.norm(dim=-1), torch.full((len(mesh.vertices),), radius), atol=0.03, rtol=0
    )


def test_the_threshold_is_searched_for_member_by_member():
    """Heights of 100, 20 and 1: at 25 a ball of .75, nothing, nothing."""
    scene = tetmesh(torch.tensor([0, 1, 2, 3]), resolution=16)
    beginning = scene.begin(Ball(100.0, 20.0, 1.0, 0.0))
    assert scene.threshold.tolist() == [25.0, 12.5, 0.78125, 0.0]
    assert beginning.empty.tolist() == [False, False, False, True]
    radii = [(3 / 4 / math.pi * volume(scene.mesh(i))) ** (1 / 3) for i in range(4)]
    assert radii == pytest.approx([0.75, 0.375, 0.21875, 0.0], abs=0.02)


def test_a_threshold_below_everything_is_doubled():
    assert search(torch.linspace(100, 200, 1000), 10.0) == 160.0
    assert math.isnan(search(torch.full((1000,), 30.0), 25.0)), "a full ball has no surface"
    assert math.isnan(search(torch.zeros(1000), 25.0))


def test_levels_are_clamped_and_end_with_the_unit_ball():
    corners = lattice(8)
    density = torch.full((1, len(corners)), 30.0)
    density[0, corners[:, 0] > 0] = torch.nan
    level, found = levels(density, corners, 25.0)
    assert found.tolist() == [25.0]
    inside = (corners.norm(dim=-1) <= 1) & (corners[:, 0] <= 0)
    assert torch.equal(level[0] > 0, inside)
    assert level.abs().max() == 1


def test_surfaces_stay_closed_at_the_edge_of_the_grid():
    corners = lattice(6)
    mesh = surface(torch.ones(len(corners)), torch.zeros_like(corners), corners)
    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    assert sorted(edges.tolist()) == sorted(edges.flip(1).tolist())
    assert 0 < volume(mesh) < 8


def test_corners_move_by_half_a_cell_at_most():
    corners = lattice(6)
    still, moved = (
        surface(0.5 - corners.norm(dim=-1), x * torch.ones_like(corners), corners) for x in (0, 99)
    )
    shift = moved.vertices - still.vertices
    torch.testing.assert_close(shift, torch.full_like(shift, 1 / 6))


def test_small_parts_are_left_out_of_the_mesh():
    corners = lattice(24)
    main = 0.6 - corners.norm(dim=-1)
    speck = 0.09 - (corners - torch.tensor([0.75, 0.5, 0.25])).norm(dim=-1)
    both = surface(torch.maximum(main, speck), torch.zeros_like(corners), corners)
    alone = surface(main, torch.zeros_like(corners), corners)
    assert len(both.faces) > len(alone.faces)
    clean = without_outliers(both, least=0.05)
    assert len(clean.faces) == len(alone.faces)
    assert clean.vertices.norm(dim=-1).max() < 0.61
    assert without_outliers(both, least=0.0).faces.shape == both.faces.shape
    assert len(kept(both, torch.zeros(len(both.faces), dtype=torch.bool)).vertices) == 0


def bumpy() -> Mesh:
    scene = tetmesh(SEEDS, resolution=6, noise=0.1)
    return scene.surface(0)


def test_penalties_are_those_of_slow_loops():
    mesh = bumpy()
    near: dict[int, set[int]] = {k: set() for k in range(len(mesh.vertices))}
    for face in mesh.faces.tolist():
        for k in range(3):
            near[face[k]] |= {face[k - 1], face[k - 2]}
    v, n = mesh.vertices, mesh.normals
    pulls = [(len(js) * v[i] - sum(v[j] for j in js)).norm() for i, js in near.items()]
    pairs = [(i, j) for i, js in near.items() for j in js if i < j]
    bends = [1 - functional.cosine_similarity(n[i], n[j], 0) for i, j in pairs]
    assert len(pairs) == len(mesh.edges)
    torch.testing.assert_close(laplacian(mesh), torch.stack(pulls).mean())
    torch.testing.assert_close(normal_consistency(mesh), torch.stack(bends).mean())


def test_penalties_pull_towards_a_smooth_surface():
    scene = tetmesh(SEEDS, resolution=8, noise=0.1)
    optimiser = torch.optim.Adam(scene.parameters(), 0.005)
    found = []
    for _ in range(8):
        values = scene.regularisers(scene.render(ring(15, 2, 4)))
        found.append(sum(x.sum() for x in values.values()).item())
        optimiser.zero_grad()
        sum(x.sum() for x in values.values()).backward()
        optimiser.step()
    assert found[-1] < 0.9 * found[0]


def test_a_ball_s_picture_is_its_normals_on_black():
    scene = tetmesh(torch.tensor([0]), resolution=24, radius=0.6, noise=0.0)
    size = 32
    render = scene.render(orbit(torch.tensor([0.4]), torch.tensor([0.3]), DISTANCE, FOV, size))
    picture, opacity = render.rgb[0], render.opacity[0, 0]
    assert picture[:, 0, 0].eq(0).all()
    middle = picture[:, size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1].mean((1, 2))
    towards = torch.tensor(
        [math.cos(0.3) * math.sin(0.4), math.sin(0.3), math.cos(0.3) * math.cos(0.4)]
    )
    torch.testing.assert_close(middle, (towards + 1) / 2, atol=0.03, rtol=0)
    inner = opacity == 1
    lengths = (2 * picture[:, inner] - 1).norm(dim=0)
    torch.testing.assert_close(lengths[5:-5], torch.ones_like(lengths[5:-5]), atol=0.2, rtol=0)
    assert render.depth[0, 0, size // 2, size // 2].item() == pytest.approx(
        DISTANCE - 0.6, abs=0.02
    )
    assert not scene.capturable


def test_an_empty_member_is_black_and_harmless():
    scene = tetmesh(SEEDS, resolution=8)
    with torch.no_grad():
        scene.level[0] = -1
    render = scene.render(sphere(4, 8))
    assert render.rgb[:2].eq(0).all()
    assert render.opacity[2:].sum() > 0
    total = sum(x.sum() for x in scene.regularisers(render).values()) + render.rgb.sum()
    total.backward()
    assert torch.isfinite(scene.level.grad).all()
    assert scene.level.grad[0].eq(0).all()
    assert len(scene.mesh(0).faces) == 0


def test_a_step_against_a_larger_silhouette_grows_the_ball():
    """Gradients reach levels and deformations through the silhouette alone."""
    scene = tetmesh(torch.tensor([0]), resolution=12, noise=0.0)
    before = volume(scene.surface(0))
    optimiser = torch.optim.Adam(scene.parameters(), 0.01)
    for step in range(5):
        optimiser.zero_grad()
        (-scene.render(ring(10.0 * step, 3, 16)).opacity.sum()).backward()
        assert scene.deformation.grad.abs().sum() > 0
        optimiser.step()
    assert volume(scene.surface(0)) > 1.1 * before


def test_its_field_is_the_level_and_the_normals_colour():
    scene = tetmesh(SEEDS, resolution=16, noise=0.0)
    points = functional.normalize(torch.randn(2, 20, 3), dim=-1) * 0.5
    level, colour = scene.field(points)
    assert level.abs().max() < 0.02
    torch.testing.assert_close(2 * colour - 1, points / 0.5, atol=0.15, rtol=0)
