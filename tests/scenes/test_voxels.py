"""Voxel scenes: the lookup against torch's, independence of the pack, the world's axes, and a fit."""

import math
from functools import partial
from importlib import import_module

import pytest
import torch
from torch.nn import functional

from esd_bench.cameras import ring, sphere
from esd_bench.draws import Draws
from esd_bench.optim import PackAdam
from esd_bench.renderers.volume import Along, Rays, cast, march
from esd_bench.scenes import Render
from esd_bench.scenes._trilinear import trilinear
from esd_bench.scenes.voxels import resize, upsampling, voxels
from tests.triton_kernels import in_interpreter

STEP = torch.tensor(2)


def small(seeds, **options):
    return voxels(torch.tensor(seeds), **{"grids": (3, 5), "samples": 8, "noise": 0.5} | options)


def views(members, per_member=2, size=6):
    return sphere(per_member, size)[list(range(per_member)) * members]


def gradients(scene, seeds, only=None):
    """Gradients of a picture's sum of squares, of one member's pictures or of all."""
    cams = views(scene.members)
    cams = type(cams)(cams.c2w.to(scene.start), cams.fov.to(scene.start), cams.height, cams.width)
    render = scene.render(cams, None, Draws(torch.tensor(seeds), STEP))
    loss = (render.over(torch.full((1, 3, 1, 1), 0.7)) ** 2).flatten(1).sum(1)
    loss = loss.reshape(scene.members, -1).sum(1)
    return torch.autograd.grad(loss.sum() if only is None else loss[only], list(scene.parameters()))


def test_lookup_is_grid_sample():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(2, 4, 5, 5, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    points = torch.rand(2, 300, 3, generator=generator, dtype=torch.float64) * 2.4 - 1.2
    points[0, :2] = torch.tensor([[1.0, -1, 0], [1, 1, 1]])
    weight = torch.randn(2, 4, 300, generator=generator, dtype=torch.float64)
    ours = trilinear(table, points)
    theirs = functional.grid_sample(
        table, points[:, :, None, None], align_corners=True, padding_mode="border"
    )[..., 0, 0]
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    one, two = (torch.autograd.grad((x * weight).sum(), table)[0] for x in (ours, theirs))
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_the_triton_kernel_in_its_interpreter(monkeypatch):
    same_lookup(in_interpreter(monkeypatch, "_trilinear_triton", block=64).trilinear, "cpu")


@pytest.mark.gpu
def test_the_triton_kernel_on_a_gpu():
    pytest.importorskip("triton")
    same_lookup(import_module("esd_bench.scenes._trilinear_triton").trilinear, "cuda")


def same_lookup(other, device):
    """Another lookup's values and gradients are those of ours on a CPU, beyond the cube's sides, too."""
    table = torch.randn(2, 4, 5, 5, 5, requires_grad=True)
    points = torch.rand(2, 300, 3) * 2.4 - 1.2
    points[0, :2] = torch.tensor([[1.0, -1, 0], [1, 1, 1]])
    weight = torch.randn(2, 4, 300)
    ours = trilinear(table, points)
    theirs = other(table.to(device), points.to(device)).cpu()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    one, two = (torch.autograd.grad((x * weight).sum(), table)[0] for x in (ours, theirs))
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-5)


def test_the_kernel_along_rays_in_its_interpreter(monkeypatch):
    same_march(in_interpreter(monkeypatch, "_march_triton", block=32).Marched, "cpu")


@pytest.mark.gpu
def test_the_kernel_along_rays_on_a_gpu():
    pytest.importorskip("triton")
    same_march(import_module("esd_bench.scenes._march_triton").Marched, "cuda")


