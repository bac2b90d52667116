"""Rasterised meshes against rays, closed forms and finite differences; the same bits on any number of threads."""

import math
from importlib.util import find_spec

import pytest
import torch
from torch.nn import functional

from esd_bench.cameras import DISTANCE, FOV, Cameras, orbit, ring, sphere
from esd_bench.meshes import Mesh, isosurface, take, tetrahedra
from esd_bench.renderers import Rasteriser
from esd_bench.renderers._silhouette import neighbours
from esd_bench.renderers.raster import raster


def ball(resolution: int = 16, radius: float = 0.7) -> Mesh:
    """A sphere whose vertices lie on it exactly."""
    positions, tets = tetrahedra(resolution)
    mesh = isosurface(positions.double(), 0.7 - positions.double().norm(dim=-1), tets)
    return Mesh(functional.normalize(mesh.vertices, dim=-1) * radius, mesh.faces)


def cube(half: float = 0.5) -> Mesh:
    corners = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [triangle for a, b, c, d in sides for triangle in ([a, b, c], [a, c, d])]
    return Mesh(half * corners.double(), torch.tensor(faces))


def moved(mesh: Mesh, vertices: torch.Tensor) -> Mesh:
    return Mesh(vertices, mesh.faces)


def bumpy(resolution: int) -> Mesh:
    """A ball with no symmetry left."""
    mesh = ball(resolution)
    noise = torch.randn(mesh.vertices.shape, generator=torch.Generator().manual_seed(0))
    return moved(mesh, mesh.vertices + 1e-3 * noise)


def by_rays(mesh: Mesh, cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest face and its distance by trying every ray on every face (Moeller & Trumbore)."""
    origin, direction = (x.double() for x in cameras.rays())
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    best = torch.full(origin.shape[:2], math.inf, dtype=torch.float64)
    face = torch.full(origin.shape[:2], -1)
    for k in range(len(mesh.faces)):
        one, two = (x.expand_as(origin) for x in (b[k] - a[k], c[k] - a[k]))
        p = torch.linalg.cross(direction, two)
        det = (one * p).sum(-1)
        t = origin - a[k]
        q = torch.linalg.cross(t, one)
        u, v = (t * p).sum(-1) / det, (direction * q).sum(-1) / det
        distance = (two * q).sum(-1) / det
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0) & (distance < best)
        best, face = torch.where(hit, distance, best), torch.where(hit, k, face)
    shape = len(cameras), cameras.height, cameras.width
    return face.reshape(shape), best.reshape(shape)


def soup(count: int = 40) -> Mesh:
    """Triangles anywhere, through each other."""
    generator = torch.Generator().manual_seed(0)
    middle = torch.rand(count, 1, 3, generator=generator, dtype=torch.float64) * 1.2 - 0.6
    corners = middle + torch.randn(count, 3, 3, generator=generator, dtype=torch.float64) * 0.2
    return Mesh(corners.reshape(-1, 3), torch.arange(3 * count).reshape(-1, 3))


@pytest.mark.parametrize("mesh", [soup(), cube(), ball(6)], ids=["soup", "cube", "ball"])
def test_sees_what_rays_meet(mesh):
    cameras = sphere(3, 24)
    fragments = raster()(mesh, cameras)
    face, distance = by_rays(mesh, cameras)
    seen = fragments.face >= 0
    assert isinstance(raster(), Rasteriser)
    assert torch.equal(seen, face >= 0)
    assert (fragments.face == face).double().mean() > 0.995, "other faces only at equal depth"
    torch.testing.assert_close(fragments.depth[seen], distance[seen], rtol=1e-5, atol=0)
    origin, direction = cameras.rays()
    points = fragments.interpolate(mesh.vertices, mesh.faces).movedim(1, -1)
    expected = origin.reshape(points.shape) + fragments.depth[..., None] * direction.reshape(
        points.shape
    )
    torch.testing.assert_close(points[seen], expected[seen].double(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fragments.weights.sum(-1), seen.double())


def test_wide_pictures_and_cameras_inside():
    mesh = cube(0.9)
    cameras = orbit(torch.tensor([0.3]), torch.tensor([0.2]), 0.4, 1.2, 16).sized(12, 20)
    fragments = raster()(mesh, cameras)
    face, distance = by_rays(mesh, cameras)
    assert torch.equal(fragments.face, face)
    torch.testing.assert_close(fragments.depth, distance, rtol=1e-5, atol=0)


def test_of_two_at_one_depth_the_first_is_seen():
    mesh = cube()
    twice = Mesh(mesh.vertices, torch.cat([mesh.faces, mesh.faces.roll(1, 1)]))
    assert torch.equal(raster()(twice, sphere(4, 16)).face, raster()(mesh, sphere(4, 16)).face)


def test_nothing_to_see():
    nothing = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long))
    fragments = raster()(nothing, ring(0, 2, 8))
    assert (fragments.face == -1).all()
    assert fragments.interpolate(nothing.normals, nothing.faces).shape == (2, 3, 8, 8)
    assert fragments.smooth(fragments.mask).sum() == 0


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("resolution", [12, 40])
def test_a_ball_s_silhouette_is_the_closed_form_and_so_is_its_growth(resolution, size):
    """Also where its faces are smaller than pixels."""
    mesh, radius = ball(resolution), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    vertices = mesh.vertices / 0.7 * radius
    fragments = raster()(moved(mesh, vertices), sphere(6, size))
    area = fragments.smooth(fragments.mask).sum() / 6
    (slope,) = torch.autograd.grad(area, radius)
    scale = (size / 2 / math.tan(FOV / 2)) ** 2 * math.pi
    r, d = 0.7, DISTANCE
    assert area.item() == pytest.approx(scale * r**2 / (d**2 - r**2), rel=0.015)
    assert slope.item() == pytest.approx(scale * 2 * r * d**2 / (d**2 - r**2) ** 2, rel=0.04)


def test_a_square_that_moves_to_the_side_fills_its_last_column_little_by_little():
    """One edge, upright: the pixel's opacity is the share of it that is covered."""
    half, plane = math.tan(FOV / 2) * DISTANCE, torch.zeros(4, 1).double()
    cameras, size = ring(0, 1, 16), 16
    sums = []
    for edge in torch.linspace(10.0, 12.0, 9).double():
        right = (edge / size * 2 - 1) * half
        corners = torch.tensor([[-0.3, -0.3], [right, -0.3], [right, 0.3], [-0.3, 0.3]]).double()
        square = Mesh(torch.cat([corners, plane], -1), torch.tensor([[0, 1, 2], [0, 2, 3]]))
        fragments = raster()(square, cameras)
        sums.append(float(fragments.smooth(fragments.mask)[0, 0, 8].sum()))
    differences = torch.tensor(sums).diff()
    torch.testing.assert_close(differences, torch.full((8,), 0.25), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    "mesh", [soup(12), cube(), ball(4), bumpy(20)], ids=["soup", "cube", "ball", "bumpy ball"]
)
def test_gradients_by_finite_differences(mesh):
    """Of antialiased pictures of interpolated values, in all vertices along random directions."""
    cameras, generator = sphere(3, 20), torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values, weights = random(len(mesh.vertices), 2), random(3, 3, 20, 20)

    def loss(vertices: torch.Tensor) -> torch.Tensor:
        fragments = raster()(moved(mesh, vertices), cameras)
        picture = torch.cat([fragments.interpolate(values, mesh.faces), fragments.mask], 1)
        return (fragments.smooth(picture) * weights).sum() + fragments.depth.sum()

    vertices = mesh.vertices.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(vertices), vertices)
    for _ in range(3):
        direction = random(*vertices.shape)
        ends = [loss(mesh.vertices + sign * 1e-7 * direction) for sign in (1, -1)]
        measured = (ends[0] - ends[1]).item() / 2e-7
        assert (slope * direction).sum().item() == pytest.approx(measured, rel=1e-4, abs=1e-3)


