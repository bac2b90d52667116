"""Every format from a file to a number in a table, by the command line: ingest, score, report."""

import importlib.util
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.adapters.captures import animation, blender, film, frame, ring_folder, trial, turns
from tests.adapters.meshes import cube_gltf, cube_obj, cube_ply, cube_stl
from tests.adapters.splat_files import random_rows, write_ply, write_splat
from tests.ingest.test_ingest import WORDS
from tests.pipeline.command import command

COUNT = 14
"""Views of a ring."""


def _gltf(folder: Path) -> Path:
    """JSON with its buffer beside it."""
    made = cube_gltf()
    (folder / "a.bin").write_bytes(bytes(made.binary))
    made.tree["buffers"] = [{"byteLength": len(made.binary), "uri": "a.bin"}]
    (folder / "a.gltf").write_text(json.dumps(made.tree))
    return folder / "a.gltf"


def _splat(folder: Path) -> Path:
    ball = ((x / 9, y / 9, 0.0) for x in range(-4, 5) for y in range(-4, 5))
    look = ((0.1, 0.1, 0.1), (200, 40, 40, 250), (255, 128, 128, 128))
    return write_splat(folder / "a.splat", *((place, *look) for place in ball))


def _frames(**how: bool) -> list:
    return [frame(x, **how) for x in turns(COUNT)]


MAKERS = {
    "glb": lambda d: cube_gltf().save(d / "a.glb"),
    "gltf": _gltf,
    "obj": cube_obj,
    "ply": lambda d: cube_ply(d / "a.ply"),
    "stl": lambda d: cube_stl(d / "a.stl"),
    "splat-ply": lambda d: write_ply(d / "a.ply", random_rows(60, 1)),
    "splat": _splat,
    "gif": lambda d: animation(d / "a.gif", _frames(alpha=False)),
    "webp": lambda d: animation(d / "a.webp", _frames(), lossless=True),
    "mp4": lambda d: film(d / "a.mp4", _frames(alpha=False)),
    "pictures": lambda d: ring_folder(d / "a", COUNT),
    "cameras": lambda d: blender(d / "a", turns(COUNT)),
    "gpteval3d": lambda d: ring_folder(d / "a" / "0" / "0", COUNT, name="rgb_{}.png").parents[1],
    "threestudio": lambda d: trial(d / "a"),
}
NEEDS = {"mp4": "av", "threestudio": "yaml", **dict.fromkeys(("obj", "ply", "stl"), "trimesh")}
SOLID = ("glb", "gltf", "obj", "ply", "stl", "splat-ply", "splat")
PICTURES = {"pictures": "iq"}
"""What is told of pictures whose cameras nobody knows; of all others, what a ring tells."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A suite for each format with one asset in it, scored at once."""
    root = tmp_path_factory.mktemp("formats")
    for name, make in MAKERS.items():
        if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
            continue
        (root / name).mkdir()
        words = ("--method", "mine", "--prompt", "a red cat", "--suite", name, *WORDS)
        said = command("ingest", make(root / name), *words, "-o", root / "runs")
        assert (said.code, "1 made" in said.out) == (0, True), (name, said)
    only = ("--metric", "janus", "--metric", "inception", "--device", "cpu")
    assert command("score", root / "runs", *only).code == 0
    return root / "runs"


@pytest.mark.parametrize("name", MAKERS)
def test_from_a_file_to_a_number_in_a_table(runs, name):
    if not (runs / name).exists():
        pytest.skip(f"{NEEDS[name]} is not installed")
    said = command("report", runs / name, "--table", "collapse", "--format", "csv")
    assert said.code == 0, said.err
    told = pd.read_csv(io.StringIO(said.out)).set_index("score")
    assert set(told["method"]) == {"mine"}
    wanted = {PICTURES.get(name, "consistency"), *(["iq"] if name in SOLID else [])}
    assert told.loc[sorted(wanted), "value"].between(0, 10).all()
    assert (told["failed"] == "0/1").all()