def same_march(marched, device):
    """Its channels and gradients are those of the field asked point by point, also from inside and past the ball."""
    scene = small([1, 2], grids=(3, 6), density=20.0)
    for x in scene.parameters():
        x.data += 3 * torch.randn_like(x)
    cams = views(2, size=5)
    cams = type(cams)(cams.c2w, cams.fov, 5, 5)
    cams.c2w[1, :3, 3] *= 0.2
    rays = cast(cams, 2, 0.9, 7, Draws(torch.tensor([4, 5]), STEP))
    assert (rays.step == 0).any()
    table = scene.table().detach().requires_grad_()
    weight = torch.randn(5, *rays.step.shape)

    def pictures(field, rays):
        found = march(field, rays, 7)
        (gradient,) = torch.autograd.grad((found * weight.to(found)).sum(), table)
        return found.cpu(), gradient

    ours = pictures(partial(scene.field, table=table), rays)
    there = Rays(*(x.to(device) for x in (rays.origin, rays.direction, rays.start, rays.step)))
    theirs = pictures(marched(table.to(device), scene.scale, None), there)
    assert ours[0][3].amax() > 0.9
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, atol=2e-5, rtol=1e-4)


def test_the_kernel_pulls_at_nothing_behind_a_wall(monkeypatch):
    """Of a total less what came before, rounding would be left there; the truth is far below it."""
    marched = in_interpreter(monkeypatch, "_march_triton", block=8).Marched
    table = torch.full((1, 4, 8, 8, 8), -6.0)
    table[:, 0, 2] = 60.0
    table[:, 1:] = torch.randn(1, 3, 8, 8, 8)
    x = torch.linspace(-0.9, 0.9, 8)
    ends = torch.stack([x, x.roll(3), torch.full_like(x, -1)]), torch.zeros(3, 8)
    ends[1][2] = 1
    step = torch.full((1, 8), 2 / 48)
    rays = Rays(ends[0][:, None], ends[1][:, None], step / 2, step)
    weight = torch.randn(5, 1, 8)

    def pull(field, table, rays):
        (found,) = torch.autograd.grad((march(field, rays, 48) * weight.to(table)).sum(), table)
        return found.double()

    leaf, exact = table.clone().requires_grad_(), table.double().requires_grad_()
    scene = small([1], density=20.0)
    parts = (rays.origin, rays.direction, rays.start, rays.step)
    true = pull(partial(scene.field, table=exact), exact, Rays(*(x.double() for x in parts)))
    ours = pull(marched(leaf, scene.scale, None), leaf, rays)
    torch.testing.assert_close(ours, true, atol=1e-5, rtol=1e-4)
    assert true[:, :, :2].abs().amax() > 1e-3
    assert true[:, :, 4:].abs().amax() < 1e-12
    assert ours[:, :, 4:].abs().amax() < 1e-12


def test_on_a_cpu_and_in_double_precision_a_field_is_asked_for_points():
    for scene in (small([1]), small([1]).double()):
        assert not isinstance(scene._along(scene.table()), Along)


@pytest.mark.gpu
def test_on_a_gpu_a_field_is_asked_for_rays():
    pytest.importorskip("triton")
    scene = small([1]).cuda()
    assert isinstance(scene._along(scene.table()), Along)


def test_lookup_is_exact_on_cells_and_on_linear_functions():
    line = torch.linspace(-1, 1, 4, dtype=torch.float64)
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    table = (1 + 2 * x - 3 * y + 0.5 * z)[None, None]
    points = torch.rand(1, 50, 3, dtype=torch.float64) * 2 - 1
    expected = 1 + points[..., 0] * 2 - 3 * points[..., 1] + points[..., 2] * 0.5
    torch.testing.assert_close(trilinear(table, points)[0], expected, rtol=1e-12, atol=1e-12)


def test_resize_is_interpolate():
    grid = torch.randn(2, 3, 4, 4, 4, dtype=torch.float64)
    expected = functional.interpolate(grid, size=(9, 9, 9), mode="trilinear", align_corners=True)
    torch.testing.assert_close(
        resize(grid, upsampling(4, 9).double()), expected, rtol=1e-6, atol=1e-6
    )


def test_gradients_by_finite_differences():
    scene = voxels(torch.tensor([3]), grids=(2, 3), evaluation_samples=3, noise=0.5).double()
    cams = views(1, 1, 2)
    cams = type(cams)(cams.c2w.double(), cams.fov.double(), 2, 2)
    names = [name for name, _ in scene.named_parameters()]

    def picture(*values):
        render = torch.func.functional_call(
            Pictures(scene), {f"scene.{k}": v for k, v in zip(names, values, strict=True)}, (cams,)
        )
        return render.rgb, render.opacity

    assert torch.autograd.gradcheck(picture, tuple(scene.parameters()))


