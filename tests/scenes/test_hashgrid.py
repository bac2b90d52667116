"""Hash grids: each level against dense grids, backends against each other, independence of the pack, options."""

from importlib import import_module

import numpy as np
import pytest
import torch
from torch.nn import functional

from esd_bench.cameras import Cameras, ring, sphere
from esd_bench.draws import Draws
from esd_bench.optim import PackAdam
from esd_bench.scenes._hash import PRIMES, Level, encode, resolutions
from esd_bench.scenes._mlp import harmonics
from esd_bench.scenes.hashgrid import hashgrid
from tests.triton_kernels import in_interpreter

STEP = torch.tensor(2)
LEVELS = resolutions(5, 4, 40, 10)


def small(seeds, **options):
    options = {"levels": 4, "base": 4, "finest": 30, "log2_rows": 9, "hidden": 8} | options
    scene = hashgrid(torch.tensor(seeds), **{"samples": 8, "evaluation_samples": 8} | options)
    with torch.no_grad():
        scene.table.mul_(1e4)
    return scene


def views(scene, per_member=2, size=5):
    cams = sphere(per_member, size)[list(range(per_member)) * scene.members]
    dtype = scene.table.dtype
    return Cameras(cams.c2w.to(dtype), cams.fov.to(dtype), size, size)


def gradients(scene, seeds, only=None):
    render = scene.render(views(scene), None, Draws(torch.tensor(seeds), STEP))
    loss = (render.over(torch.full((1, 3, 1, 1), 0.7)) ** 2).reshape(scene.members, -1).sum(1)
    return torch.autograd.grad(loss.sum() if only is None else loss[only], list(scene.parameters()))


def row_of(level, corner):
    """Row of a vertex within its level, in exact integers of Python."""
    x, y, z = (int(c) for c in corner)
    if level.size**3 > level.rows:
        return (x ^ y * PRIMES[1] ^ z * PRIMES[2]) % level.rows
    return (x + y * level.size + z * level.size**2) % level.rows


@pytest.mark.parametrize("k", range(5))
def test_each_level_is_a_dense_grid_of_its_rows(k):
    level = LEVELS[k]
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(2, sum(x.rows for x in LEVELS), 2, generator=generator, dtype=torch.float64)
    points = torch.rand(2, 40, 3, generator=generator, dtype=torch.float64) * 1.8 - 0.9
    vertices = level.size + 1
    dense = np.zeros((2, vertices, vertices, vertices, 2))
    for x, y, z in np.ndindex(vertices, vertices, vertices):
        dense[:, z, y, x] = table[:, level.first + row_of(level, (x, y, z))]
    # Vertex v lies where x * scale + 0.5 = v, x in [0, 1]; grid_sample wants its first and last vertex at -1 and 1.
    place = ((points + 1) / 2 * level.scale + 0.5) / level.size * 2 - 1
    expected = functional.grid_sample(
        torch.from_numpy(dense).permute(0, 4, 1, 2, 3), place[:, :, None, None], align_corners=True
    )[..., 0, 0]
    ours = encode(table, points, LEVELS)[:, 2 * k : 2 * k + 2]
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_resolutions_are_those_of_threestudio():
    levels = resolutions(16, 16, 4096, 19)
    scales = [16 * 1.447269237440378**k - 1 for k in range(16)]
    np.testing.assert_allclose([x.scale for x in levels], scales, rtol=1e-9)
    assert [x.size for x in levels[:4]] == [16, 24, 34, 49]
    assert [x.hashed for x in levels] == [False] * 5 + [True] * 11
    assert all(x.rows == 2**19 for x in levels if x.hashed)


def test_the_encodings_gradient_by_finite_differences():
    levels = (Level(1.0, 2, 8, 0), Level(5.0, 6, 16, 8))
    table = torch.randn(2, 24, 2, dtype=torch.float64, requires_grad=True)
    points = torch.rand(2, 7, 3, dtype=torch.float64) * 1.8 - 0.9
    assert torch.autograd.gradcheck(lambda t: encode(t, points, levels), (table,))


def test_gradients_across_members_are_exactly_zero():
    for g in gradients(small([1, 2, 3], background="learned"), [1, 2, 3], only=1):
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


def test_a_member_is_a_slice_of_the_state():
    pack = small([1, 2], background="learned")
    alone = small([7], background="learned")
    alone.load_state_dict({k: v[1:] for k, v in pack.state_dict().items()})
    picture = pack.render(views(pack))
    mine = alone.render(views(alone))
    torch.testing.assert_close(mine.rgb, picture.rgb[2:])
    torch.testing.assert_close(mine.background, picture.background[2:])


def test_recomputing_pieces_changes_no_gradient():
    whole, pieces = small([1, 2]), small([1, 2], chunk=200)
    for x, y in zip(gradients(whole, [1, 2]), gradients(pieces, [1, 2]), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-6)


def test_levels_appear_one_after_another():
    scene = small([1], start_level=2, grow=(0.2, 0.6))
    shown = [
        scene._shown(torch.tensor(p)).flatten().sum().item() / 2 for p in (0, 0.2, 0.41, 0.61, 1)
    ]
    assert shown == [2, 2, 3, 4, 4]
    cams = views(scene)
    assert torch.equal(scene.render(cams, torch.tensor(1.0)).rgb, scene.render(cams).rgb)
    assert not torch.equal(scene.render(cams, torch.tensor(0.0)).rgb, scene.render(cams).rgb)


