"""The span rasteriser against the package's z-buffer, and what must hold of it by itself."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from esd_bench.adapters import Refused, _spans
from esd_bench.cameras import protocol, sphere
from esd_bench.meshes import Mesh
from esd_bench.renderers.raster import raster


def seen(vertices, faces, camera, size):
    focal = size[0] / 2 / torch.tan(camera.fov[0] / 2)
    return _spans.project(vertices, faces, camera.c2w[0], focal, size, 1e-3)


def faces_seen(vertices, faces, camera, size):
    key = _spans.nearest(seen(vertices, faces, camera, size), size, None)
    return torch.where(key < 0, -1, _spans.face_of(key)).reshape(size)


def soup(seed, count=300):
    draw = torch.Generator().manual_seed(seed)
    middle = torch.rand(count, 1, 3, generator=draw) * 1.2 - 0.6
    corners = middle + torch.randn(count, 3, 3, generator=draw) * 0.1
    return corners.reshape(-1, 3), torch.arange(count * 3).reshape(-1, 3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_sees_what_the_z_buffer_sees(seed):
    vertices, faces = soup(seed)
    for camera in (sphere(5, 96)[i] for i in range(5)):
        ours = faces_seen(vertices, faces, camera, (96, 96))
        theirs = raster("torch")(Mesh(vertices, faces), camera).face[0]
        differ = (ours != theirs).float().mean()
        assert differ < 2e-3  # pixels whose centre is on an edge to the last bit
        assert ((ours >= 0) != (theirs >= 0)).float().mean() < 1e-3
        assert (theirs >= 0).float().mean() > 0.1


def test_many_rows_are_cut_some_at_a_time_and_endless_ones_refused(monkeypatch):
    vertices, faces = soup(5)
    apart = seen(vertices, faces, sphere(3, 64)[1], (64, 64))
    whole = _spans.nearest(apart, (64, 64), None)
    pixels = int((whole >= 0).sum())
    for most in (1, 17, 500):
        monkeypatch.setattr(_spans, "ROWS", most)
        assert torch.equal(_spans.nearest(apart, (64, 64), None), whole)
        assert torch.equal(_spans.nearest(apart, (64, 64), whole), again(apart, whole, monkeypatch))
    monkeypatch.setattr(_spans, "MOST", pixels)
    with pytest.raises(Refused, match="too often"):
        _spans.nearest(apart, (64, 64), None)


def again(apart, behind, monkeypatch):
    """The next layer, all rows together."""
    with monkeypatch.context() as other:
        other.setattr(_spans, "ROWS", 2**22)
        return _spans.nearest(apart, (64, 64), behind)


def test_shares_of_corners_are_those_of_the_z_buffer():
    vertices, faces = soup(3)
    camera = sphere(3, 64)[1]
    fragments = raster("torch")(Mesh(vertices, faces), camera)
    known = _spans.table(seen(vertices, faces, camera, (64, 64)))
    pixel = (fragments.face.flatten() >= 0).nonzero()[:, 0]
    x, y = (pixel % 64) + 0.5, (pixel // 64) + 0.5
    shares = torch.stack(_spans.weights(known, fragments.face.flatten()[pixel], x, y), -1)
    expected = fragments.weights.reshape(-1, 3)[pixel]
    assert (shares - expected).abs().quantile(0.99) < 1e-3
    torch.testing.assert_close(shares.sum(-1), torch.ones(len(pixel)))


def fan(angles):
    """A disc of triangles round a point off its centre, which leaves no gap."""
    rim = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], -1) * 0.8
    vertices = torch.cat([torch.tensor([[0.13, 0.07, 0.0]]), rim])
    after = torch.arange(1, len(rim) + 1)
    return vertices, torch.stack([torch.zeros_like(after), after, after.roll(-1)], -1)


@settings(max_examples=25)
@given(
    turns=st.lists(st.floats(0.5, 1.0), min_size=4, max_size=40),
    size=st.sampled_from([17, 32, 64]),
)
def test_no_pixel_lies_between_neighbours_or_in_both(turns, size):
    steps = torch.tensor(turns, dtype=torch.float64).cumsum(0)
    vertices, faces = fan((steps / steps[-1] * 2 * torch.pi).float())
    camera = protocol("ring:0:1", size)
    apart = seen(vertices, faces, camera, (size, size))
    spans = _spans._spans(apart, (size, size), *_spans._rows_of(apart, (size, size)))
    hits = torch.zeros(size * size, dtype=torch.long)
    for left, right, row in zip(*spans[1:], strict=True):
        hits[row * size + left : row * size + right + 1] += 1
    assert hits.max() <= 1
    # The picture of a convex outline has no hole in any row.
    grid = hits.reshape(size, size)
    for line in grid[grid.any(1)]:
        where = line.nonzero()[:, 0]
        assert len(where) == where[-1] - where[0] + 1


def test_threads_change_no_bit():
    vertices, faces = soup(4, 3000)
    camera = sphere(3, 256)[1]
    keys = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            keys.append(_spans.nearest(seen(vertices, faces, camera, (256, 256)), (256, 256), None))
        finally:
            torch.set_num_threads(1)
    assert torch.equal(*keys)


def test_what_lies_behind_is_found_layer_by_layer():
    square = torch.tensor([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
    vertices = torch.cat([square + torch.tensor([0, 0, z]) for z in (0.3, -0.3, 0.0)])
    quad = torch.tensor([[0, 1, 2], [0, 2, 3]])
    faces = torch.cat([quad, quad + 4, quad + 8])
    apart = seen(vertices, faces, protocol("ring:0:1", 32), (32, 32))
    behind, found = None, []
    for _ in range(4):
        behind = _spans.nearest(apart, (32, 32), behind)
        found.append(int(_spans.face_of(behind)[16 * 32 + 16]) // 2 if behind.max() >= 0 else None)
    assert found == [0, 2, 1, None]


def test_of_two_faces_at_one_place_the_first_is_seen():
    vertices = torch.tensor([[-0.5, -0.5, 0.1], [0.5, -0.5, 0.1], [0.0, 0.5, -0.1]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 2], [2, 0, 1]])
    assert set(faces_seen(vertices, faces, sphere(2, 32)[0], (32, 32)).unique().tolist()) <= {-1, 0}