class Pictures(torch.nn.Module):
    def __init__(self, scene):
        super().__init__()
        self.scene = scene

    def forward(self, cams):
        return self.scene.render(cams)


def test_gradients_across_members_are_exactly_zero():
    for g in gradients(small([1, 2, 3]), [1, 2, 3], only=1):
        assert g[[0, 2]].eq(0).all()
        assert g[1].ne(0).any()


def test_neighbours_and_slots_leave_every_bit():
    order = [[1, 2, 3], [3, 9, 1]]
    (a, one), (b, two) = ((small(s), gradients(small(s), s)) for s in order)
    for x, y in zip([*a.parameters(), *one], [*b.parameters(), *two], strict=True):
        assert torch.equal(x[0], y[2])
        assert torch.equal(x[2], y[0])
        assert not torch.equal(x[1], y[1])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_the_width_of_the_pack_hardly_matters(dtype, tolerance):
    wide, narrow = (gradients(small(s).to(dtype), s) for s in ([4, 5, 6], [5]))
    for x, y in zip(wide, narrow, strict=True):
        assert (x[1] - y[0]).norm() <= tolerance * y.norm()


def test_the_same_bits_every_time():
    first, second = (gradients(voxels(torch.tensor([7]), samples=16), [7]) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))


def test_a_member_is_a_slice_of_the_state_and_a_pack_a_concatenation():
    pack, alone = small([1, 2]), [small([8]), small([9])]
    for i, scene in enumerate(alone):
        scene.load_state_dict({k: v[i : i + 1] for k, v in pack.state_dict().items()})
    again = small([0, 0])
    states = [s.state_dict() for s in alone]
    again.load_state_dict({k: torch.cat([s[k] for s in states]) for k in states[0]})
    for k, v in pack.state_dict().items():
        assert torch.equal(v, again.state_dict()[k])
    picture = again.render(views(2)).rgb
    for i, scene in enumerate(alone):
        torch.testing.assert_close(scene.render(views(1)).rgb, picture[2 * i : 2 * i + 2])


def blob(scene, place, radius=0.25):
    """Make a scene empty but for one red ball."""
    line = torch.linspace(-1, 1, scene.grids[-1])
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    distance = (torch.stack([x, y, z], -1) - torch.tensor(place)).norm(dim=-1)
    with torch.no_grad():
        for p in scene.parameters():
            p.zero_()
        scene.density[-1][:] = torch.where(distance < radius, 20.0, -20.0) - scene.start
        scene.colour[-1][:, 0] = 20
        scene.colour[-1][:, 1:] = -20
    return scene


def centre(opacity):
    """Column and row, in [-1, 1] from left to right and from bottom to top, where the opacity lies."""
    n = opacity.shape[-1]
    line = (torch.arange(n) + 0.5) * 2 / n - 1
    total = opacity.sum((1, 2, 3))
    return (opacity.sum((1, 2)) @ line) / total, -(opacity.sum((1, 3)) @ line) / total


def test_axes_of_the_world():
    """Azimuth 0, 90, 180 and 270 degrees of balls on +z (the front), +x and +y."""
    cams = ring(0.0, 4, 48)
    front = blob(voxels(torch.tensor([0])), (0.0, 0, 0.5)).render(cams)
    assert front.rgb[0, 0].max() > 0.9
    assert front.rgb[:, 1:].max() < 0.01
    column, row = centre(front.opacity)
    # From +x (azimuth 90) the right vector is -z: the ball on +z appears on the left.
    torch.testing.assert_close(
        column.sign().round() * (column.abs() > 0.2), torch.tensor([0.0, -1, 0, 1])
    )
    assert row.abs().max() < 0.02
    assert front.opacity[0].sum() > 1.3 * front.opacity[2].sum()
    depth = (front.depth.sum((1, 2, 3)) / front.opacity.sum((1, 2, 3)))[[0, 2]]
    torch.testing.assert_close(depth, torch.tensor([2.4 - 0.17, 3.4 - 0.17]), atol=0.06, rtol=0)
    column, _ = centre(blob(voxels(torch.tensor([0])), (0.5, 0, 0)).render(cams).opacity)
    assert column[0] > 0.2
    _, row = centre(blob(voxels(torch.tensor([0])), (0, 0.5, 0)).render(cams).opacity)
    assert row.min() > 0.2


