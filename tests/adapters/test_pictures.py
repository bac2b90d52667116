"""Folders of pictures: with cameras of three kinds, as a ring, and without anything that is known."""

import importlib
import json
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from esd_bench import plugins
from esd_bench.adapters import _stills
from esd_bench.adapters._posed import name_of
from esd_bench.adapters._stills import lossy
from esd_bench.adapters.pictures import pictures, reads
from esd_bench.cameras import band, ring, sphere
from esd_bench.views import ViewSet
from tests.adapters.captures import blender, folder, frame, ring_folder, trial, turns

ADAPTERS = ("splats", "video", "pictures", "gpteval3d", "threestudio")


def one(found: object) -> ViewSet:
    (views,) = found.views.values()
    assert [*found.views] == [views.protocol]
    return views


def rgba(views: ViewSet) -> np.ndarray:
    return views.rgba.permute(0, 2, 3, 1).numpy()


def degrees(views: ViewSet) -> list[int]:
    return [x % 360 for x in torch.rad2deg(views.cameras.azimuth).round().int().tolist()]


# ---- which folders -------------------------------------------------------------------------------------------------


def test_every_folder_has_one_adapter_at_most(tmp_path):
    made = {
        "pictures": [ring_folder(tmp_path / "a", 4), blender(tmp_path / "b", [0, 90, 180, 270])],
        "gpteval3d": [
            ring_folder(tmp_path / "c" / "0" / "1", 4, name="rgb_{}.png"),
            tmp_path / "c",
        ],
        "threestudio": [trial(tmp_path / "d" / "x" / "y@1"), tmp_path / "d"],
        "": [tmp_path / "none", folder(tmp_path / "e", []), tmp_path / "b" / "transforms.json"],
    }
    folder(tmp_path / "c", [frame(0)], "preview{}.png")
    folder(tmp_path / "d", [frame(0)], "preview{}.png")
    nerf = blender(tmp_path / "g", [0, 90, 180, 270])
    (nerf / "images" / "r_0.png").rename(nerf / "images" / "rgb_0.png")
    made["pictures"].append(nerf)
    mesh = ring_folder(tmp_path / "f", 2)
    (mesh / "model.obj").touch()
    made[""].append(mesh)
    for adapter, paths in made.items():
        for path in paths:
            found = [
                x
                for x in ADAPTERS
                if importlib.import_module(f"esd_bench.adapters.{x}").reads(path)
            ]
            assert found == ([adapter] if adapter else []), path


# ---- with cameras --------------------------------------------------------------------------------------------------


def test_our_own_view_sets_come_back(tmp_path):
    for cameras, name in ((sphere(12, 16), "sphere:12"), (ring(15, 6, 16), "ring:15:6")):
        noise = torch.randint(0, 256, (len(cameras), 4, 16, 16)).byte()
        views = ViewSet(noise, cameras, "made up")
        views.save(tmp_path / name.replace(":", "-"))
        found = one(pictures(tmp_path / name.replace(":", "-")))
        assert found.protocol == name, "what it is, not what the file says"
        assert torch.equal(found.rgba, noise)
        assert torch.equal(found.cameras.c2w, cameras.c2w)


@pytest.mark.parametrize("intrinsics", [{}, {"fl_y": 12 / math.tan(0.35), "w": 24, "h": 24}])
def test_a_ring_of_blender_s_is_ours(tmp_path, intrinsics):
    """+z up and the front along -y; the object, wherever it is, comes to the middle."""
    azimuths = turns(8)
    path = blender(tmp_path / "a", azimuths, elevation=20.0, **intrinsics)
    found = pictures(path)
    views = one(found)
    assert views.protocol == "ring:20:8"
    distance = 2.9 * math.sin(math.radians(19)) / math.sin(0.35)
    truth = ring(20, 8, 24, distance=distance, fov=0.7)
    torch.testing.assert_close(views.cameras.c2w, truth.c2w, atol=1e-5, rtol=0)
    torch.testing.assert_close(views.cameras.fov, truth.fov)
    np.testing.assert_array_equal(rgba(views), np.stack([frame(x) for x in azimuths]))
    assert found.facts["centre"] == [1, 2, 3]


def test_axes_are_the_user_s_choice(tmp_path):
    views = one(pictures(blender(tmp_path / "a", turns(4)), front="+x"))
    assert degrees(views) == [270, 0, 90, 180]
    with pytest.raises(ValueError, match="not square"):
        pictures(tmp_path / "a", front="-z")
    with pytest.raises(ValueError, match="an axis is"):
        pictures(tmp_path / "a", up="up")


