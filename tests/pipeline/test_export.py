"""Runs become GLB files: read back by trimesh, by hand and by the Khronos validator."""

import io
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from esd_bench.export import Settings, export
from esd_bench.glb import read_extras, write_glb
from esd_bench.spec import Choice
from esd_bench.store import read_run
from esd_bench.stored import stored_scene
from esd_bench.surfaces import colours, surface
from esd_bench.textures import bake, unwrap
from tests.blobs import Blob, ball, two_colours
from tests.pipeline.command import command
from tests.tables.fakes import Runs
from tests.test_textures import bilinear

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("xatlas")

SCENE = Choice.of("scenes", "voxels", {"grids": (6, 12)})
QUICK = ("--resolution", "16", "--texture", "64")
EXTRAS = {"prompt": "a blob"}


def write_blob(path: Path, size: int = 128) -> Path:
    """Red in front, blue behind, and higher than wide: a body and a head."""
    body, head = ball(0.4, (0.0, -0.2, 0.0)), ball(0.25, (0.0, 0.4, 0.0))
    scene = Blob(lambda x: body(x) + head(x), two_colours)
    atlas = unwrap(surface(scene, 32), size)
    write_glb(atlas, bake(atlas, size, lambda p, n: colours(scene, p, n)), path, EXTRAS)
    return path


@pytest.fixture(scope="module")
def blob(tmp_path_factory) -> Path:
    return write_blob(tmp_path_factory.mktemp("blob") / "blob.glb")


def add(root: Path, prompt: str, method: str = "sds", raw: float = 0.0, **how) -> Path:
    """A run whose scene is the initial blob, its raw density shifted."""
    folder = Runs(root).add(prompt, method, changes={"scene": SCENE}, **how)
    state = SCENE.make("scenes", torch.tensor([0])).state_dict()
    state["density.0"] += raw
    save_file(state, folder / "scene.safetensors")
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    add(tmp_path, "a cat")
    add(tmp_path, "a dog", "vsd")
    return tmp_path