def test_regularisers_per_member():
    opacity = torch.tensor([0.0, 0.0, 0.5, 0.5]).reshape(4, 1, 1, 1).expand(-1, 1, 3, 3)
    render = Render(torch.zeros(4, 3, 3, 3), opacity, opacity)
    values = small([1, 2]).regularisers(render)
    torch.testing.assert_close(values["sparsity"], torch.tensor([0.1, math.sqrt(0.26)]))
    clamped = -(0.001 * math.log(0.001) + 0.999 * math.log(0.999))
    torch.testing.assert_close(values["opaque"], torch.tensor([clamped, math.log(2)]))


def test_finer_grids_fade_in():
    scene = small([1], coarse_to_fine=0.5)
    start, half, end = (scene.table(torch.tensor(p)) for p in (0.0, 0.25, 0.5))
    torch.testing.assert_close(end, scene.table())
    torch.testing.assert_close(half, (start + end) / 2)
    coarse = resize(scene.colour[0], scene.finer0)
    torch.testing.assert_close(start[:, 1:], coarse)


@pytest.mark.parametrize("grids", [(), (1,), (8, 4), (4, 4)])
def test_bad_grids_are_refused(grids):
    with pytest.raises(ValueError, match="grids"):
        voxels(torch.tensor([0]), grids=grids)


def spotted_ball(cams):
    """A yellow ball with a blue spot on its front, ray cast, as premultiplied colour and opacity."""
    origin, direction = cams.rays()
    b = (origin * direction).sum(-1, keepdim=True)
    square = b**2 - origin.square().sum(-1, keepdim=True) + 0.6**2
    hit = origin + direction * (-b - square.clamp_min(0).sqrt())
    spot = (hit - torch.tensor([0.0, 0.1, 0.59])).norm(dim=-1, keepdim=True) < 0.25
    colour = torch.where(spot, torch.tensor([0.1, 0.2, 0.9]), torch.tensor([0.9, 0.8, 0.2]))
    opacity = (square > 0).float()
    rgba = torch.cat([colour * opacity, opacity], -1)
    return rgba.transpose(1, 2).reshape(len(cams), 4, cams.height, cams.width)


def test_fits_posed_pictures():
    cams = ring(15.0, 8, 24)
    target = spotted_ball(cams)
    scene = voxels(torch.tensor([0]), grids=(6, 12, 24), samples=24, learning_rate=0.06)
    optimiser = PackAdam(scene.learning_rates(), floor=0.03, warmup=10)

    def error(progress=None, draws=None):
        render = scene.render(cams, progress, draws)
        return (torch.cat([render.rgb, render.opacity], 1) - target).square().mean()

    for k in range(40):
        count = torch.tensor(k)
        error(count / 40, Draws(torch.tensor([0]), count)).backward()
        optimiser.step(count)
    with torch.no_grad():
        assert -10 * error().log10() > 22


@pytest.mark.gpu
def test_a_gpu_makes_the_same_picture_and_gradients():
    here, there = voxels(torch.tensor([4, 5])), voxels(torch.tensor([4, 5])).to("cuda")
    cams = views(2, size=16)
    results = []
    for scene, device in ((here, "cpu"), (there, "cuda")):
        draws = Draws(torch.tensor([4, 5], device=device), STEP.to(device))
        render = scene.render(cams.to(device), None, draws)
        loss = render.over(torch.full((1, 3, 1, 1), 0.7, device=device)).square().sum()
        results.append([render.rgb, *torch.autograd.grad(loss, list(scene.parameters()))])
    for x, y in zip(*results, strict=True):
        assert (x - y.cpu()).norm() <= 1e-4 * x.norm()
