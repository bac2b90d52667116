"""OBJ, PLY and STL through trimesh: known pictures, real files, and nothing opened that should not be."""

import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from esd_bench.adapters import Refused
from esd_bench.adapters.obj import obj
from esd_bench.adapters.ply import ply
from esd_bench.adapters.ply import reads as reads_ply
from esd_bench.adapters.stl import stl
from esd_bench.cameras import orbit, sphere
from tests.adapters.meshes import SIDES, cube_gltf, cube_obj, cube_ply, cube_stl

trimesh = pytest.importorskip("trimesh")

AROUND = orbit(
    torch.deg2rad(torch.tensor([0.0, 90, 180, -90, 0, 0])),
    torch.deg2rad(torch.tensor([0.0, 0, 0, 0, 90, -90])),
    8.0,
    0.5,
    64,
)
ORDER = ("front", "right", "back", "left", "top", "bottom")
COLOURS = [[int(x * 255 + 0.5) for x in SIDES[side][1]] + [255] for side in ORDER]


def middles(asset):
    return asset.look(AROUND)[:, :, 32, 32].tolist()


def close(found):
    return np.abs(np.array(found) - COLOURS).max() <= 1


@pytest.mark.parametrize("format_", ["obj", "ply of vertices", "ply of faces"])
def test_each_side_of_the_cube_is_seen_from_where_it_is(tmp_path, format_):
    if format_ == "obj":
        asset = obj(cube_obj(tmp_path))
    else:
        asset = ply(cube_ply(tmp_path / "a.ply", faces_coloured=format_.endswith("faces")))
    assert close(middles(asset))
    assert (asset.up, asset.front) == ("+y", "+z")
    assert asset.facts["faces"] == 12


def test_all_formats_show_the_same_cube(tmp_path):
    from esd_bench.adapters.gltf import gltf

    cameras = orbit(torch.tensor([0.6, -2.0]), torch.tensor([0.4, -0.3]), 6.0, 0.7, 48)
    pictures = [
        x.look(cameras).int()
        for x in (
            gltf(cube_gltf().save(tmp_path / "a.glb")),
            obj(cube_obj(tmp_path)),
            ply(cube_ply(tmp_path / "a.ply")),
        )
    ]
    for other in pictures[1:]:
        assert (other - pictures[0]).abs().max() <= 1  # linear light and back
    shape = stl(cube_stl(tmp_path / "a.stl"))
    assert torch.equal(shape.look(cameras)[:, 3].int(), pictures[0][:, 3])
    assert (shape.up, shape.front) == ("+z", "-y")


def textured_obj(folder: Path, name: str = "skin.png") -> Path:
    (folder / "quad.mtl").write_text(f"newmtl skin\nKd 0 0 0\nmap_Kd {name}\n")
    lines = ["mtllib quad.mtl", "usemtl skin"]
    lines += [f"v {x} {y} 0" for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1", "f 1/1 2/2 3/3 4/4"]
    (folder / "quad.obj").write_text("\n".join(lines))
    return folder / "quad.obj"


def test_an_obj_has_its_texture_the_right_way_up(tmp_path):
    pixels = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 0]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "skin.png")
    asset = obj(textured_obj(tmp_path))
    picture = asset.look(AROUND[0])[0, :3]
    half = 32 / 8 / np.tan(0.25)
    for row, column in np.ndindex(2, 2):
        y, x = (int(32 + (i - 0.5) * half) for i in (row, column))
        assert picture[:, y, x].tolist() == pytest.approx(pixels[row, column].tolist(), abs=16)
    assert set(asset.facts["files"]) == {"quad.mtl", "skin.png"}


def test_options_of_a_texture_are_no_part_of_its_name(tmp_path):
    Image.new("RGB", (2, 2), "red").save(tmp_path / "my skin -s 2.png")
    name = "my skin -s 2.png"
    plain = obj(textured_obj(tmp_path, name)).look(sphere(1, 8))
    for words in ("-clamp on", "-s 1 1 1 -o 0 0.0 0", "-bm 0.5 -MM 0 1", "-type sphere -texres 9"):
        asset = obj(textured_obj(tmp_path, f"{words}  {name}"))
        assert torch.equal(asset.look(sphere(1, 8)), plain)
    for words in ("-s 2 2", "-o .5 0 0", "-clamp on -t 0 1e-1"):
        with pytest.raises(Refused, match="moves its texture"):
            obj(textured_obj(tmp_path, f"{words} {name}"))
    with pytest.raises(ValueError, match="leaves its folder"):
        obj(textured_obj(tmp_path, "-clamp on ../skin.png"))


