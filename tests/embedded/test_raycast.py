"""Ray casting against one ray and one primitive at a time, in float64 and with other formulas."""

import math

import numpy as np
import pytest
import torch

from esd_bench.cameras import Cameras, orbit
from esd_bench.embedded import raycast
from esd_bench.embedded.kinds import EXTRAS, NAMES
from esd_bench.embedded.objects import assemble
from esd_bench.embedded.parts import BALL, BOX, ROD

PICKED = (("cat", "hat"), ("robot", ""), ("truck", "flag"), ("clock", ""))
SIZE = 10


@pytest.fixture(scope="module")
def objects():
    kind, extra = torch.tensor([(NAMES.index(k), EXTRAS.index(e)) for k, e in PICKED]).T
    return assemble(kind, torch.arange(len(PICKED)), extra, torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def cameras():
    return orbit(
        torch.tensor([0.3, 2.0, -1.0, 3.0]), torch.tensor([0.2, -0.4, 0.9, 0.1]), 2.9, 0.66, SIZE
    )


def meetings(shape, o, d):
    """(distance, outward normal) of every point where a ray passes the surface of a primitive of half-size one."""
    found = []
    if shape in (BALL, ROD):
        keep = np.array([1, 1, 1]) if shape == BALL else np.array([1, 0, 1])
        roots = np.roots([(d * d * keep).sum(), 2 * (o * d * keep).sum(), (o * o * keep).sum() - 1])
        for t in roots[np.isreal(roots)].real:
            point = o + t * d
            if shape == BALL or abs(point[1]) <= 1:
                found.append((t, point * keep))
    planes = {BOX: (0, 1, 2), ROD: (1,), BALL: ()}[shape]
    for axis in planes:
        for side in (-1, 1):
            t = (side - o[axis]) / d[axis]
            point, normal = o + t * d, np.zeros(3)
            normal[axis] = side
            rest = np.delete(point, axis)
            inside = np.abs(rest).max() <= 1 if shape == BOX else (rest**2).sum() <= 1
            if inside:
                found.append((t, normal))
    return found


def one_ray(objects, i, o, d):
    """Slot and world normal of what a ray of object ``i`` meets first, or None."""
    best = (math.inf, None, None)
    for p in range(objects.shape.shape[1]):
        shape = int(objects.shape[i, p])
        if shape > ROD:
            continue
        turn, size = (x[i, p].double().numpy() for x in (objects.turn, objects.size))
        centre = objects.centre[i, p].double().numpy()
        for t, normal in meetings(shape, (turn.T @ (o - centre)) / size, (turn.T @ d) / size):
            if 0 < t < best[0]:
                world = turn @ (normal / size)
                best = (t, p, world / np.linalg.norm(world))
    return best[1:]


def pixel_ray(cameras: Cameras, i, row, column):
    """Origin and direction through a pixel's centre."""
    c2w, half = cameras.c2w[i].double().numpy(), math.tan(float(cameras.fov[i]) / 2)
    x, y = (2 * (column + 0.5) / SIZE - 1) * half, (1 - 2 * (row + 0.5) / SIZE) * half
    d = c2w[:3, :3] @ np.array([x, y, -1])
    return c2w[:3, 3], d / np.linalg.norm(d)


def test_colours_and_normals_agree_with_a_slow_loop(objects, cameras):
    n = len(PICKED)
    colour = raycast.cast(objects, cameras, supersample=1)
    normals = raycast.cast(
        objects, cameras, as_normals=torch.ones(n, dtype=torch.bool), supersample=1
    )
    wrong = 0
    for i, row, column in np.ndindex(n, SIZE, SIZE):
        slot, normal = one_ray(objects, i, *pixel_ray(cameras, i, row, column))
        expected = torch.zeros(7)
        if slot is not None:
            shade = 0.72 + 0.28 * normal[1]
            paint = objects.paint[i, slot] * shade
            expected = torch.cat([torch.ones(1), paint, torch.tensor((normal + 1) / 2).float()])
        got = torch.cat(
            [colour[i, 3:, row, column], colour[i, :3, row, column], normals[i, :3, row, column]]
        )
        wrong += not torch.allclose(got * got[0], expected, atol=2e-3)
    assert (colour[:, 3] > 0).float().mean() > 0.2
    assert wrong <= 2, "but for rays that graze an edge, where float32 decides"


def test_chunks_change_nothing(objects, cameras):
    whole = raycast.cast(objects, cameras)
    assert torch.equal(raycast.cast(objects, cameras, chunk=1), whole)


def test_supersampling_is_a_mean_weighted_by_coverage(objects, cameras):
    fine = raycast.cast(objects, cameras.sized(2 * SIZE), supersample=1)
    coarse = raycast.cast(objects, cameras, supersample=2)
    alpha = torch.nn.functional.avg_pool2d(fine[:, 3:], 2)
    painted = torch.nn.functional.avg_pool2d(fine[:, :3] * fine[:, 3:], 2)
    torch.testing.assert_close(coarse[:, 3:], alpha)
    torch.testing.assert_close(coarse[:, :3] * alpha, painted)


def test_a_window_of_half_the_size_is_a_crop(objects, cameras):
    """Scale 1/2, moved half a picture right and up: the upper right quarter of a picture twice as large."""
    window = torch.tensor([0.5, 0.5, 0.5]).expand(len(PICKED), 3)
    seen = raycast.cast(objects, cameras, window=window, supersample=1)
    large = raycast.cast(objects, cameras.sized(2 * SIZE), supersample=1)
    same = torch.isclose(seen, large[..., :SIZE, SIZE:], atol=1e-3).all(1)
    assert same.float().mean() > 0.995


def test_composition_over_a_background():
    rgba = torch.tensor([0.2, 0.4, 0.6, 0.5])[None, :, None, None]
    seen = raycast.over(rgba, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(seen.flatten(), torch.tensor([0.6, 0.7, 0.3]))