def parsed(path: Path) -> tuple[dict, dict[str, np.ndarray], Image.Image]:
    """A GLB as its specification says: JSON, attributes with indices, and the texture."""
    content = path.read_bytes()
    magic, version, length, size = struct.unpack_from("<4sIII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    tree, binary = json.loads(content[20 : 20 + size]), content[28 + size :]

    def view(number: int) -> bytes:
        found = tree["bufferViews"][number]
        start = found.get("byteOffset", 0)
        return binary[start : start + found["byteLength"]]

    def array(number: int) -> np.ndarray:
        found = tree["accessors"][number]
        kind = {5126: np.float32, 5125: np.uint32, 5123: np.uint16}[found["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[found["type"]]
        start = found.get("byteOffset", 0)
        values = np.frombuffer(view(found["bufferView"])[start:], kind)
        return values[: found["count"] * width].reshape(-1, width)

    (primitive,) = tree["meshes"][0]["primitives"]
    arrays = {name: array(number) for name, number in primitive["attributes"].items()}
    arrays["faces"] = array(primitive["indices"]).reshape(-1, 3)
    return tree, arrays, Image.open(io.BytesIO(view(tree["images"][0]["bufferView"])))


def test_it_opens_in_trimesh(blob):
    scene = trimesh.load(blob)
    (mesh,) = scene.geometry.values()
    welded = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
    welded.merge_vertices(merge_tex=True, merge_norm=True)
    assert welded.is_watertight
    assert welded.euler_number == 2
    assert welded.volume > 0
    np.testing.assert_allclose(scene.bounds, [[-0.4, -0.6, -0.4], [0.4, 0.65, 0.4]], atol=2 / 32)
    material = mesh.visual.material
    assert (material.metallicFactor, material.roughnessFactor) == (0.0, 1.0)
    assert not material.doubleSided
    assert material.baseColorTexture.size == (128, 128)
    seen = mesh.visual.to_color().vertex_colors[:, :3] / 255
    right = two_colours(torch.tensor(np.array(mesh.vertices))).numpy()
    clear = np.abs(mesh.vertices[:, 2]) > 0.05
    assert np.abs(seen - right)[clear].max() < 0.02


def test_it_says_what_it_should_read_by_hand(blob):
    tree, arrays, texture = parsed(blob)
    points, faces = arrays["POSITION"], arrays["faces"]
    a, b, c = (points[faces[:, i]] for i in range(3))
    normals, middle = np.cross(b - a, c - a), (a + b + c) / 3
    uv = arrays["TEXCOORD_0"][faces].mean(1)
    seen = bilinear(np.asarray(texture.convert("RGB")), uv) / 255
    front = (normals[:, 2] > 0) & (middle[:, 2] > 0.1)
    back = (normals[:, 2] < 0) & (middle[:, 2] < -0.1)
    assert front.sum() > 200
    assert np.abs(seen[front] - [0.9, 0.1, 0.0]).max() < 0.02
    assert np.abs(seen[back] - [0.0, 0.2, 0.8]).max() < 0.02
    np.testing.assert_allclose(np.linalg.norm(arrays["NORMAL"], axis=1), 1, atol=1e-5)
    assert ((arrays["NORMAL"][faces[:, 0]] * normals).sum(1) > 0).mean() > 0.99  # but in a crease
    # No node turns it: front is +z and up +y as glTF has them.
    assert all(
        np.allclose(node.get("matrix", np.eye(4).T.ravel()), np.eye(4).ravel())
        for node in tree["nodes"]
    )
    assert tree["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [1, 1, 1, 1]


def test_equal_scenes_give_equal_bytes(blob, tmp_path):
    assert write_blob(tmp_path / "again.glb").read_bytes() == blob.read_bytes()


def test_extras_are_read_back_and_nothing_else_is_taken_for_them(blob, tmp_path):
    assert read_extras(blob) == EXTRAS
    for content in (b"", b"glTF", blob.read_bytes()[:300], bytes(64)):
        (tmp_path / "broken.glb").write_bytes(content)
        assert read_extras(tmp_path / "broken.glb") == {}
    assert read_extras(tmp_path / "none.glb") == {}


def test_runs_are_exported_once_for_each_way(root):
    said = command("export", root, *QUICK)
    assert (said.code, said.err) == (0, "")
    assert "2 exported, 0 kept, 0 without" in said.out
    files = sorted(root.glob("*/*/*/asset.glb"))
    before = [path.read_bytes() for path in files]
    assert "0 exported, 2 kept" in command("export", root, *QUICK).out
    assert "2 exported, 0 kept" in command("export", root, *QUICK, "--again").out
    assert [path.read_bytes() for path in files] == before
    files[0].write_bytes(before[0][:99])
    assert "1 exported, 1 kept" in command("export", root, *QUICK).out
    finer = command("export", root, "--resolution", "20", "--texture", "64", "--only", "method=vsd")
    assert "1 exported, 0 kept" in finer.out
    told = read_extras(files[1])
    assert told["prompt"] == "a dog"
    assert told["export"] == {"resolution": 20, "texture": 64, "version": 2}


def test_a_scene_comes_back_as_it_was_stored(root):
    run = read_run(next(root.glob("*/*/*/record.json")).parent)
    (mesh,) = trimesh.load(_exported(root)).geometry.values()
    again = surface(stored_scene(run), 16).vertices.numpy()
    np.testing.assert_allclose(mesh.bounds, [again.min(0), again.max(0)], atol=1e-6)
    # The initial blob: raw density 8 (1 - r / 0.55), so about 0.6 wide, all round.
    np.testing.assert_allclose(mesh.extents / 2, 0.6, atol=0.1)


def _exported(root: Path) -> Path:
    return export(root, settings=Settings(16, 64)).made[0]


def test_what_has_no_surface_is_passed_over_and_named(root):
    empty = add(root, "nothing", raw=-30.0)
    lost = add(root, "lost")
    (lost / "scene.safetensors").unlink()
    add(root, "broken by NaN", reason="not finite")
    said = command("export", root, *QUICK)
    assert said.code == 0
    assert "2 exported, 0 kept, 2 without" in said.out
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert f"not exported: {lost}: cannot read" in lines[0]
    assert f"not exported: {empty}: no surface: the asset is empty" in lines[1]
    assert not (empty / "asset.glb").exists()
    none = command("export", root, *QUICK, "--only", "prompt=nothing")
    assert none.code == 2
    assert "0 exported, 0 kept, 1 without" in none.out


@pytest.mark.parametrize("words", [("--only", "prompt=none"), ("--only", "x"), ("--texture", "1")])
def test_what_cannot_be_done_is_one_line(root, words):
    said = command("export", root, *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("package", ["trimesh", "xatlas"])
def test_without_a_package_the_extra_is_named(package, root, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    said = command("export", root)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert package in said.err
    assert 'pip install "esd-bench[mesh]"' in said.err


@pytest.fixture(scope="module")
def validator() -> list[str]:
    """The command of the Khronos validator; the test is skipped where node or the npm package is absent."""
    node = shutil.which("node") or pytest.skip("node is not installed")
    script = Path(__file__).parents[1] / "gltf_validator.cjs"
    if subprocess.run([node, script], capture_output=True, check=False).returncode:
        pytest.skip("gltf-validator is not installed (npm; NODE_PATH names its node_modules)")
    return [node, str(script)]


def test_the_khronos_validator_has_nothing_to_say(validator, blob, root):
    files = [blob, *export(root, settings=Settings(16, 64)).made]
    done = subprocess.run([*validator, *files], capture_output=True, text=True, check=True)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == 3
    for report in reports:
        assert report["issues"]["messages"] == []
        assert report["info"]["version"] == "2.0"
        assert report["info"]["hasTextures"]
