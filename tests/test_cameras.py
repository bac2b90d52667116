import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.cameras import (
    COMPASS,
    DISTANCE,
    MOST,
    Cameras,
    TrainingCameras,
    band,
    compass,
    orbit,
    protocol,
    ring,
    sphere,
)

ANGLES = st.floats(-math.pi, math.pi)
TILTS = st.floats(-math.pi / 2, math.pi / 2)


def one(azimuth: float, elevation: float, distance: float = 2.0, size: int = 4) -> Cameras:
    """A camera at angles in radians, in double precision."""
    angles = (torch.tensor([x], dtype=torch.float64) for x in (azimuth, elevation))
    return orbit(*angles, distance, math.radians(40), size)


def test_the_front_is_seen_from_plus_z_and_the_right_azimuth_from_plus_x():
    places = [(0, 0, (0, 0, 2)), (90, 0, (2, 0, 0)), (180, 0, (0, 0, -2)), (0, 90, (0, 2, 0))]
    for azimuth, elevation, position in places:
        camera = one(math.radians(azimuth), math.radians(elevation))
        expected = torch.tensor([position], dtype=torch.float64)
        torch.testing.assert_close(camera.position, expected, atol=1e-12, rtol=0)


@given(ANGLES, TILTS)
def test_a_camera_is_a_right_handed_frame_that_looks_at_the_origin(azimuth, elevation):
    c2w = one(azimuth, elevation).c2w[0]
    turn = c2w[:3, :3]
    torch.testing.assert_close(turn.T @ turn, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(turn[:, 2] * 2, c2w[:3, 3])
    assert turn[1, 1] >= 0, "up points up"
    assert abs(turn[1, 0]) < 1e-12, "no roll"


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(0.5, 9.0))
def test_angles_and_distance_come_back(azimuth, elevation, distance):
    camera = one(azimuth, elevation, distance)
    found = (camera.azimuth, camera.elevation, camera.distance)
    for value, expected in zip(found, (azimuth, elevation, distance), strict=True):
        assert float(value) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("elevation", [-90.0, 90.0])
def test_the_poles_are_well_defined(elevation):
    camera = one(0.3, math.radians(elevation))
    assert torch.isfinite(camera.c2w).all()
    torch.testing.assert_close(torch.linalg.det(camera.c2w[0, :3, :3]), camera.c2w.new_ones(()))


def test_rays_agree_with_a_loop_over_pixels():
    cameras = Cameras(one(0.7, 0.4).c2w.repeat(2, 1, 1), torch.tensor([0.6, 0.9]).double(), 3, 5)
    origins, directions = cameras.rays()
    for n in range(2):
        right, up, back, position = cameras.c2w[n, :3].T
        half = math.tan(float(cameras.fov[n]) / 2)
        for row in range(3):
            for column in range(5):
                x = ((column + 0.5) / 5 * 2 - 1) * 5 / 3 * half
                y = (1 - (row + 0.5) / 3 * 2) * half
                wanted = x * right + y * up - back
                pixel = row * 5 + column
                torch.testing.assert_close(directions[n, pixel], wanted / wanted.norm())
                torch.testing.assert_close(origins[n, pixel], position)


def test_a_point_is_seen_where_its_ray_says():
    """Round trip: walk along a ray, project the point back, and find the same pixel."""
    cameras = one(2.0, -0.5, size=8)
    origins, directions = cameras.rays()
    points = origins[0] + directions[0] * torch.rand(64, 1, dtype=torch.float64).add(0.5)
    local = torch.linalg.inv(cameras.c2w[0]) @ torch.cat([points, points.new_ones(64, 1)], 1).T
    half = math.tan(float(cameras.fov[0]) / 2)
    column = (local[0] / -local[2] / half + 1) / 2 * 8 - 0.5
    row = (1 - local[1] / -local[2] / half) / 2 * 8 - 0.5
    torch.testing.assert_close(row * 8 + column, torch.arange(64).double())


