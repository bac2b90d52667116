"""The canvas: a window is what its camera says, and every pixel is in some window."""

import pytest
import torch

from esd_bench.cameras import TrainingCameras, orbit
from esd_bench.scenes.canvas import canvas

CAMERAS = TrainingCameras(elevation=(-45.0, 45.0))


def small(members=2, levels=1, **options):
    return canvas(torch.arange(members), height=20, width=28, levels=levels, **options)


def looking(*degrees, size=8):
    """Cameras by (azimuth, elevation)."""
    azimuth, elevation = torch.tensor(degrees).float().deg2rad().T
    return orbit(azimuth, elevation, 2.9, 0.6, size)


@pytest.mark.parametrize("levels", [1, 3])
def test_a_window_is_the_crop_that_its_camera_says(levels):
    scene = small(levels=levels)
    cameras = CAMERAS.place(torch.rand(2, 50, 5), 8)
    windows = scene.render(cameras).rgb.unflatten(0, (2, 50))
    tops, lefts = (x.reshape(2, 50) for x in scene.corners(cameras))
    for member, picture in enumerate(scene.picture()):
        for view, window in enumerate(windows[member]):
            top, left = int(tops[member, view]), int(lefts[member, view])
            assert torch.equal(window, picture[:, top : top + 8, left : left + 8])


def test_the_middle_and_the_corners_are_where_they_should_be():
    scene = small()
    cameras = looking((0, 45), (180, 45), (0, -45), (180, -45), (90, 0), (-90, 0))
    top, left = scene.corners(cameras)
    assert top.tolist() == [0, 0, 12, 12, 6, 6]
    assert left.tolist() == [0, 20, 0, 20, 10, 10]


def test_a_gradient_reaches_the_pixels_of_the_window_and_no_other():
    scene = small()
    cameras = looking((30, 20), (140, -30))
    render = scene.render(cameras)
    render.rgb[0].sum().backward()
    (top, _), (left, _) = scene.corners(cameras)
    inside = torch.zeros(20, 28, dtype=torch.bool)
    inside[top : top + 8, left : left + 8] = True
    assert scene.raw[0].grad is not None
    assert torch.equal((scene.raw[0].grad[0] != 0).all(0), inside)
    assert torch.equal((scene.raw[0].grad[0] != 0).any(0), inside)
    assert not scene.raw[0].grad[1].any()


def test_windows_of_training_cover_the_whole_canvas_about_evenly():
    scene = small(1)
    cameras = CAMERAS.place(torch.rand(1, 4000, 5), 8)
    scene.render(cameras).rgb.sum().backward()
    picture = scene.picture()[0, 0].detach()
    seen = scene.raw[0].grad[0, 0] / (picture * (1 - picture)) / 4000
    # The average pixel is in 8 * 8 / (20 * 28) = .11 of the windows; a tenth of each axis is spent on either border.
    assert seen.min() > 0.005
    assert seen[0, 0] == pytest.approx((1 / 12) ** 2, rel=0.8)


def test_cameras_of_one_window_are_told_apart_from_all_others():
    """What the student is told is the camera: different windows never share one."""
    scene = small(1, edge=0.0)
    cameras = CAMERAS.place(torch.rand(1, 300, 5), 8)
    corner = torch.stack(scene.corners(cameras), 1)
    different = (corner[:, None] != corner[None]).any(-1)
    apart = (cameras.c2w[:, None] - cameras.c2w[None]).flatten(2).abs().amax(2)
    assert apart[different].min() > 0


def test_coarser_levels_are_enlarged_and_added():
    scene = small(1, levels=2, noise=0.0)
    with torch.no_grad():
        scene.raw[1].fill_(0.7)
        scene.raw[0][:, :, 5, 6] = -0.7
    picture = scene.picture()[0]
    assert scene.raw[1].shape == (1, 3, 10, 14)
    assert torch.equal(picture[:, 5, 6], torch.full((3,), 0.5))
    torch.testing.assert_close(picture[:, 0, 0], torch.full((3,), 0.7).sigmoid())


def test_too_large_a_window_is_refused():
    with pytest.raises(ValueError, match="no such windows"):
        small().render(looking((0, 0), (0, 0), size=64))