def test_cameras_of_no_view_set_are_given_ones(tmp_path):
    """Named by their directions: the same cameras give the same name, others another."""
    azimuths = [0.0, 10.0, 50.0, 200.0]
    names = [
        one(pictures(blender(tmp_path / str(i), x))).protocol
        for i, x in enumerate((azimuths, azimuths, [0.0, 10.0, 50.0, 220.0]))
    ]
    assert names[0] == names[1] != names[2]
    kind, digest, count = names[0].split(":")
    assert (kind, len(digest), count) == ("given", 8, "4")


def test_a_repeated_last_camera_is_dropped(tmp_path):
    found = pictures(blender(tmp_path / "a", turns(9, closed=True)))
    assert one(found).protocol == "ring:20:8"
    assert found.facts["last is first again"]


def test_names_of_view_sets():
    assert name_of(ring(-5, 36)) == "ring:-5:36"
    assert name_of(ring(15, 36)[torch.randperm(36)]) == "ring:15:36"
    assert name_of(ring(15, 36)[1:]).startswith("given:")
    assert name_of(sphere(120)) == "sphere:120"
    assert name_of(sphere(120)[:60]).startswith("given:")
    assert name_of(band(-10, 45, 120)).startswith("given:")


def test_a_table_of_angles(tmp_path):
    path = ring_folder(tmp_path / "a", 4)
    (path / "cameras.csv").write_text("azimuth,elevation\n0,5\n90,5\n180,5\n-90,5\n")
    views = one(pictures(path))
    assert views.protocol == "ring:5:4"
    assert degrees(views) == [0, 90, 180, 270]
    named = "file,elevation,azimuth\n3.png,0,10\n1.png,0,50\n"
    (path / "my.csv").write_text(named)
    views = one(pictures(path, cameras="my.csv"))
    assert degrees(views) == [10, 50]
    np.testing.assert_array_equal(rgba(views), np.stack([frame(270), frame(90)]))


# ---- without -------------------------------------------------------------------------------------------------------


def test_a_ring_by_word(tmp_path):
    path = ring_folder(tmp_path / "a", 13, closed=True)
    views = one(pictures(path, arranged="ring", elevation=0, views=6, way="clockwise"))
    assert views.protocol == "ring:0:6"
    assert degrees(views) == [0, 300, 240, 180, 120, 60]
    np.testing.assert_array_equal(rgba(views), np.stack([frame(x) for x in turns(6)]))


def test_of_an_unordered_folder_no_camera_is_known(tmp_path):
    found = pictures(ring_folder(tmp_path / "a", 12))
    views = one(found)
    assert views.protocol == "unposed:12"
    assert found.facts["cameras"] == "unknown"
    assert views.cameras.azimuth.isnan().all()
    assert views.cameras.fov.isnan().all()
    views.save(tmp_path / "b")
    again = ViewSet.load(tmp_path / "b")
    assert again.digest == views.digest
    np.testing.assert_array_equal(rgba(again)[10], frame(300))


def test_patterns_choose(tmp_path):
    ring_folder(tmp_path / "a", 3, name="rgb{}.png")
    ring_folder(tmp_path / "a", 5, name="normal{}.png")
    assert len(one(pictures(tmp_path / "a", pattern="rgb*"))) == 3
    with pytest.raises(ValueError, match="holds no pictures x"):
        pictures(tmp_path / "a", pattern="x*")


# ---- kinds of pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_colours_of_all_kinds(tmp_path, mode):
    given = Image.fromarray(frame(30)).convert(mode)
    (tmp_path / "a").mkdir()
    given.save(tmp_path / "a" / "0.png")
    views = one(pictures(tmp_path / "a"))
    np.testing.assert_array_equal(rgba(views)[0], np.array(given.convert("RGBA")))


def test_sixteen_bits_are_rounded(tmp_path):
    deep = np.array([[0, 127, 128, 129], [384, 385, 386, 65535]], np.uint16)
    (tmp_path / "a").mkdir()
    Image.fromarray(deep).save(tmp_path / "a" / "0.png")
    grey = rgba(one(pictures(tmp_path / "a")))[0, :, :, 0]
    np.testing.assert_array_equal(grey, np.floor(deep / 257 + 0.5))


def test_print_colours_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(frame(0)).convert("CMYK").save(tmp_path / "a" / "0.jpg")
    with pytest.raises(ValueError, match="colours of the kind CMYK; make it RGB or RGBA"):
        pictures(tmp_path / "a")