def test_normals_of_the_initial_blob_point_outwards():
    scene = hashgrid(torch.tensor([0]), levels=2, normals=True)
    points = functional.normalize(torch.randn(1, 50, 3), dim=-1) * 0.4
    normals = scene.field(points)[2]
    torch.testing.assert_close(normals, points / 0.4, atol=0.04, rtol=0)
    render = scene.render(ring(0.0, 1, 8))
    assert render.normals is not None
    assert render.normals[0, 2, 3:5, 3:5].min() > 0.5
    assert scene.regularisers(render)["orientation"].shape == (1,)


def test_the_learned_background_lies_behind_the_object():
    scene = small([1, 2], background="learned")
    render = scene.render(views(scene))
    assert render.background is not None
    assert render.background.shape == render.rgb.shape
    expected = render.rgb + (1 - render.opacity) * render.background
    assert torch.equal(render.over(torch.zeros(4, 3, 1, 1)), expected)


def test_harmonics_are_orthonormal():
    cams = sphere(4000)
    values = harmonics(functional.normalize(cams.position.double(), dim=-1))
    gram = values.T @ values * (4 * torch.pi / 4000)
    torch.testing.assert_close(gram, torch.eye(9, dtype=torch.float64), atol=2e-3, rtol=0)


def test_a_pack_of_two_is_refused_by_tinycudann(monkeypatch):
    with pytest.raises(ImportError, match="not installed"):
        hashgrid(torch.tensor([1]), levels=2, backend="tinycudann")
    monkeypatch.setattr("esd_bench.scenes.hashgrid.find_spec", lambda name: object())
    with pytest.raises(ValueError, match="packs of one"):
        hashgrid(torch.tensor([1, 2]), levels=2, backend="tinycudann")


def test_learns_a_colour():
    scene = small([1], table_rate=0.1, network_rate=0.03)
    cams = views(scene)
    optimiser = PackAdam(scene.learning_rates())
    wanted = torch.tensor([0.9, 0.1, 0.3]).reshape(1, 3, 1, 1)
    errors = []
    for k in range(30):
        render = scene.render(cams)
        error = ((render.rgb - wanted * render.opacity) ** 2).mean()
        error.backward()
        optimiser.step(torch.tensor(k))
        errors.append(error.item())
    assert errors[-1] < 0.1 * errors[0]


def along_a_ray(count):
    return torch.linspace(-0.9, 0.9, count)[:, None] * torch.tensor([1.0, 0.4, -0.2])


def test_the_triton_kernels_in_its_interpreter(monkeypatch):
    interpreted = in_interpreter(monkeypatch, "_hash_triton", block=64)
    levels = resolutions(2, 4, 40, 10)
    table = torch.randn(2, sum(x.rows for x in levels), 2, requires_grad=True)
    points = torch.rand(2, 65, 3).transpose(0, 1).contiguous().transpose(0, 1) * 1.98 - 0.99
    points[1] = along_a_ray(65)  # runs of points in one cell
    weight = torch.randn(2, 4, 65)
    ours, theirs = (f(table, points, levels) for f in (encode, interpreted.encode))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    one, two = (torch.autograd.grad((x * weight).sum(), table)[0] for x in (ours, theirs))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["triton", "tinycudann"])
def test_backends_agree_with_torch(backend):
    pytest.importorskip(backend)
    module = import_module(f"esd_bench.scenes._hash_{backend}")
    members = 1 if backend == "tinycudann" else 3
    levels = resolutions(16, 16, 4096, 15)
    table = torch.randn(members, sum(x.rows for x in levels), 2, device="cuda", requires_grad=True)
    points = torch.rand(members, 5000, 3, device="cuda") * 1.98 - 0.99
    points[0, 1000:] = along_a_ray(4000)
    weight = torch.randn(members, 32, 5000, device="cuda")
    ours, theirs = (f(table, points, levels) for f in (encode, module.encode))
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=1e-3)
    one, two = (torch.autograd.grad((x * weight).sum(), table)[0] for x in (ours, theirs))
    torch.testing.assert_close(one, two, atol=1e-2, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "options", [{}, {"normals": True, "background": "learned", "start_level": 2}]
)
def test_rendering_can_be_captured(options):
    scene = small([1, 2], **options).to("cuda")
    seeds, count = (
        torch.tensor([1, 2], device="cuda"),
        torch.zeros((), dtype=torch.long, device="cuda"),
    )
    cams = views(scene).to("cuda")

    def work():
        render = scene.render(cams, count / 10, Draws(seeds, count))
        (render.over(torch.zeros(4, 3, 1, 1, device="cuda")) ** 2).sum().backward()
        return render.rgb

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream().wait_stream(stream)
    scene.zero_grad()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        picture = work()
    for k in (3, 8):
        count.fill_(k)
        graph.replay()
        captured = picture.clone()
        torch.testing.assert_close(captured, work(), atol=1e-5, rtol=1e-4)
