"""Other renderers against ours: the same pictures away from edges, the same silhouettes to a pixel, and named in the record."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import max_pool2d

from esd_bench.adapters import _gsplat, _moderngl
from esd_bench.adapters.gltf import gltf
from esd_bench.adapters.splats import splats
from esd_bench.cameras import Cameras, sphere
from esd_bench.ingest import Settings, ingest, of_path
from esd_bench.stored import views_of
from tests.adapters.meshes import Gltf, cube, cube_gltf, cube_stl
from tests.adapters.splat_files import random_rows, write_ply
from tests.adapters.test_gltf import QUAD, TWO, UV
from tests.pipeline.command import command

QUICK = {"views": ("sphere:6", "ring:15:4"), "size": 32}


@pytest.fixture(scope="module")
def opengl() -> str:
    """What OpenGL draws with; the test is skipped where it can't."""
    pytest.importorskip("moderngl")
    try:
        return _moderngl.ready()
    except OSError as error:
        pytest.skip(str(error))


def round_it(asset, count=5, size=96) -> Cameras:
    """Cameras round an asset in its own axes and units."""
    centre = asset.points.mean(0)
    cameras = sphere(count, size)
    cameras.c2w[:, :3, 3] *= float((asset.points - centre).norm(dim=1).max())
    cameras.c2w[:, :3, 3] += centre
    return cameras


def textured(wrap: int) -> Gltf:
    """A quad with a texture that goes beyond its edges, in linear light with a factor and colours of corners."""
    made = Gltf()
    # Smooth, or a sample that falls to another texel would be as far off as any.
    wave = np.sin(np.linspace(0.2, 2.2, 16))
    pixels = np.stack([np.outer(wave, 1 - wave), *[np.outer(1 - wave, wave)] * 2], -1) * 255 + 0.5
    material = made.texture(pixels.astype(np.uint8), wrapS=wrap, wrapT=wrap)
    made.tree["materials"][material]["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 1, 0.8, 1]
    colour = made.array(np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1], [1, 1, 1]]))
    uv = made.array(UV * 3.3 - 1.7)
    made.part(QUAD, TWO, {"TEXCOORD_0": uv, "COLOR_0": colour}, material=material)
    return made


def coloured() -> Gltf:
    """The cube with a colour of its own at every corner, and one side larger than the rest."""
    vertices, faces, _ = cube()
    made = Gltf()
    colour = np.random.default_rng(0).random((len(vertices), 4))
    made.part(vertices * [1, 2, 0.5], faces, {"COLOR_0": made.array(colour)})
    return made


def cut_out(mode: str = "MASK") -> Gltf:
    """A quad with holes before a plain one."""
    made = Gltf()
    pixels = np.full((8, 8, 4), [250, 120, 0, 255], np.uint8)
    pixels[2:5, 3:7, 3] = 0
    material = made.texture(pixels, {"alphaMode": mode, "alphaCutoff": 0.4})
    made.part(QUAD + np.array([0, 0, 0.3]), TWO, {"TEXCOORD_0": made.array(UV)}, material=material)
    made.part(QUAD, TWO, material=made.plain([0, 0.2, 1, 1]))
    return made


def pyvista(folder: Path) -> Path:
    known = importlib.util.find_spec("pyvista")
    if known is None or known.origin is None:
        pytest.skip("pyvista, whose file this is, is not installed")
    return Path(known.origin).parent / "examples" / "airplane.ply"


CASES = {
    "cube": lambda d: cube_gltf().save(d / "a.glb"),
    "bare": lambda d: cube_stl(d / "a.stl"),
    "repeat": lambda d: textured(10497).save(d / "a.glb"),
    "mirror": lambda d: textured(33648).save(d / "a.glb"),
    "clamp": lambda d: textured(33071).save(d / "a.glb"),
    "corners": lambda d: coloured().save(d / "a.glb"),
    "cut out": lambda d: cut_out().save(d / "a.glb"),
    "pyvista": pyvista,
}


def read(path: Path, **options: str):
    from esd_bench import plugins

    return plugins.load("adapters", {"glb": "gltf"}.get(path.suffix[1:], path.suffix[1:]))(
        path, **options
    )


