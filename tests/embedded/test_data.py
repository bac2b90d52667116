"""Pools of pictures: what is drawn, what is stored, and that a seed fixes both."""

import math

import numpy as np
import pytest
import torch

from esd_bench.embedded import data
from esd_bench.embedded.captions import WINDOWS


def draw(pool, n=4000):
    return data.draw(pool, n, data.SEEDS[pool])


def test_shares_are_those_that_the_card_states():
    labels, window = draw("sphere")
    assert labels.normals.float().mean() == pytest.approx(data.NORMALS, abs=0.02)
    assert (labels.window > 0).float().mean() == pytest.approx(data.WINDOWED, abs=0.02)
    assert (labels.extra == 0).float().mean() == pytest.approx(data.PLAIN, abs=0.03)
    assert torch.equal(window[labels.window == 0].unique(dim=0), torch.tensor([[1.0, 0.0, 0.0]]))
    assert labels.window.max() == len(WINDOWS) - 1


def test_poses_of_the_pools():
    front, around, sphere = (draw(pool)[0] for pool in ("front", "around", "sphere"))
    degrees = torch.rad2deg(front.azimuth)
    assert degrees.abs().max() <= 60.001
    assert degrees.std() == pytest.approx(22, abs=1)
    for turned in (around, sphere):
        assert (turned.azimuth.cos().mean().abs() < 0.05) & (
            turned.azimuth.sin().mean().abs() < 0.05
        )
    for usual in (front, around):
        assert (torch.rad2deg(usual.elevation) > 45).float().mean() == pytest.approx(0.06, abs=0.02)
        assert torch.rad2deg(usual.elevation).min() >= -10
    # Even by area: the sine of the elevation is uniform.
    assert sphere.elevation.sin().std() == pytest.approx(1 / math.sqrt(3), abs=0.02)


def test_seeds_fix_what_is_drawn_and_pools_differ():
    again = draw("sphere", 50)[0]
    assert torch.equal(draw("sphere", 50)[0].azimuth, again.azimuth)
    assert not torch.equal(draw("held-out", 50)[0].azimuth, again.azimuth)


def test_a_pool_is_rendered_once_and_read_back(tmp_path):
    done = data.build("held-out", tmp_path, 12)
    stamp = done.stat().st_mtime_ns
    first = np.load(tmp_path / "held-out.npy")
    assert data.build("held-out", tmp_path, 12).stat().st_mtime_ns == stamp
    pool = data.load(tmp_path, "held-out", "held-out")
    assert len(pool) == 2 * data.length(tmp_path, "held-out") == 24
    assert torch.equal(pool.rgba, torch.from_numpy(np.concatenate([first, first])))
    again = data.build("held-out", tmp_path / "again", 12)
    assert np.array_equal(np.load(again.with_suffix(".npy")), first)


def test_a_pool_that_is_not_there_is_an_error_of_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"no pool 'sphere' in .*: run the data stage first"):
        data.load(tmp_path, "sphere")


def test_backgrounds_leave_normal_maps_on_black():
    labels, _ = draw("sphere", 40)
    pool = data.Pool(torch.zeros(40, 4, 2, 2, dtype=torch.uint8), labels)
    for name in data.BACKDROPS:
        seen = pool.images(torch.arange(40), name)
        assert (seen[labels.normals] == 0).all()
        assert seen.min() >= 0
        assert seen.max() <= 1
    assert (pool.images(torch.arange(40), "white")[~labels.normals] == 1).all()
    assert pool.images(torch.arange(40), "pale")[~labels.normals].min() >= 0.5