def test_lossy_formats_are_told(tmp_path):
    flat = [frame(x, alpha=False) for x in turns(3)]
    assert pictures(folder(tmp_path / "a", flat, "{}.jpg")).facts["lossy"] == "jpeg"
    assert pictures(folder(tmp_path / "b", flat, "{}.webp")).facts["lossy"] == "webp"
    assert "lossy" not in pictures(folder(tmp_path / "c", flat, "{}.webp", lossless=True)).facts
    clear = [frame(x) for x in turns(3)]
    assert lossy(folder(tmp_path / "d", clear, "{}.webp") / "0.webp") == "webp"
    assert lossy(folder(tmp_path / "e", clear, "{}.webp", lossless=True) / "0.webp") == ""
    # A PNG under another ending is what it is.
    (tmp_path / "f").mkdir()
    Image.fromarray(flat[0]).save(tmp_path / "f" / "0.png")
    (tmp_path / "f" / "0.png").rename(tmp_path / "f" / "0.jpg")
    assert "lossy" not in pictures(tmp_path / "f").facts


def test_a_key_colour_reaches_in_from_the_edges_only(tmp_path):
    picture = np.full((20, 20, 3), 255, np.uint8)
    picture[5:15, 5:15] = 40
    picture[9:11, 9:11] = 255
    path = folder(tmp_path / "a", [picture])
    alpha = rgba(one(pictures(path, key="white")))[0, ..., 3]
    assert (alpha[5:15, 5:15] == 255).all()
    assert alpha.sum() == 255 * 100
    assert (rgba(one(pictures(path)))[..., 3] == 255).all()
    over = one(pictures(path, key="white")).over("white")
    np.testing.assert_allclose(over[0].permute(1, 2, 0), picture / 255)


# ---- hostile -------------------------------------------------------------------------------------------------------


