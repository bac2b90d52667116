"""Baked textures, looked up as a GPU does."""

import numpy as np
import pytest
import torch

from esd_bench.meshes import Mesh
from esd_bench.surfaces import surface
from esd_bench.textures import Atlas, bake, texels, unwrap
from tests.blobs import Blob, ball, position_colour

pytest.importorskip("xatlas")
SIZE = 128


def bilinear(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """What a sampler returns, origin at the upper left corner."""
    height, width, _ = picture.shape
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros((len(uv), 3))
    for i in (0, 1):
        for j in (0, 1):
            weight = np.abs(1 - i - (x - left)) * np.abs(1 - j - (y - top))
            row, column = (top + j).clip(0, height - 1), (left + i).clip(0, width - 1)
            total += weight[:, None] * picture[row, column]
    return total


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return unwrap(surface(Blob(ball(0.7)), 24), SIZE)


def test_the_cut_mesh_is_the_mesh(atlas):
    mesh = surface(Blob(ball(0.7)), 24)
    assert atlas.faces.shape == mesh.faces.shape
    assert set(map(tuple, atlas.vertices.tolist())) == set(map(tuple, mesh.vertices.tolist()))
    assert (atlas.normals.norm(dim=-1) - 1).abs().max() < 1e-5
    cut = Mesh(atlas.vertices, atlas.faces)
    assert (cut.face_normals * atlas.normals[atlas.faces[:, 0]]).sum(-1).min() > 0
    assert atlas.uv.min() >= 0
    assert atlas.uv.max() <= 1


def test_texels_lie_where_their_faces_are(atlas):
    texel, face, share = texels(atlas, SIZE)
    place = (atlas.uv[atlas.faces[face]] * share[..., None]).sum(1) * SIZE
    centre = torch.stack([texel % SIZE, texel // SIZE], -1) + 0.5
    assert len(texel) == len(set(texel.tolist()))
    off = (place - centre).abs().amax(-1)
    assert off.max() <= 0.5 + 1e-4
    vertex = share.amax(-1) == 1
    assert off[~vertex].max() < 1e-3
    assert vertex.float().mean() < 0.1
    assert len(texel) > SIZE**2 / 3


def test_every_point_has_its_colour_and_seams_do_not_bleed(atlas):
    picture = bake(atlas, SIZE, lambda points, _: position_colour(points))
    rng = np.random.default_rng(0)
    face = rng.integers(len(atlas.faces), size=4000)
    share = rng.dirichlet((0.5, 0.5, 0.5), size=4000)[..., None]  # many near the edges
    corners = atlas.faces.numpy()[face]
    points = (atlas.vertices.numpy()[corners] * share).sum(1)
    seen = bilinear(picture, (atlas.uv.numpy()[corners] * share).sum(1))
    assert np.abs(seen / 255 - (points + 1) / 2).max() < 0.03


def test_normals_are_handed_to_the_colour(atlas):
    picture = bake(atlas, SIZE, lambda _, normals: (normals + 1) / 2)
    seen = bilinear(picture, atlas.uv.numpy()) / 255 * 2 - 1
    assert (seen * atlas.normals.numpy()).sum(-1).min() > 0.98


def test_a_face_of_no_area_and_one_smaller_than_a_texel():
    uv = torch.tensor(
        [[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.95, 0.95], [0.951, 0.95], [0.95, 0.951]]
    )
    faces = torch.tensor([[0, 1, 2], [3, 4, 5], [0, 0, 1]])
    vertices = torch.rand(6, 3)
    texel, face, _ = texels(Atlas(vertices, vertices, faces, uv), 16)
    assert 15 * 16 + 15 in texel.tolist()
    assert set(face.tolist()) >= {0, 1}