def test_the_same_bits_on_two_threads_as_on_one():
    mesh, cameras = ball(16), sphere(3, 40)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        vertices = mesh.vertices.float().requires_grad_()
        fragments = raster()(moved(mesh, vertices), cameras)
        picture = fragments.smooth(fragments.interpolate(vertices, mesh.faces))
        (slope,) = torch.autograd.grad((picture**2).sum(), vertices)
        found.append((fragments.face, fragments.weights, picture, slope))
    torch.set_num_threads(1)
    assert all(torch.equal(x, y) for x, y in zip(*found, strict=True))


def test_smoothed_pictures_stay_between_their_colours():
    fragments = raster()(soup(), sphere(3, 16))
    smoothed = fragments.smooth(fragments.mask)
    assert smoothed.min() >= 0
    assert smoothed.max() <= 1 + 1e-12
    changed = (smoothed != fragments.mask).sum()
    assert changed > 0


def test_neighbours_share_an_edge_and_know_each_other():
    faces = ball(5).faces
    across = neighbours(faces)
    assert (across >= 0).all()
    for k in range(3):
        other = faces[across[:, k]]
        shared = (faces[:, :, None] == other[:, None]).any(-1)
        assert (shared.sum(-1) == 2).all()
        assert not shared[:, k].any()
    assert (neighbours(soup(3).faces) == -1).all()


def test_rows_are_taken_with_their_gradient():
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([[0, 1], [1, 4]])
    assert torch.equal(take(values, index), values[index])
    assert torch.autograd.gradcheck(lambda x: take(x, index), (values,))


def test_a_missing_backend_is_an_import_error():
    if find_spec("nvdiffrast") is not None:
        pytest.skip("nvdiffrast is installed")
    with pytest.raises(ImportError, match="nvdiffrast is not installed"):
        raster("nvdiffrast")


@pytest.mark.gpu
def test_nvdiffrast_sees_the_same():
    pytest.importorskip("nvdiffrast")
    mesh, cameras = ball(16), sphere(4, 64).to("cuda")
    pictures, slopes = [], []
    for backend in ("torch", "nvdiffrast"):
        vertices = mesh.vertices.float().cuda().requires_grad_()
        fragments = raster(backend)(Mesh(vertices, mesh.faces.cuda()), cameras)
        mapped = torch.cat([fragments.interpolate(vertices, mesh.faces.cuda()), fragments.mask], 1)
        pictures.append(fragments.smooth(mapped))
        (slope,) = torch.autograd.grad(pictures[-1][:, 3].sum(), vertices)
        slopes.append((slope * vertices).sum())
        pictures.append(fragments.depth)
    assert (pictures[0] - pictures[2]).abs().mean() < 2e-3
    assert (pictures[1] - pictures[3]).abs().mean() < 2e-3
    torch.testing.assert_close(slopes[0], slopes[1], rtol=0.1, atol=0)