@pytest.mark.parametrize("n", [7, 120, 500])
def test_the_sphere_is_uniform(n):
    views = sphere(n)
    unit = (views.position / views.distance[:, None]).double()
    gaps = torch.cdist(unit, unit) + 9 * torch.eye(n)
    # The best packing of n points has a least gap of about 3.8 / sqrt(n); the lattice reaches four fifths of it.
    assert gaps.min() * math.sqrt(n) > 2.9
    assert gaps.min(1).values.max() * math.sqrt(n) < 4.2, "no hole"
    second = unit.T @ unit / n
    torch.testing.assert_close(second, torch.eye(3).double() / 3, atol=1.0 / n, rtol=0)
    assert unit.mean(0).norm() < 1.5 / n


def test_a_band_is_uniform_by_area_and_the_whole_band_is_the_sphere():
    views = band(-10, 45, 200)
    height = torch.sin(views.elevation).sort().values
    low, high = math.sin(math.radians(-10)), math.sin(math.radians(45))
    expected = low + (torch.arange(200) + 0.5) / 200 * (high - low)
    torch.testing.assert_close(height, expected, atol=1e-5, rtol=0)
    assert torch.equal(band(-90, 90, 50).c2w, sphere(50).c2w)


@pytest.mark.parametrize(("low", "high"), [(45, -10), (0, 0), (-91, 0), (0, 91)])
def test_a_band_the_wrong_way_round_is_refused(low, high):
    with pytest.raises(ValueError, match="-90 <= low < high <= 90"):
        band(low, high)


def test_a_ring_starts_at_the_front_and_does_not_repeat_it():
    views = ring(15, 36)
    assert float(views.azimuth[0]) == pytest.approx(0, abs=1e-6)
    gaps = torch.remainder(views.azimuth.roll(-1) - views.azimuth, 2 * math.pi)
    torch.testing.assert_close(gaps, torch.full((36,), 2 * math.pi / 36), atol=1e-5, rtol=0)
    torch.testing.assert_close(views.elevation, torch.full((36,), math.radians(15)))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("sphere:120", sphere(120, 32)),
        ("ring:15:36", ring(15, 36, 32)),
        ("band:-10:45:12", band(-10, 45, 12, 32)),
    ],
)
def test_protocols_by_name(text, same):
    views = protocol(text, 32)
    assert torch.equal(views.c2w, same.c2w)
    assert (views.height, views.width) == (32, 32)
    assert views.distance.tolist() == pytest.approx([DISTANCE] * len(views))


@pytest.mark.parametrize(
    "text",
    [
        "sphere",
        "sphere:0",
        "sphere:x",
        "sphere:nan",
        "sphere:inf",
        "sphere:1.5",
        "ring:15",
        "ring:nan:3",
        "ring:91:3",
        "band:1:2",
        "band:9:1:5",
        "cube:3",
        ":",
    ],
)
def test_a_bad_protocol_is_one_line_with_the_real_ones(text):
    with pytest.raises(ValueError, match="bad view protocol") as error:
        protocol(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [f"sphere:{10**14}", f"ring:15:{10**14}", f"band:0:9:{10**14}"])
def test_views_without_bound_are_refused_before_they_are_built(text):
    with pytest.raises(ValueError, match=f"at most {MOST} views"):
        protocol(text)
    assert len(protocol(f"sphere:{MOST}")) == MOST


def test_json_keeps_every_bit():
    views = sphere(5).sized(7, 9)
    back = Cameras.from_json(views.to_json())
    assert torch.equal(back.c2w, views.c2w)
    assert torch.equal(back.fov, views.fov)
    assert (back.height, back.width) == (7, 9)


def test_indexing_keeps_the_axis():
    views = ring(0, 6)
    assert len(views[2]) == 1
    assert torch.equal(views[-1].c2w, views[5:].c2w)
    assert torch.equal(views[[0, 2]].c2w, views[torch.tensor([0, 2])].c2w)


