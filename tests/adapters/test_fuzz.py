"""A few seconds of ``benchmarks/fuzz.py``: broken files come out as assets or as one line, whatever is wrong with them."""

import importlib
import random
import resource
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from esd_bench import plugins

ROOT = Path(__file__).parents[2]
MESHES = ("gltf", "obj", "ply", "stl")
ENDING = {"gltf": ".glb", "obj": ".obj", "ply": ".ply", "stl": ".stl"}
pytest.importorskip("trimesh")


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("fuzz")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module", params=MESHES)
def valid(request, fuzz, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    fuzz.cubes(folder, request.param)
    return request.param, sorted(folder.glob(f"[abc]{ENDING[request.param]}"))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), which=st.integers(0, 2))
def test_mutated_files(valid, fuzz, seed, which):
    name, paths = valid
    path = paths[which % len(paths)]
    broken = path.with_name(f"broken{ENDING[name]}")
    broken.write_bytes(fuzz.mutated(path.read_bytes(), random.Random(seed)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fuzz.outcome(plugins.load("adapters", name), broken)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kilobytes


@settings(max_examples=20)
@given(content=st.binary(max_size=300))
def test_random_bytes(valid, fuzz, content):
    name, paths = valid
    broken = paths[0].with_name(f"random{ENDING[name]}")
    magic = {"gltf": b"glTF", "obj": b"", "ply": b"ply\n", "stl": b""}[name]
    broken.write_bytes(magic + content)
    assert fuzz.outcome(plugins.load("adapters", name), broken)


def test_the_command_counts_its_inputs(fuzz, tmp_path, monkeypatch, capsys):
    words = ["fuzz", "gltf", "--minutes", "0.01", "--out", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", words)
    fuzz.main()
    assert '"inputs"' in capsys.readouterr().out
    assert (tmp_path / "out.json").is_file()
