"""Splats: closed-form footprints, order, a slow oracle, spherical harmonics of another library, and files that lie."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from esd_bench.adapters import _harmonics, _splatting
from esd_bench.adapters import splats as plugin
from esd_bench.adapters._gaussians import Gaussians
from esd_bench.adapters._splat_files import read_ply
from esd_bench.adapters.splats import reads, splats
from esd_bench.cameras import Cameras, orbit, ring, sphere
from tests.adapters.splat_files import (
    C0,
    C1,
    header,
    names,
    random_rows,
    table,
    write_ply,
    write_splat,
)

LOGIT = math.log(0.8 / 0.2)
FRONT = ring(0, 1, 64, distance=4.0, fov=math.radians(30))


def look(path: Path, cameras: Cameras = FRONT, **options: int) -> np.ndarray:
    """Straight RGBA in [0, 1], (n, h, w, 4)."""
    return splats(path, **options).look(cameras).permute(0, 2, 3, 1).numpy() / 255


# ---- against formulas ----------------------------------------------------------------------------------------------


def test_a_round_splat_is_its_closed_form(tmp_path):
    """At the middle of the picture the projection is exactly affine: variance (f s / z)^2 + 0.3."""
    path = write_ply(
        tmp_path / "a.ply",
        table(
            **{"opacity": LOGIT, "scale_0": -3.0, "scale_1": -3.0, "scale_2": -3.0, "f_dc_0": 1.0}
        ),
    )
    (found,) = look(path)
    focal = 32 / math.tan(math.radians(15))
    variance = (focal * math.exp(-3) / 4) ** 2 + 0.3
    y, x = np.mgrid[:64, :64] + 0.5 - 32
    alpha = 0.8 * np.exp(-(x**2 + y**2) / 2 / variance)
    alpha[alpha < 1 / 255] = 0
    np.testing.assert_allclose(found[..., 3], alpha, atol=0.51 / 255)
    colour = np.array([C0 + 0.5, 0.5, 0.5])
    np.testing.assert_allclose(
        found[alpha > 0.1][:, :3], np.tile(colour, ((alpha > 0.1).sum(), 1)), atol=0.51 / 255
    )


@pytest.mark.parametrize("red_in_front", [True, False])
def test_the_nearer_one_is_in_front(tmp_path, red_in_front):
    rows = table(count=2, opacity=LOGIT, scale_0=-1, scale_1=-1, scale_2=-1)
    known = names(0)
    rows[:, known.index("z")] = [0.5, -0.5] if red_in_front else [-0.5, 0.5]
    rows[0, known.index("f_dc_0")] = rows[1, known.index("f_dc_1")] = 0.5 / C0
    rows[0, known.index("f_dc_1")] = rows[1, known.index("f_dc_0")] = -0.5 / C0
    rows[:, known.index("f_dc_2")] = -0.5 / C0
    (found,) = look(write_ply(tmp_path / "a.ply", rows))
    red, green, blue, opacity = found[32, 32]
    shares = np.array([0.8, 0.8 * 0.2]) / 0.96
    near, far = (red, green) if red_in_front else (green, red)
    np.testing.assert_allclose([near, far, blue, opacity], [*shares, 0, 0.96], atol=0.01)


def test_colour_of_degree_one_from_opposite_sides(tmp_path):
    """Minus C1 times x times the last coefficient: what is added from one side is missing from the other."""
    rows = table(1, opacity=LOGIT, scale_0=-1, scale_1=-1, scale_2=-1, f_rest_2=0.4)
    path = write_ply(tmp_path / "a.ply", rows)
    right, left = look(path, ring(0, 4, 64, distance=4.0))[[1, 3]]
    # From +x one looks along -x.
    assert right[32, 32, 0] == pytest.approx(0.5 + 0.4 * C1, abs=0.01)
    assert left[32, 32, 0] == pytest.approx(0.5 - 0.4 * C1, abs=0.01)
    assert right[32, 32, 1] == pytest.approx(0.5, abs=0.01)
    flat = look(path, ring(0, 4, 64, distance=4.0), degree=0)
    np.testing.assert_array_equal(flat[1], flat[3])


def test_harmonics_are_scipy_s(no_global_rng):
    """Real harmonics from complex ones, whose sign (-1)^m is the authors', too."""
    draw = np.random.default_rng(1)
    way = draw.normal(size=(40, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    polar, turn = np.arccos(way[:, 2]), np.arctan2(way[:, 1], way[:, 0])
    expected = []
    for degree in range(4):
        for order in range(-degree, degree + 1):
            value = sph_harm_y(degree, abs(order), polar, turn)
            part = value.imag if order < 0 else value.real
            expected.append(part * (math.sqrt(2) if order else 1))
    found = _harmonics._basis(torch.tensor(way), 16).numpy()
    np.testing.assert_allclose(found, np.stack(expected, 1), atol=1e-12)


# ---- against a slow oracle -----------------------------------------------------------------------------------------


def oracle(rows: np.ndarray, degree: int, camera: Cameras) -> np.ndarray:
    """Pixel by pixel in float64, from the stored numbers to premultiplied RGBA."""
    known, rows = names(degree), rows.astype(np.float64)
    column = {name: rows[:, i] for i, name in enumerate(known)}
    c2w = camera.c2w[0].double().numpy()
    turn, place = c2w[:3, :3] * [1, -1, -1], c2w[:3, 3]  # x right, y down, z forward
    height, width = camera.height, camera.width
    focal = height / 2 / math.tan(float(camera.fov[0]) / 2)
    made = []
    for i in range(len(rows)):
        mean = np.array([column[a][i] for a in "xyz"])
        x, y, z = turn.T @ (mean - place)
        if z <= 0.05:
            continue
        w, a, b, c = np.array([column[f"rot_{j}"][i] for j in range(4)])
        w, a, b, c = np.array([w, a, b, c]) / math.sqrt(w * w + a * a + b * b + c * c)
        skew = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
        rotation = np.eye(3) + 2 * w * skew + 2 * skew @ skew
        scale = np.diag(np.exp([column[f"scale_{j}"][i] for j in range(3)]))
        world = rotation @ scale @ scale @ rotation.T
        limit = [1.3 * width / 2 / focal, 1.3 * height / 2 / focal]
        u, v = np.clip(x / z, -limit[0], limit[0]), np.clip(y / z, -limit[1], limit[1])
        jacobian = focal / z * np.array([[1, 0, -u], [0, 1, -v]])
        flat = jacobian @ turn.T @ world @ turn @ jacobian.T + 0.3 * np.eye(2)
        way = (mean - place) / np.linalg.norm(mean - place)
        basis = _harmonics._basis(torch.tensor(way)[None], (degree + 1) ** 2)[0].numpy()
        rest = np.array([column[f"f_rest_{j}"][i] for j in range(len(known) - 17)])
        first = np.array([[column[f"f_dc_{j}"][i] for j in range(3)]])
        terms = np.concatenate([first, rest.reshape(3, -1).T])
        colour = np.maximum(basis @ terms + 0.5, 0)
        opacity = 1 / (1 + math.exp(-column["opacity"][i]))
        centre = focal * np.array([x, y]) / z + np.array([width, height]) / 2
        made.append((z, centre, np.linalg.inv(flat), opacity, colour))
    picture = np.zeros((height, width, 4))
    for row in range(height):
        for col in range(width):
            left = 1.0
            for _, centre, inverse, opacity, colour in sorted(made, key=lambda x: x[0]):
                apart = np.array([col + 0.5, row + 0.5]) - centre
                alpha = min(0.99, opacity * math.exp(-0.5 * apart @ inverse @ apart))
                if alpha < 1 / 255:
                    continue
                picture[row, col] += left * alpha * np.array([*colour, 1])
                left *= 1 - alpha
    return picture


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_pictures_are_those_of_a_slow_oracle(tmp_path, degree):
    rows = random_rows(25, degree, seed=degree)
    path = write_ply(tmp_path / "a.ply", rows)
    camera = orbit(torch.tensor([0.7]), torch.tensor([0.4]), 2.5, 0.8, 19).sized(19, 22)
    loaded = read_ply(path)
    found = _splatting.picture(loaded, camera, 1.0)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, oracle(rows, degree, camera), atol=3e-4)


def test_from_within_nothing_breaks(tmp_path):
    rows = random_rows(60, 1, seed=5)
    camera = orbit(torch.tensor([0.1]), torch.tensor([0.0]), 0.3, 1.2, 17)
    loaded = read_ply(write_ply(tmp_path / "a.ply", rows))
    found = _splatting.picture(loaded, camera, 2.5)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, oracle(rows, 1, camera), atol=1e-3)