def flat(rgba: torch.Tensor) -> torch.Tensor:
    """Pixels whose neighbours look as they do, but for a slow change."""
    x = rgba.float()
    return (max_pool2d(x, 3, 1, 1) + max_pool2d(-x, 3, 1, 1)).amax(1) < 48


@pytest.mark.parametrize("name", CASES)
def test_opengl_draws_what_torch_draws(tmp_path, opengl, name):
    pytest.importorskip("trimesh")
    path = CASES[name](tmp_path)
    ours, theirs = read(path), read(path, renderer="moderngl")
    assert (ours.facts["renderer"], theirs.facts["renderer"]) == ("torch", opengl)
    cameras = round_it(ours)
    one, other = ours.look(cameras), theirs.look(cameras)
    apart = (one.int() - other.int()).abs()
    inside = flat(one) & (one[:, 3] == 255)
    assert inside.float().mean() > 0.02
    found = apart.permute(0, 2, 3, 1)[inside].float()
    assert found.mean() < 0.5, "levels of 255"
    assert (found.amax(1) > 2).float().mean() < 0.002
    there, here = (x[:, 3:].float() / 255 for x in (one, other))
    # To a pixel: what is full or empty with all neighbours is so in the other.
    assert (here[-max_pool2d(-there, 3, 1, 1) == 1] == 1).all()
    assert (here[max_pool2d(there, 3, 1, 1) == 0] == 0).all()
    assert (there - here).abs().mean() < 1e-3


def test_far_from_the_origin_and_reaching_behind_the_camera(tmp_path, opengl):
    """A crumb behind the camera is drawn by neither, and costs OpenGL no depth."""
    made = cube_gltf()
    made.part(QUAD + np.array([0, 0, 40]), TWO, material=made.plain([1, 1, 1, 1]))
    reaching = np.array([[0, 0, -3], [1, 0, -3], [0, 0, 60]])
    made.part(reaching, [[0, 1, 2]], material=made.plain([1, 1, 1, 1]))
    made.tree["nodes"][0]["translation"] = [3000.0, 0, 0]
    path = made.save(tmp_path / "a.glb")
    cameras = sphere(5, 96, distance=6.0)
    cameras.c2w[:, 0, 3] += 3000
    one, other = (gltf(path, renderer=x).look(cameras).int() for x in ("torch", "moderngl"))
    assert (one[:, 3] > 0).any(2).any(1).all()
    assert ((one - other).abs().amax(1) > 2).float().mean() < 0.01


def test_two_meshes_in_turns_and_sizes(tmp_path, opengl):
    """What is kept between pictures belongs to one mesh and one size."""
    paths = [cube_gltf().save(tmp_path / "a.glb"), coloured().save(tmp_path / "b.glb")]
    assets = [gltf(path, renderer="moderngl") for path in paths]
    first = [x.look(round_it(x, 2, 64)) for x in assets]
    assets[0].look(round_it(assets[0], 2, 40))
    again = [x.look(round_it(x, 2, 64)) for x in assets]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(*first)


def test_translucent_meshes_and_huge_textures_are_torch_s(tmp_path, opengl, monkeypatch):
    path = cut_out("BLEND").save(tmp_path / "a.glb")
    asset, ours = gltf(path, renderer="moderngl"), gltf(path)
    assert asset.facts["renderer"] == "torch, because a material is translucent"
    assert torch.equal(asset.look(round_it(ours, 2, 48)), ours.look(round_it(ours, 2, 48)))
    context = types.SimpleNamespace(info={"GL_MAX_TEXTURE_SIZE": 4})
    monkeypatch.setattr(_moderngl, "_context", lambda: context)
    monkeypatch.setattr(_moderngl, "ready", lambda: "it")
    path = cut_out().save(tmp_path / "b.glb")
    assert "larger than 4" in gltf(path, renderer="moderngl").facts["renderer"]


