"""Rasterised meshes with antialiased silhouettes: in plain torch anywhere, by nvdiffrast where it is installed."""

from functools import partial
from importlib.util import find_spec
from typing import Literal

import torch

from esd_bench.cameras import Cameras
from esd_bench.meshes import Mesh
from esd_bench.renderers import Fragments, Rasteriser
from esd_bench.renderers._silhouette import smooth
from esd_bench.renderers._zbuffer import points, project, visible


def raster(backend: Literal["auto", "torch", "nvdiffrast"] = "auto") -> Rasteriser:
    """What every pixel sees of a mesh, the nearest face first, seen from either side.

    On a CPU the same bits in every run and on any number of threads; of two faces at one depth the first is seen.

    Args:
        backend: ``auto`` is nvdiffrast for float32 meshes on a GPU where it is installed, and else torch.

    Raises:
        ImportError: for nvdiffrast where it is not installed.
    """
    if backend == "nvdiffrast" and find_spec("nvdiffrast") is None:
        raise ImportError("nvdiffrast is not installed (it is not on PyPI); use torch or auto")

    def rasterise(mesh: Mesh, cameras: Cameras) -> Fragments:
        fast = mesh.vertices.is_cuda and mesh.vertices.dtype == torch.float32
        if backend == "nvdiffrast" or (backend == "auto" and fast and find_spec("nvdiffrast")):
            from esd_bench.renderers._nvdiffrast import rasterise as by_nvdiffrast

            return by_nvdiffrast(mesh, cameras)
        q = project(mesh.vertices, cameras)
        face = visible(q.detach(), mesh.faces, cameras)
        weights, depth = points(q, mesh.faces, face, cameras)
        edged = partial(smooth, q=q, faces=mesh.faces, face=face, depth=depth, cameras=cameras)
        return Fragments(face, weights, depth, edged)

    return rasterise