def test_a_texture_that_cannot_be_had_is_an_error(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "notes.png").write_text("hello")
    for name, said in (
        ("absent.png", "not there"),
        ("../secret.png", "leaves its folder"),
        ("/etc/passwd", "no path beside it"),
        ("C:\\pictures\\a.png", "nothing is fetched"),
        ("http://example.org/a.png", "nothing is fetched"),
        ("notes.png", "can't be decoded"),
        ("x" * 5000, "too long"),
        ("\x01" * 5000 + ".png", "it names"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            obj(textured_obj(inside, name))
        assert len(str(caught.value)) <= 300


def test_large_textures_are_refused_by_their_headers(tmp_path):
    """Thirty thousand pixels square out of a file of a few hundred bytes."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "skin.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)
    with pytest.raises(Refused, match="900000000 pixels"):
        obj(textured_obj(tmp_path))


def test_relative_corners_between_vertices_are_refused_and_others_read(tmp_path):
    vertices = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    (tmp_path / "a.obj").write_text(vertices + "f -3 -2 -1\n")
    assert obj(tmp_path / "a.obj").facts["faces"] == 1
    (tmp_path / "a.obj").write_text(vertices + "f -3 -2 -1\n" + vertices + "f -3 -2 -1\n")
    with pytest.raises(Refused, match="backwards"):
        obj(tmp_path / "a.obj")


def test_splats_are_left_to_others(tmp_path):
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
    names = "".join(f"property float {x}\n" for x in ("x", "f_dc_0", "scale_0", "rot_0"))
    (tmp_path / "a.ply").write_text(head + names + "end_header\n")
    assert not reads_ply(tmp_path / "a.ply")
    assert reads_ply(cube_ply(tmp_path / "b.ply"))
    assert not reads_ply(tmp_path / "a.obj")
    assert reads_ply(tmp_path / "absent.ply")


NOT_A_NUMBER = "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.obj", NOT_A_NUMBER, "not a finite number"),
        ("a.obj", NOT_A_NUMBER.replace("nan", "inf"), "not a finite number"),
        ("a.obj", "v 0 0 0\n", "no triangles"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "broken|not there"),
        ("a.obj", "v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "no face has an area"),
        ("a.obj", "", "broken|no triangles"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 1\nend_header\n0 0 0\n", "no faces"),
        ("a.ply", "ply\n", "does not end"),
        ("a.stl", "solid\nendsolid\n", "no triangles"),
    ],
)
def test_broken_files_are_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said) as caught:
        {"obj": obj, "ply": ply, "stl": stl}[name[-3:]](tmp_path / name)
    assert "\n" not in str(caught.value)


def test_files_that_are_cut_off_are_one_line(tmp_path):
    for path, adapter in (
        (cube_ply(tmp_path / "a.ply"), ply),
        (cube_stl(tmp_path / "a.stl"), stl),
    ):
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            adapter(path)


def polygons(*corners, tail=b""):
    """A binary PLY of five vertices and faces with so many corners."""
    head = b"ply\nformat binary_little_endian 1.0\nelement vertex 5\n"
    head += b"property float x\nproperty float y\nproperty float z\n"
    head += b"element face %d\nproperty uchar flag\n" % len(corners)
    head += b"property list uchar int vertex_indices\nproperty float weight\nend_header\n"
    places = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], "<f4")
    faces = [struct.pack(f"<BB{n}if", 7, n, *range(n), 0.5) for n in corners]
    return head + places.tobytes() + b"".join(faces) + tail


@pytest.mark.parametrize(
    "corners", [(4, 3), (3, 3, 4), (4, 3, 5)]
)  # the last as long as three of 4
def test_faces_with_different_numbers_of_corners_are_not_the_methods_fault(tmp_path, corners):
    (tmp_path / "a.ply").write_bytes(polygons(*corners))
    with pytest.raises(Refused, match="triangulate it"):
        ply(tmp_path / "a.ply")


def test_faces_with_equally_many_corners_are_read_and_a_cut_is_a_cut(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(polygons(4, 4))
    assert ply(path).facts["faces"] == 4
    for broken in (polygons(4, 4)[:-5], polygons(4, 4)[:-27], polygons(4, 4, tail=b"12")):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="length") as caught:
            ply(path)
        assert not isinstance(caught.value, Refused)


def test_compressed_splats_are_no_broken_mesh(tmp_path):
    head = "ply\nformat binary_little_endian 1.0\nelement chunk 1\nproperty float min_x\n"
    head += (
        "element vertex 1\nproperty uint packed_position\nproperty uint packed_color\nend_header\n"
    )
    (tmp_path / "a.ply").write_bytes(head.encode() + bytes(12))
    with pytest.raises(Refused, match="compressed splats"):
        ply(tmp_path / "a.ply")


@pytest.mark.parametrize("adapter", [obj, ply, stl])
def test_more_faces_than_allowed_are_refused(tmp_path, adapter):
    make = {
        "obj": cube_obj,
        "ply": lambda d: cube_ply(d / "a.ply"),
        "stl": lambda d: cube_stl(d / "a.stl"),
    }
    path = make[adapter.__name__](tmp_path)
    assert adapter(path, max_faces=12).facts["faces"] == 12
    with pytest.raises(Refused, match="max_faces"):
        adapter(path, max_faces=11)
    with pytest.raises(Refused, match="max_bytes"):
        adapter(path, max_bytes=20)


def fans(corners, faces, form):
    """An OBJ or PLY of few faces with very many corners, which are triangles only when they have been taken apart."""
    places = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]
    names = [i % 3 for i in range(corners)]
    if form == "obj":
        rows = ["v {} {} {}".format(*p) for p in places]
        rows += ["f " + " \\\n".join(str(i + 1) for i in names)] * faces
        return ("\n".join(rows) + "\n").encode()
    head = f"ply\nformat {form} 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    head += f"property float z\nelement face {faces}\nproperty list uint int vertex_indices\nend_header\n"
    if form == "ascii":
        rows = ["{} {} {}".format(*p) for p in places]
        rows += [" ".join(map(str, [corners, *names]))] * faces
        return (head + "\n".join(rows) + "\n").encode()
    body = np.array(places, "<f4").tobytes() + np.array([corners, *names], "<i4").tobytes() * faces
    return head.encode() + body


@pytest.mark.parametrize("form", ["obj", "ascii", "binary_little_endian"])
def test_triangles_of_polygons_are_counted_before_they_are_made(tmp_path, monkeypatch, form):
    path = tmp_path / ("a.obj" if form == "obj" else "a.ply")
    adapter = obj if form == "obj" else ply
    path.write_bytes(fans(400, 3, form))
    assert adapter(path, max_faces=3 * 398).facts["faces"] == 3 * 398

    def never(*_, **__):
        raise AssertionError("trimesh would have made the triangles")

    monkeypatch.setattr(trimesh, "load_scene", never)
    with pytest.raises(Refused, match="max_faces"):
        adapter(path, max_faces=3 * 398 - 1)


@pytest.mark.parametrize("kind", ["stl", "stl_ascii"])
def test_an_stl_of_too_many_faces_is_refused_before_it_is_parsed(tmp_path, monkeypatch, kind):
    trimesh.creation.box().export(tmp_path / "a.stl", file_type=kind)
    assert stl(tmp_path / "a.stl", max_faces=12).facts["faces"] == 12
    monkeypatch.setattr(trimesh, "load_scene", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(Refused, match="max_faces"):
        stl(tmp_path / "a.stl", max_faces=11)


@given(st.binary(max_size=60), st.integers(1, 7))
def test_words_are_those_of_split(text, chunk):
    from esd_bench.adapters import _words

    plain = bytes(x if 32 < x < 127 else 32 for x in text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_words, "CHUNK", chunk)
        assert _words.words(text) == len(plain.split())


def test_a_header_that_promises_the_world_costs_nothing(tmp_path):
    text = "ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nproperty float x\n"
    (tmp_path / "a.ply").write_text(
        text + "element face 3\nproperty list uchar int i\nend_header\n"
    )
    with pytest.raises(Refused, match="max_faces"):
        ply(tmp_path / "a.ply")
    (tmp_path / "a.stl").write_bytes(bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(50))
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        stl(tmp_path / "a.stl")


def test_without_trimesh_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    path = cube_obj(tmp_path)
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(ImportError, match=r"esd-bench\[mesh\]"):
        obj(path)


def test_real_files_of_pyvista():
    """PLY files of others' programs, where pyvista's wheel is installed (MIT)."""
    known = importlib.util.find_spec(
        "pyvista"
    )  # not imported: `pip install --no-deps pyvista` will do
    if known is None or known.origin is None:
        pytest.skip("pyvista, whose files these are, is not installed")
    found = sorted((Path(known.origin).parent / "examples").glob("*.ply"))
    assert found
    for path in found:
        asset = ply(path)
        theirs = trimesh.load_mesh(path, process=False)
        assert asset.facts["faces"] == len(theirs.faces)
        low, high = theirs.bounds
        middle = torch.tensor((low + high) / 2)
        cameras = orbit(torch.zeros(1), torch.zeros(1), 2 * float(max(high - low)), 0.8, 64)
        cameras.c2w[:, :3, 3] += middle
        assert (asset.look(cameras)[0, 3] > 0).float().mean() > 0.05