def test_the_run_says_who_drew_it(tmp_path, runs, opengl):
    cube_ = cube_gltf().save(tmp_path / "cube.glb")
    splat = write_ply(tmp_path / "splat.ply", random_rows(20, 1))

    def one(path, suite, renderer):
        asked = {} if renderer == "torch" else {"renderer": renderer}
        settings = Settings(**QUICK, options=asked, suite=suite)
        summary = ingest(of_path(path, "mine", path.stem, 0), runs, settings)
        (run,) = summary.made
        return run, summary.replaced

    (ours, _), (theirs, _) = one(cube_, "a", "torch"), one(cube_, "b", "moderngl")
    assert (ours.record.source["renderer"], theirs.record.source["renderer"]) == ("torch", opengl)
    assert theirs.record.source["options"] == {"renderer": "moderngl"}
    assert ours.record.source["request"] != theirs.record.source["request"]
    assert (ours.spec.scene.get("renderer"), theirs.spec.scene.get("renderer")) == (
        None,
        "moderngl",
    )
    near = (views_of(ours, "sphere:6").rgba.int() - views_of(theirs, "sphere:6").rgba).abs()
    assert near.float().mean() < 0.5
    # In one suite the other takes its place and has another id; torch draws splats, and they are marked alike.
    other, replaced = one(cube_, "a", "moderngl")
    assert (replaced, other.id != ours.id) == (1, True)
    assert not ours.folder.exists()
    drawn, _ = one(splat, "a", "moderngl")
    assert drawn.record.source["renderer"] == "torch"
    assert drawn.spec.scene.get("renderer") == "moderngl"


def test_renderers_do_not_share_a_column(tmp_path, monkeypatch, opengl):
    monkeypatch.chdir(tmp_path)
    path = cube_gltf().save(tmp_path / "cube.glb")
    words = ("--prompt", "a cube", "--views", "sphere:6", "--size", "64")
    assert command("ingest", path, "-m", "one", *words).code == 0
    assert command("ingest", path, "-m", "other", *words, "--renderer", "moderngl").code == 0
    assert command("score", "runs", "--metric", "inception", "--device", "cpu").code == 0
    said = command("report", "runs", "--table", "overview")
    assert (said.code, "can't be compared" in said.err) == (2, True), said


# ---- where they can't draw -----------------------------------------------------------------------------------------


def refused(tmp_path, renderer: str) -> str:
    path = cube_gltf().save(tmp_path / "a.glb")
    said = command("ingest", path, "-m", "mine", "-o", tmp_path / "runs", "--renderer", renderer)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    return said.err


@pytest.mark.parametrize(("renderer", "fix"), [("moderngl", "esd-bench[gl]"), ("gsplat", "gsplat")])
def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, renderer, fix):
    monkeypatch.setitem(sys.modules, renderer, None)
    monkeypatch.setattr(_moderngl, "_context", _moderngl._context.__wrapped__)
    said = refused(tmp_path, renderer)
    assert "pip install" in said
    assert fix in said
    assert "--renderer torch" in said


def test_without_a_device_one_line_says_what_to_do(tmp_path, monkeypatch):
    def nothing(**how):
        raise Exception(f"{how['libegl']} not loaded")

    fake = types.SimpleNamespace(create_standalone_context=nothing)
    monkeypatch.setitem(sys.modules, "moderngl", fake)
    monkeypatch.setattr(_moderngl, "_context", _moderngl._context.__wrapped__)
    said = refused(tmp_path, "moderngl")
    assert "libEGL.so.1 not loaded" in said
    assert "libegl1" in said
    assert "--renderer torch" in said


def test_gsplat_wants_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gsplat", types.SimpleNamespace(__version__="1"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "CUDA" in refused(tmp_path, "gsplat")


def test_another_renderer_is_unknown(tmp_path):
    assert "torch, moderngl, gsplat" in refused(tmp_path, "blender")


@pytest.mark.gpu
def test_gsplat_draws_what_torch_draws(tmp_path):
    pytest.importorskip("gsplat")
    path = write_ply(tmp_path / "a.ply", random_rows(200, 2))
    ours, theirs = splats(path), splats(path, renderer="gsplat")
    assert theirs.facts["renderer"] == _gsplat.ready()
    cameras = round_it(ours, 4, 64)
    one, other = ours.look(cameras).float(), theirs.look(cameras).float()
    assert one[:, 3].max() > 100
    # Theirs end at about three standard deviations, where 1 % of the opacity is left.
    assert (one[:, 3] - other[:, 3]).abs().max() < 12
    seen = (one[:, 3] > 64)[:, None].expand(-1, 3, -1, -1)
    assert (one[:, :3] - other[:, :3])[seen].abs().mean() < 2