# ---- properties ----------------------------------------------------------------------------------------------------


def many() -> Gaussians:
    """Enough for several slabs of a small picture."""
    draw = torch.Generator().manual_seed(2)
    k = 1500
    turn = torch.randn(k, 4, generator=draw)
    return Gaussians(
        torch.randn(k, 3, generator=draw) * 0.3,
        torch.exp(torch.randn(k, 3, generator=draw) * 0.5 - 3),
        turn / turn.norm(dim=1, keepdim=True),
        torch.rand(k, generator=draw) * 0.5 + 0.1,
        torch.randn(k, 4, 3, generator=draw) * 0.3,
    )


def test_same_bytes_for_one_thread_and_two():
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(_splatting.picture(many(), sphere(7, 96)[3], 1.0))
    torch.set_num_threads(before)
    assert torch.equal(*found)


def test_slabs_and_blocks_of_tiles_do_not_show(monkeypatch):
    whole = _splatting.picture(many(), sphere(7, 96)[2], 1.0)
    monkeypatch.setattr(_splatting, "SLAB", 1000)
    monkeypatch.setattr(_splatting, "TOGETHER", 17)
    pieces = _splatting.picture(many(), sphere(7, 96)[2], 1.0)
    torch.testing.assert_close(pieces, whole, atol=2e-4, rtol=0)
    monkeypatch.setattr(_splatting, "TILE", 16)
    other = _splatting.picture(many(), sphere(7, 96)[2], 1.0)
    torch.testing.assert_close(other, whole, atol=2e-4, rtol=0)


