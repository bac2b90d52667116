"""glTF: known pictures, and trimesh's reading as the other opinion."""

import base64
import json

import numpy as np
import pytest
import torch

from esd_bench.adapters import Refused
from esd_bench.adapters import _gltf as tree_of
from esd_bench.adapters._files import Folder
from esd_bench.adapters.gltf import gltf, reads
from esd_bench.cameras import orbit, sphere
from tests.adapters.meshes import SIDES, Gltf, cube, cube_gltf, srgb_to_linear

trimesh = pytest.importorskip("trimesh")

FRONT = orbit(torch.zeros(1), torch.zeros(1), 8.0, 0.5, 64)
QUAD = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
TWO = [[0, 1, 2], [0, 2, 3]]
UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float)  # the texture upright, seen from +z


def shot(path, cameras=FRONT):
    """(n, h, w, 4) bytes."""
    return gltf(path).look(cameras).permute(0, 2, 3, 1)


def middle(path, cameras=FRONT):
    picture = shot(path, cameras)
    return picture[:, picture.shape[1] // 2, picture.shape[2] // 2].tolist()


def as_bytes(colour):
    return [int(x * 255 + 0.5) for x in colour]


def quad(tmp_path, made: Gltf, material, **attributes):
    made.part(QUAD, TWO, attributes, **({} if material is None else {"material": material}))
    return made.save(tmp_path / "quad.glb")


@pytest.mark.parametrize(
    ("side", "azimuth", "elevation"),
    [
        ("front", 0, 0),
        ("right", 90, 0),
        ("back", 180, 0),
        ("left", -90, 0),
        ("top", 0, 90),
        ("bottom", 0, -90),
    ],
)
def test_each_side_of_the_cube_is_seen_from_where_it_is(tmp_path, side, azimuth, elevation):
    angles = (torch.deg2rad(torch.tensor([float(x)])) for x in (azimuth, elevation))
    found = middle(cube_gltf().save(tmp_path / "cube.glb"), orbit(*angles, 8.0, 0.5, 64))[0]
    assert found == pytest.approx([*as_bytes(SIDES[side][1]), 255], abs=1)


def test_a_texture_is_seen_as_it_is_stored(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    made = Gltf()
    path = quad(tmp_path, made, made.texture(pixels), TEXCOORD_0=made.array(UV))
    # The quad fills the picture: 2 high at distance 8 and that angle; a texel is 16 pixels wide.
    camera = orbit(torch.zeros(1), torch.zeros(1), 8.0, 2 * float(np.arctan(1 / 8)), 128)
    picture = shot(path, camera)[0].numpy()
    inner = picture.reshape(8, 16, 8, 16, 4)[:, 7:9, :, 7:9].astype(float).mean((1, 3))
    assert (
        np.abs(inner[..., :3] - pixels).max() < 18
    )  # bilinear, half a pixel from a texel's middle
    assert (picture[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("mode", "expected"), [(10497, [40, 200]), (33648, [200, 40]), (33071, [200, 200])]
)
def test_a_texture_goes_on_as_its_sampler_says(tmp_path, mode, expected):
    pixels = np.array([[[40] * 3, [200] * 3]], np.uint8)  # left dark, right light
    made = Gltf()
    texture = made.texture(pixels, wrapS=mode, wrapT=33071)
    uv = UV * [2, 1] + [0.5, 0]  # from the middle of the first picture to that of the third
    path = quad(tmp_path, made, texture, TEXCOORD_0=made.array(uv))
    row = shot(path)[0, 32, :, 0].tolist()
    width = 32 / 8 / np.tan(0.25)  # of a picture of the texture in pixels
    seen = [row[int(32 + (u - 1.5) * width)] for u in (0.75, 1.25, 1.75)]
    assert seen == pytest.approx([200, *expected], abs=16)


def test_factor_texture_and_vertex_colours_multiply_in_linear_light(tmp_path):
    made = Gltf()
    material = made.texture(np.full((1, 1, 3), 188, np.uint8))
    made.tree["materials"][material]["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 1, 1, 1]
    colour = made.array(np.tile([0.5, 0.5, 1.0], (4, 1)))
    path = quad(tmp_path, made, material, TEXCOORD_0=made.array(UV), COLOR_0=colour)
    light = srgb_to_linear(np.array([188 / 255] * 3)) * [0.25, 0.5, 1]
    expected = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert middle(path)[0] == pytest.approx([*(expected * 255), 255], abs=1)


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_normalised_integers(tmp_path, kind):
    made, top = Gltf(), np.iinfo(kind).max
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)[..., None].repeat(3, -1) * 16
    material = made.texture(pixels)
    floats = quad(tmp_path, made, material, TEXCOORD_0=made.array(UV))
    expected = shot(floats)
    made = Gltf()
    whole = made.array((UV * top).astype(int), kind, normalized=True)
    path = quad(tmp_path, made, made.texture(pixels), TEXCOORD_0=whole)
    assert torch.equal(shot(path), expected)


def test_sparse_accessors(tmp_path):
    made = Gltf()
    made.part(np.zeros((4, 3)), TWO)
    rows = {"count": 4, "indices": {"bufferView": 0, "componentType": 5121}, "values": {}}
    rows["indices"]["bufferView"] = made.view(bytes([0, 1, 2, 3]))
    rows["values"]["bufferView"] = made.view(QUAD.astype("<f4").tobytes())
    made.tree["accessors"][0]["sparse"] = rows
    path = made.save(tmp_path / "sparse.glb")
    assert middle(path)[0][3] == 255
    del made.tree["accessors"][0]["bufferView"]
    assert middle(made.save(path))[0][3] == 255


@pytest.mark.parametrize(
    ("mode", "order"), [(5, [0, 1, 3, 2]), (6, [0, 1, 2, 3]), (4, [0, 1, 2, 0, 2, 3])]
)
def test_strips_and_fans(tmp_path, mode, order):
    made = Gltf()
    made.part(QUAD, np.array(order), mode=mode)
    assert (shot(made.save(tmp_path / "a.glb"))[0, 20:44, 20:44, 3] == 255).all()


def test_cut_out_and_translucent_faces_show_what_is_behind(tmp_path):
    for mode, alpha, expected in (
        ("MASK", 100, [0, 0, 255]),
        ("MASK", 200, [255, 0, 0]),
        ("BLEND", 51, [51, 0, 204]),
        ("OPAQUE", 51, [255, 0, 0]),
    ):
        made = Gltf()
        pixels = np.tile(np.array([255, 0, 0, alpha], np.uint8), (1, 1, 1))
        before = made.texture(pixels, {"alphaMode": mode})
        made.part(
            QUAD + np.array([0, 0, 0.2]), TWO, {"TEXCOORD_0": made.array(UV)}, material=before
        )
        made.part(QUAD, TWO, material=made.plain([0, 0, 1, 1]))
        assert middle(made.save(tmp_path / "a.glb"))[0] == pytest.approx([*expected, 255], abs=1)


def test_a_translucent_face_alone_is_translucent(tmp_path):
    made = Gltf()
    path = quad(tmp_path, made, made.plain([1, 0, 0, 0.4], alphaMode="BLEND"))
    assert middle(path)[0] == [255, 0, 0, 102]


def test_texture_transform_moves_the_texture(tmp_path):
    pixels = np.array([[[10] * 3, [200] * 3]], np.uint8)
    made = Gltf()
    material = made.texture(pixels, magFilter=9728)
    texture = made.tree["materials"][material]["pbrMetallicRoughness"]["baseColorTexture"]
    texture["extensions"] = {"KHR_texture_transform": {"offset": [0.75, 0], "scale": [0, 1]}}
    assert middle(quad(tmp_path, made, material, TEXCOORD_0=made.array(UV)))[0][0] == 200


def test_nodes_lie_where_trimesh_puts_them(tmp_path):
    made = cube_gltf()
    turn = [0.1, 0.5, -0.2, 0.8]
    made.tree["nodes"] = [
        {"children": [1, 2], "translation": [1, 2, 3], "rotation": turn, "scale": [1, 2, 0.5]},
        {"mesh": 0, "scale": [2, 1, 1]},
        {"children": [3], "matrix": [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 5, 0, -5, 1]},
        {"mesh": 0, "rotation": [0, 0.6, 0, 0.8]},
    ]
    norm = np.linalg.norm(turn)
    made.tree["nodes"][0]["rotation"] = [x / norm for x in turn]
    path = made.save(tmp_path / "tree.glb")
    theirs = trimesh.load_scene(path).to_mesh()
    ours = gltf(path)
    np.testing.assert_allclose(
        [ours.points.amin(0), ours.points.amax(0)], theirs.bounds, atol=0.05 * theirs.scale
    )
    tree, _ = tree_of.parse(path.read_bytes())
    matrices = [m for i, m in tree_of.placed(tree) if "mesh" in tree["nodes"][i]]
    scene = trimesh.load_scene(path).graph
    expected = {tuple(np.round(scene.get(n)[0], 5).ravel()) for n in scene.nodes_geometry}
    assert {tuple(np.round(m, 5).ravel()) for m in matrices} == expected
    assert ours.facts["faces"] == len(theirs.faces) == 24


def test_what_trimesh_writes_is_read(tmp_path):
    mesh = trimesh.creation.icosphere(subdivisions=2)
    scene = trimesh.Scene()
    for place in (0.0, 3.0):
        moved = trimesh.transformations.translation_matrix([place, 0, 0])
        scene.add_geometry(mesh, transform=moved)
    scene.export(tmp_path / "two.glb")
    found = gltf(tmp_path / "two.glb")
    assert found.facts["faces"] == 640
    expected = [[-1, -1, -1], [4, 1, 1]]
    np.testing.assert_allclose([found.points.amin(0), found.points.amax(0)], expected, atol=0.05)


def test_gltf_with_files_beside_it_and_data_uris(tmp_path):
    made = cube_gltf()
    expected = middle(made.save(tmp_path / "cube.glb"))
    for uri in (
        "my%20bytes.bin",
        "data:application/octet-stream;base64," + base64.b64encode(made.binary).decode(),
    ):
        (tmp_path / "my bytes.bin").write_bytes(made.binary)
        made.tree["buffers"][0]["uri"] = uri
        path = tmp_path / "cube.gltf"
        path.write_text(json.dumps(made.tree))
        assert reads(path)
        assert middle(path) == expected
        beside = [] if uri.startswith("data:") else ["my bytes.bin"]
        assert list(gltf(path).facts["files"]) == beside


def test_threads_change_no_bit(tmp_path):
    made = Gltf()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    ball = trimesh.creation.icosphere(subdivisions=3)
    uv = made.array(ball.vertices[:, :2] * 3)
    made.part(ball.vertices, ball.faces, {"TEXCOORD_0": uv}, material=made.texture(pixels))
    asset = gltf(made.save(tmp_path / "ball.glb"))
    camera = orbit(torch.tensor([0.3]), torch.tensor([0.2]), 3.0, 0.9, 160)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            found.append(asset.look(camera))
        finally:
            torch.set_num_threads(1)
    assert torch.equal(*found)
    assert found[0][0, 3].float().mean() > 60


def test_a_mesh_without_colours_is_lit_from_the_camera(tmp_path):
    made = Gltf()
    ball = trimesh.creation.icosphere(subdivisions=3)
    made.part(ball.vertices, ball.faces)
    asset = gltf(made.save(tmp_path / "ball.glb"))
    picture = asset.look(orbit(torch.zeros(1), torch.zeros(1), 3.0, 0.8, 64))[0]
    assert "camera" in asset.facts["light"]
    assert picture[0, 32, 32] > picture[0, 32, 8] + 60
    assert picture[3, 32, 8] == 255


def test_far_from_its_origin_it_looks_the_same(tmp_path):
    made = cube_gltf()
    near = middle(made.save(tmp_path / "a.glb"))
    made.tree["nodes"][0]["translation"] = [1e7, 0, -1e7]
    asset = gltf(made.save(tmp_path / "a.glb"))
    camera = orbit(torch.zeros(1, dtype=torch.float64), torch.zeros(1), 8.0, 0.5, 64)
    camera.c2w[:, :3, 3] += torch.tensor([1e7, 0, -1e7], dtype=torch.float64)
    assert asset.look(camera).permute(0, 2, 3, 1)[:, 32, 32].tolist() == near


BROKEN = {
    "cut off": lambda m: m.glb[: len(m.glb) * 2 // 3],
    "no JSON": lambda m: m.glb[:20] + b"}" + m.glb[21:],
    "not glTF": lambda m: b"<html>",
    "empty": lambda m: b"",
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_files_are_one_line(tmp_path, how):
    path = tmp_path / "a.glb"
    path.write_bytes(BROKEN[how](cube_gltf()))
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        gltf(path)


def spoiled(change) -> Gltf:
    made = cube_gltf()
    change(made.tree)
    return made


def first(tree):
    return tree["meshes"][0]["primitives"][0]


WRONG = {
    "a face names a vertex": lambda t: t["accessors"].__setitem__(
        1, {**t["accessors"][1], "bufferView": 0, "componentType": 5125, "count": 3}
    ),
    "beyond its bytes": lambda t: t["accessors"][0].update(count=10**6),
    "beyond its buffer": lambda t: t["bufferViews"][0].update(byteLength=10**6),
    "no accessors number 99": lambda t: first(t)["attributes"].update(POSITION=99),
    "no triangles": lambda t: t["nodes"].__setitem__(0, {}),
    "nodes hold themselves": lambda t: t["nodes"][0].update(children=[0]),
    "is not 3 numbers": lambda t: t["nodes"][0].update(scale=["a", 1, 1]),
    "no face has an area": lambda t: t["nodes"][0].update(scale=[0, 0, 0]),
    "alphaMode": lambda t: t["materials"][0].update(alphaMode="x" * 500),
    "leaves its folder": lambda t: t["buffers"][0].update(uri="../secret.bin"),
    "no path beside it": lambda t: t["buffers"][0].update(uri="/etc/passwd"),
    "nothing is fetched": lambda t: t["buffers"][0].update(uri="https://example.org/a.bin"),
    "not there": lambda t: t["buffers"][0].update(uri="absent.bin"),
    "not base64": lambda t: t["buffers"][0].update(uri="data:;base64,%%%"),
}


@pytest.mark.parametrize("said", WRONG)
def test_wrong_files_are_one_line_that_says_why(tmp_path, said):
    path = spoiled(WRONG[said]).save(tmp_path / "a.glb")
    with pytest.raises(ValueError, match=said) as caught:
        gltf(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert not isinstance(caught.value, Refused)


LIMITS = {
    "max_faces": ({"max_faces": 11}, lambda t: None),
    "max_bytes": ({"max_bytes": 100}, lambda t: None),
    "extension": ({}, lambda t: t.update(extensionsRequired=["EXT_meshopt_compression"])),
    "Draco": ({}, lambda t: first(t).update(extensions={"KHR_draco_mesh_compression": {}})),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_too_much_is_refused_and_says_which_option_allows_it(tmp_path, name):
    options, change = LIMITS[name]
    path = spoiled(change).save(tmp_path / "a.glb")
    with pytest.raises(Refused, match=name):
        gltf(path, **options)


def test_textures_are_measured_before_they_are_decoded(tmp_path):
    made = Gltf()
    path = quad(
        tmp_path, made, made.texture(np.zeros((64, 64, 3), np.uint8)), TEXCOORD_0=made.array(UV)
    )
    assert gltf(path, max_pixels=4096).facts["textures"] == 1
    with pytest.raises(Refused, match="max_pixels"):
        gltf(path, max_pixels=4095)


def test_a_mesh_in_very_many_places_is_refused(tmp_path):
    made = cube_gltf()
    made.tree["nodes"] = [{"mesh": 0}] * 2000
    made.tree["scenes"][0]["nodes"] = list(range(2000))
    with pytest.raises(Refused, match="max_faces"):
        gltf(made.save(tmp_path / "a.glb"), max_faces=20000)


def test_links_that_leave_the_folder_are_refused(tmp_path):
    made = cube_gltf()
    (tmp_path / "secret.bin").write_bytes(made.binary)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.bin").symlink_to(tmp_path / "secret.bin")
    made.tree["buffers"][0]["uri"] = "link.bin"
    with pytest.raises(ValueError, match="leaves its folder"):
        gltf(made.save(inside / "a.glb"))
    with pytest.raises(ValueError, match="leaves its folder"):
        Folder(inside / "a.glb")["%2e%2e/secret.bin"]


def test_what_a_file_names_again_and_again_is_counted_again_and_again(tmp_path):
    """A small file would else take any memory, or any time, by naming a large one often enough."""
    made = cube_gltf()
    (tmp_path / "all.bin").write_bytes(made.binary)
    size = len(made.binary)
    made.tree["buffers"] = [
        {"uri": "all.bin", "byteLength": size} for _ in made.tree["bufferViews"]
    ]
    for number, view in enumerate(made.tree["bufferViews"]):
        view["buffer"] = number
    made.binary = b""
    path = made.save(tmp_path / "a.glb")
    times = len(made.tree["buffers"])
    limit = max(times * size, path.stat().st_size)
    assert gltf(path, max_bytes=limit).facts["faces"] == 12
    (tmp_path / "all.bin").write_bytes(bytes(limit // times + 1))
    with pytest.raises(Refused, match="max_bytes"):
        gltf(path, max_bytes=limit)


def test_a_sparse_accessor_has_no_more_entries_than_the_accessor(tmp_path):
    made = cube_gltf()
    place = made.view(np.zeros(99, "<u2").tobytes())
    values = made.view(np.zeros(297, "<f4").tobytes())
    made.tree["accessors"][made.tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"]][
        "sparse"
    ] = {
        "count": 99,
        "indices": {"bufferView": place, "componentType": 5123},
        "values": {"bufferView": values},
    }
    with pytest.raises(ValueError, match="more entries than"):
        gltf(made.save(tmp_path / "a.glb"))


def test_white_corners_are_no_colour(tmp_path):
    """They would be a white shadow on a white background; any other colour stays as it is."""
    vertices, faces, _ = cube()
    look, seen = sphere(4, 32), {}
    for name, colour in (("none", None), ("white", [1, 1, 1]), ("pink", [1, 0.5, 0.5])):
        made = Gltf()
        given = {} if colour is None else {"COLOR_0": made.array(np.array([colour] * 24))}
        made.part(vertices, faces, given)
        asset = gltf(made.save(tmp_path / "a.glb"))
        seen[name] = asset.look(look)
        assert ("camera" in asset.facts["light"]) == (name != "pink")
    assert (seen["none"].int() - seen["white"].int()).abs().max() <= 1
    inside = seen["pink"][:, 0][seen["pink"][:, 3] == 255]
    assert (inside == 255).all()