def bomb(path: Path, width: int, height: int) -> None:
    """A whole PNG of few bytes that unpacks into many."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("size", "said"), [((5000, 5), "5000 x 5 pixels"), ((40000, 40000), "more|bomb")]
)
def test_sizes_are_known_before_anything_is_unpacked(tmp_path, size, said):
    path = ring_folder(tmp_path / "a", 3)
    bomb(path / "1.png", *size)
    with pytest.raises(ValueError, match=said):
        pictures(path)


def test_many_large_pictures_are_refused(tmp_path, monkeypatch):
    path = ring_folder(tmp_path / "a", 3)
    monkeypatch.setattr(_stills, "BYTES", 24 * 24 * 4 * 2)
    with pytest.raises(ValueError, match="3 pictures of 24 x 24 pixels are more than can be read"):
        pictures(path)


def test_mixed_sizes_and_broken_pictures(tmp_path):
    path = ring_folder(tmp_path / "a", 3)
    Image.fromarray(frame(0, 20)).save(path / "2.png")
    with pytest.raises(ValueError, match="2.png is 20 x 20, but 0.png is 24 x 24"):
        pictures(path)
    (path / "2.png").write_bytes((path / "1.png").read_bytes()[:-40])
    with pytest.raises(ValueError, match="2.png is not a whole picture"):
        pictures(path)
    (path / "2.png").write_bytes(b"%!PS-Adobe-3.0\n")
    with pytest.raises(ValueError, match="2.png is no picture"):
        pictures(path)


@pytest.mark.parametrize(
    "name",
    [
        "../out.png",
        "/etc/hostname",
        "a/../../out.png",
        "link.png",
        "x\0y",
        "y" * 300,
        ".",
        "pipe.png",
    ],
)
def test_nothing_outside_is_opened(tmp_path, name):
    Image.fromarray(frame(0)).save(tmp_path / "out.png")
    path = blender(tmp_path / "a", turns(3))
    (path / "link.png").symlink_to(tmp_path / "out.png")
    os.mkfifo(path / "pipe.png")
    said = json.loads((path / "transforms.json").read_text())
    said["frames"][1]["file_path"] = name
    (path / "transforms.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match="leaves its folder|has no file|too long|no path") as error:
        pictures(path)
    assert "\n" not in str(error.value)


MATRIX = np.eye(4).tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": []}, "0 cameras for 0 pictures"),
        ({"frames": [{"file_path": "images/r_0", "transform_matrix": [[1]]}]}, "4 x 4 matrix"),
        ({"frames": [{"file_path": "images/r_0", "transform_matrix": (np.eye(4) * 2).tolist()}]}, "no rotation and position"),
        ({"frames": [{"file_path": "images/r_0", "transform_matrix": (np.eye(4) * math.nan).tolist()}]}, "no rotation and position"),
        ({"frames": [{"file_path": "images/r_0", "transform_matrix": np.diag([1, 1, -1, 1]).tolist()}]}, "no rotation and position"),
        ({"frames": [{"file_path": "images/r_0", "transform_matrix": MATRIX}]}, "stand where they look"),
        ({"frames": 3}, "no file of cameras"),
        ({"frames": [[]]}, "no file of cameras"),
        ({"camera_angle_x": None}, "no file of cameras"),
        ({"camera_angle_x": 0}, "division|no file|sees nothing"),
        ({"fl_y": -3}, "stand where|sees nothing"),
        ({"fl_y": 10**400}, "no file of cameras"),
    ],
)  # fmt: skip
def test_cameras_that_lie_are_one_line(tmp_path, change, said):
    path = blender(tmp_path / "a", turns(3), **change)
    told = json.loads((path / "transforms.json").read_text())
    (path / "transforms.json").write_text(json.dumps({**told, **change}))
    with pytest.raises(ValueError, match=said) as error:
        pictures(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["cameras.json", "transforms.json", "cameras.csv"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100000,
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"azimuth,elevation\n1\n",
        b"azimuth,elevation\n1,x\n",
        b"azimuth,elevation\n1,95\n2,0\n",
    ],
)
def test_other_files_of_cameras_are_one_line(tmp_path, name, content):
    path = ring_folder(tmp_path / "a", 2)
    (path / name).write_bytes(content)
    assert reads(path)
    with pytest.raises(ValueError, match=name.split(".")[0]) as error:
        pictures(path)
    assert "\n" not in str(error.value)


def test_a_file_of_cameras_elsewhere(tmp_path):
    path = ring_folder(tmp_path / "a", 2)
    (tmp_path / "out.csv").write_text("azimuth,elevation\n0,0\n1,0\n")
    with pytest.raises(ValueError, match="leaves its folder"):
        pictures(path, cameras="../out.csv")
    with pytest.raises(ValueError, match="has no file"):
        pictures(path, cameras="my.json")


def short(path: Path, **options: object) -> None:
    """Pictures or one line."""
    try:
        found = pictures(path, **options)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    json.dumps(found.facts, allow_nan=False)
    for views in found.views.values():
        assert len(views.rgba) == len(views.cameras) > 0


@settings(max_examples=40)
@given(
    st.sampled_from(["png", "jpg", "webp"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=5),
    st.floats(0.2, 1.5),
)
def test_any_bytes_are_pictures_or_one_line(tmp_path_factory, ending, edits, cut):
    path = tmp_path_factory.mktemp("fuzz")
    flat = [frame(x, alpha=ending != "jpg") for x in turns(2)]
    folder(path, flat, "{}." + ending)
    changed = path / f"1.{ending}"
    content = bytearray(changed.read_bytes())
    for place, change in edits:
        at = int(place * len(content))
        content[at : at + len(change)] = change
    changed.write_bytes(content[: int(cut * len(content))])
    short(path)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=4), x, max_size=3),
    max_leaves=6,
)
KEYS = [
    "frames",
    "camera_angle_x",
    "fl_y",
    "w",
    "h",
    "file_path",
    "transform_matrix",
    "k1",
    "row",
    "number",
]


@settings(max_examples=60)
@given(st.sampled_from(KEYS), VALUES)
def test_any_transforms_are_pictures_or_one_line(tmp_path_factory, key, value):
    path = tmp_path_factory.getbasetemp() / "blender"
    if not path.is_dir():
        blender(path, turns(3))
        (path / "transforms.json").rename(path / "whole")
    said = json.loads((path / "whole").read_text())
    matrix = said["frames"][1]["transform_matrix"]
    inner, at = {
        "file_path": (said["frames"][1], key),
        "transform_matrix": (said["frames"][1], key),
        "row": (matrix, 2),
        "number": (matrix[1], 1),
    }.get(key, (said, key))
    inner[at] = value
    (path / "transforms.json").write_text(json.dumps(said))
    short(path)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.one_of(st.floats(), st.text(max_size=5)), max_size=3), max_size=4),
    st.binary(max_size=10),
)
def test_any_table_is_pictures_or_one_line(tmp_path_factory, rows, tail):
    path = tmp_path_factory.getbasetemp() / "angles"
    if not path.is_dir():
        ring_folder(path, 2)
    lines = ["azimuth,elevation", *(",".join(map(str, x)) for x in rows)]
    (path / "cameras.csv").write_bytes("\n".join(lines).encode("utf-8", "replace") + tail)
    short(path)


@settings(max_examples=40)
@given(st.sampled_from(["height", "width", "fov", "camera_to_world", "protocol"]), VALUES)
def test_any_view_set_is_pictures_or_one_line(tmp_path_factory, key, value):
    path = tmp_path_factory.getbasetemp() / "views"
    if not path.is_dir():
        ViewSet(torch.zeros(3, 4, 8, 8, dtype=torch.uint8), ring(0, 3, 8), "ring:0:3").save(path)
        (path / "cameras.json").rename(path / "whole")
    said = {**json.loads((path / "whole").read_text()), key: value}
    (path / "cameras.json").write_text(json.dumps(said))
    short(path)


def test_the_adapters_are_plugins():
    assert set(ADAPTERS) <= set(plugins.names("adapters"))