def test_opacity_does_not_depend_on_the_order_in_the_file():
    one, camera = many(), sphere(7, 64)[2]
    other = one[torch.randperm(len(one), generator=torch.Generator().manual_seed(1))]
    first, second = (_splatting.picture(x, camera, 1.0) for x in (one, other))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_too_much_overlap_is_refused(monkeypatch):
    monkeypatch.setattr(_splatting, "PAIRS", 1000)
    with pytest.raises(ValueError, match="splats this large or many are not drawn"):
        _splatting.picture(many(), sphere(7, 128)[3], 1.0)


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["binary_big_endian", "ascii"])
def test_every_form_of_ply_holds_the_same(tmp_path, form):
    rows = random_rows(7, 2)
    one = read_ply(write_ply(tmp_path / "a.ply", rows))
    other = read_ply(write_ply(tmp_path / "b.ply", rows, form))
    for name in ("mean", "scale", "rotation", "opacity", "harmonics"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_a_splat_file_is_the_ply_it_was_made_from(tmp_path):
    rows = table(opacity=LOGIT, x=0.1, scale_0=-2, scale_1=-3, scale_2=-1, f_dc_0=1.0)
    turn = np.array([0.8, 0.2, -0.4, 0.4]) / np.linalg.norm([0.8, 0.2, -0.4, 0.4])
    rows[:, -4:] = turn
    colour = [round(255 * (0.5 + C0)), 128, 128, 204]
    web = write_splat(
        tmp_path / "a.splat",
        ((0.1, 0, 0), np.exp([-2, -3, -1]), colour, np.round(turn * 128 + 128).astype(int)),
    )
    found, wanted = look(web), look(write_ply(tmp_path / "a.ply", rows))
    np.testing.assert_allclose(found[..., 3], wanted[..., 3], atol=6 / 255)
    inside = wanted[..., 3] > 0.3
    np.testing.assert_allclose(found[inside][:, :3], wanted[inside][:, :3], atol=2 / 255)


def test_what_it_says_of_itself(tmp_path):
    rows = random_rows(50, 1)
    rows[3, 0] = np.nan
    rows[4, names(1).index("opacity")] = -20
    rows[5, names(1).index("scale_1")] = 60
    rows[6, names(1).index("rot_0") :] = 0
    rows[7, 1] = 1e30
    solid = splats(write_ply(tmp_path / "a.ply", rows))
    left_out = {"not finite": 2, "transparent": 1, "far away or huge": 2}
    expected = {"renderer": "torch", "splats": 45, "left out": left_out, "degree": 1}
    assert solid.facts == expected
    assert solid.points.shape == (45, 3)
    assert solid.weights.shape == (45,)
    assert float(solid.weights.min()) > 0
    assert (solid.up, solid.front) == ("-y", "-z")
    views = solid.look(sphere(3, 32))
    assert views.shape == (3, 4, 32, 32)
    assert int(views[:, 3].max()) > 100


def test_a_mesh_is_not_ours(tmp_path):
    mesh = tmp_path / "mesh.ply"
    mesh.write_bytes(header(3, ["x", "y", "z"]) + bytes(36))
    assert not reads(mesh)
    assert reads(write_ply(tmp_path / "a.ply", table()))
    assert reads(write_splat(tmp_path / "a.splat", ((0,) * 3, (1,) * 3, (255,) * 4, (255,) * 4)))
    for name in ("none.ply", "none.splat", ""):
        assert not reads(tmp_path / name)
    (tmp_path / "empty.splat").touch()
    assert reads(tmp_path / "empty.splat")  # to say that it is broken


GOOD = header(1, names(0)) + table().tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no PLY header"),
        (b"ply\n" + b"comment x\n" * 10000, "no PLY header"),
        (GOOD[:-1], "cut off"),
        (header(10**30, names(0)), "are read"),
        (header(0, names(0)), "holds no splats"),
        (header(-1, names(0)), "can't be understood"),
        (header("1e3", names(0)), "can't be understood"),
        (header(2**22, names(0)), "cut off"),
        (header(1, ["x", "x"]), "can't be understood"),
        (header(1, ["x", "y", "z"]) + bytes(12), "holds no splats: it has no f_dc_0"),
        (header(1, [*names(0), "f_rest_0"]) + bytes(99), "no degree from 0 to 3"),
        (header(1, names(0), "ascii") + b"0 " * 17, "can be drawn: 1 not finite"),
        (header(1, names(0), "ascii") + b"0 " * 16, "cut off"),
        (header(2, names(0), "ascii") + b"0 " * 17 + b"\n", "cut off"),
        (header(1, names(0), "ascii") + b"x " * 17, "no number"),
        (header(1, names(0), "middle_endian"), "can't be understood"),
        (GOOD.replace(b"property float x", b"property list uchar int x"), "can't be understood"),
        (GOOD.replace(b"vertex", b"chunk"), "can't be understood"),
    ],
)
def test_broken_files_are_one_line(tmp_path, content, said):
    path = tmp_path / "a.ply"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        splats(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_other_broken_things(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        splats(tmp_path / "none.ply")
    (tmp_path / "a.splat").write_bytes(bytes(33))
    with pytest.raises(ValueError, match="33 bytes are no multiple"):
        splats(tmp_path / "a.splat")
    with pytest.raises(ValueError, match="is 0, 1, 2 or 3, not 4"):
        splats(tmp_path / "a.splat", degree=4)


@settings(max_examples=60)
@given(
    st.integers(0, 3),
    st.lists(st.floats(width=32), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=4)), max_size=4),
    st.integers(0, 2000),
)
def test_any_file_is_a_solid_or_one_line(tmp_path_factory, degree, values, edits, cut):
    """Numbers of all kinds in a whole file, then bytes of it changed and its end cut off."""
    path = tmp_path_factory.mktemp("fuzz") / "a.ply"
    rows = random_rows(6, degree)
    rows.flat[: len(values)] = values
    write_ply(path, rows)
    content = bytearray(path.read_bytes())
    for place, change in edits:
        content[place : place + len(change)] = change
    path.write_bytes(content[: len(content) - cut] if cut < 300 else content)
    reads(path)
    try:
        solid = plugin.splats(path)
        views = solid.look(sphere(2, 16))
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert views.shape == (2, 4, 16, 16)
    assert solid.points.isfinite().all()
    assert solid.weights.isfinite().all()


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_splat_file_is_a_solid_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "a.splat"
    path.write_bytes(content[: len(content) // 32 * 32])
    try:
        assert splats(path).look(sphere(1, 16)).shape == (1, 4, 16, 16)
    except ValueError as error:
        assert "\n" not in str(error)
