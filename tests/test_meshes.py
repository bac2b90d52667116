"""Marching tetrahedra against spheres, Euler's formula and finite differences."""

import math

import pytest
import torch

from esd_bench.meshes import Mesh, isosurface, tetrahedra


def sphere(resolution=16, radius=0.6):
    positions, tets = tetrahedra(resolution)
    return isosurface(positions, radius - positions.norm(dim=-1), tets)


def volume(mesh: Mesh):
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return (torch.linalg.cross(a, b) * c).sum() / 6


def test_tetrahedra_fill_the_cube():
    positions, tets = tetrahedra(3)
    a, b, c, d = positions[tets].unbind(1)
    volumes = (torch.linalg.cross(b - a, c - a) * (d - a)).sum(-1) / 6
    assert (volumes > 0).all()
    assert volumes.sum().item() == pytest.approx(8)


@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_a_sphere_is_closed_round_and_turned_outwards(resolution):
    mesh = sphere(resolution)
    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    assert len(torch.unique(edges, dim=0)) == len(edges)
    assert {tuple(x) for x in edges.tolist()} == {tuple(x[::-1]) for x in edges.tolist()}
    assert len(mesh.vertices) - len(edges) // 2 + len(mesh.faces) == 2
    assert volume(mesh).item() == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=1.2 / resolution)
    outward = torch.nn.functional.normalize(mesh.vertices, dim=-1)
    assert (mesh.normals * outward).sum(-1).min() > 0.9


def test_every_case_of_the_table_is_oriented():
    generator = torch.Generator().manual_seed(0)
    positions, tets = tetrahedra(4)
    level = torch.rand(len(positions), generator=generator) - 0.5
    level = torch.where((positions.abs() == 1).any(-1), -1.0, level)
    mesh = isosurface(positions, level, tets)
    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    forward, backward = (sorted(map(tuple, x.tolist())) for x in (edges, edges.flip(1)))
    assert forward == backward
    assert volume(mesh) > 0


def test_nothing_inside_is_an_empty_mesh():
    positions, tets = tetrahedra(4)
    mesh = isosurface(positions, -torch.ones(len(positions)), tets)
    assert mesh.vertices.shape == (0, 3)
    assert mesh.faces.shape == (0, 3)


def test_gradients_agree_with_finite_differences():
    positions, tets = tetrahedra(3)
    positions = positions.double()
    level = (0.5 - positions.norm(dim=-1)).requires_grad_()
    mesh = isosurface(positions, level, tets)
    (slope,) = torch.autograd.grad(volume(mesh), level)
    k = int(slope.abs().argmax())
    ends = []
    for sign in (1, -1):
        moved = level.detach().clone()
        moved[k] += sign * 1e-6
        ends.append(volume(isosurface(positions, moved, tets)))
    assert slope[k].item() == pytest.approx(((ends[0] - ends[1]) / 2e-6).item(), rel=1e-5)