@given(st.integers(0, 2**20), st.integers(1, 4), st.integers(1, 6))
def test_training_cameras_stay_in_their_ranges(seed, members, views):
    places = TrainingCameras((-10, 45), (2.0, 3.0), (40, 70), area=0.5)
    numbers = torch.rand(members, views, 5, generator=torch.Generator().manual_seed(seed))
    cameras = places.place(numbers, 16)
    assert len(cameras) == members * views
    between = [
        (torch.rad2deg(cameras.elevation), -10, 45),
        (cameras.distance, 2, 3),
        (torch.rad2deg(cameras.fov), 40, 70),
    ]
    for value, low, high in between:
        assert value.min() >= low - 1e-3
        assert value.max() <= high + 1e-3
    azimuth = cameras.azimuth.reshape(members, views).sort(1).values
    gaps = (
        torch.remainder(azimuth.roll(-1, 1) - azimuth, 2 * math.pi) if views > 1 else azimuth[:, :0]
    )
    torch.testing.assert_close(gaps, torch.full_like(gaps, 2 * math.pi / views), atol=1e-4, rtol=0)


def test_shaken_cameras_stand_and_look_a_little_off():
    still = TrainingCameras((-10, 45), (2.0, 3.0), (40, 70))
    shaken = TrainingCameras((-10, 45), (2.0, 3.0), (40, 70), shake=(0.1, 0.2, 0.02))
    numbers = torch.rand(1, 5000, shaken.numbers, dtype=torch.float64)
    before, after = (x.place(numbers[..., : x.numbers], 16) for x in (still, shaken))
    rotation = after.c2w[:, :3, :3]
    eye = torch.eye(3, dtype=torch.float64).expand_as(rotation)
    torch.testing.assert_close(rotation.mT @ rotation, eye)
    torch.testing.assert_close(rotation.det(), torch.ones(5000, dtype=torch.float64))
    moved = after.position - before.position
    assert moved.abs().max() <= 0.1
    assert float(moved.square().mean()) == pytest.approx(0.1**2 / 3, rel=0.05)
    # The origin lies beside the optical axis by what the aim was off, less its part along the axis.
    aside = torch.einsum("nij,ni->nj", rotation, after.position)[:, :2]
    assert float(aside.square().mean()) == pytest.approx(0.2**2, rel=0.1)
    assert float((after.c2w[:, :3, 1] * before.c2w[:, :3, 1]).sum(1).min()) > 0.8


def test_nothing_is_shaken_by_default():
    numbers = torch.rand(1, 3, 5)
    plain = TrainingCameras().place(numbers, 16)
    assert torch.equal(plain.c2w, TrainingCameras(shake=(0.0, 0.0, 0.0)).place(numbers, 16).c2w)


def test_training_elevations_are_uniform_by_area_or_by_degree():
    numbers = torch.rand(1, 20_000, 5, dtype=torch.float64)
    by_area = torch.sin(TrainingCameras((-90, 90), area=1.0).place(numbers, 1).elevation)
    by_degree = TrainingCameras((-90, 90)).place(numbers, 1).elevation
    assert float(by_area.square().mean()) == pytest.approx(1 / 3, abs=0.01)
    assert float(by_degree.square().mean()) == pytest.approx(math.pi**2 / 12, abs=0.02)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "word"),
    [
        (0, 0, "front"),
        (44, 0, "front"),
        (-44, 0, "front"),
        (46, 0, "side"),
        (-90, 0, "side"),
        (134, 0, "side"),
        (136, 0, "back"),
        (-136, 0, "back"),
        (180, 0, "back"),
        (540, 0, "back"),
        (361, 0, "front"),
        (0, 61, "overhead"),
        (180, 61, "overhead"),
        (0, 59, "front"),
        (0, -80, "front"),
    ],
)
def test_view_words(azimuth, elevation, word):
    angles = (torch.deg2rad(torch.tensor(float(x))) for x in (azimuth, elevation))
    assert COMPASS[int(compass(*angles))] == word


def test_view_words_partition_the_circle_by_their_thresholds():
    azimuth = torch.deg2rad(torch.arange(-179.5, 180, 1.0))
    word = compass(azimuth, torch.zeros(()), front=30, back=60)
    assert [int((word == i).sum()) for i in range(4)] == [60, 180, 120, 0]
