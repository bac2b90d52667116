"""Coarse, geometry and texture through the command line: one from the other, killed in each, shared, empty."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from esd_bench import distill
from esd_bench.generate import generate
from esd_bench.store import RunStore
from tests.pipeline.command import command, only, quick
from tests.pipeline.test_generate import fatal, killed

FULL = ("--stages", "full", "--set", "geometry.resolution=8", "--set", "texture.grids=4,8")


def full(out, *words):
    """ESD: SDS to step 2, itself to 4, geometry to 8, texture to 12; a checkpoint every two steps."""
    return quick(out, "-m", "esd", *FULL, "--steps", "2,2,4,4", *words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run of all stages."""
    out = tmp_path_factory.mktemp("whole")
    said = command(*full(out))
    assert said.code == 0, said.err
    return only(out)


def test_three_stages_make_a_textured_mesh(whole):
    assert whole.record.status == "finished"
    stages = whole.spec.stages
    assert [stage.method.name for stage in stages] == ["sds", "esd", "sds", "esd"]
    assert [whole.spec.scene_at(k).name for k in (1, 2, 3, 4)] == [
        *("voxels", "voxels"),
        *("tetmesh", "textured"),
    ]
    shapes = [load_file(whole.folder / f"stage-{k}.safetensors") for k in (2, 3)]
    last = load_file(whole.scene_file)
    assert "density.0" in shapes[0]
    assert last["level"].shape == (1, 9**3)
    assert (last["level"] == shapes[1]["level"]).all(), "the texture stage leaves the surface alone"
    entries = [json.loads(x) for x in (whole.folder / "log.jsonl").read_text().splitlines()]
    assert {"step": 4, "scene": "tetmesh", "threshold": 5.0} in entries
    assert [x["step"] for x in entries if "laplacian" in x] == [8]


def test_geometry_is_sds_on_normal_maps_for_every_method(whole):
    stage = whole.spec.stages[2]
    assert stage.method.get("scale") == 100
    assert stage.student.name == "frozen"
    assert (stage.background, stage.wording.suffix) == ("black", "normal map")
    assert whole.spec.prompt.facing("front", "normal map") == "a, front view, normal map"
    assert whole.spec.prompt.facing("empty", "normal map") == ""
    assert whole.spec.stages[3].student == whole.spec.stages[1].student


@pytest.mark.parametrize(
    ("name", "call", "step"),
    [
        ("checkpoint", 3, 6),
        ("stage", 3, 8),
        ("checkpoint", 5, 10),
    ],
    ids=["in geometry", "before texture", "in texture"],
)
def test_killed_in_any_stage(whole, tmp_path, monkeypatch, name, call, step):
    with monkeypatch.context() as patched:
        fatal(patched, RunStore, name, call, late=True)
        killed(lambda: command(*full(tmp_path)))
    assert RunStore(tmp_path).resume(whole.spec)[1] == step
    said = command(*full(tmp_path))
    assert said.code == 0, said.err
    run = only(tmp_path)
    assert run.record.views == whole.record.views
    assert {x.name for x in run.folder.iterdir()} == {x.name for x in whole.folder.iterdir()}


def test_another_texture_takes_over_the_geometry(whole, tmp_path):
    store = whole.folder.parents[2]
    said = command(*full(store, "--set", "texture.noise=0.5"))
    assert said.code == 0, said.err
    (other,) = [run for run in RunStore(store).find() if run.id != whole.id]
    assert other.record.warm_start == whole.id
    assert other.record.views != whole.record.views
    steps = [json.loads(x)["step"] for x in (other.folder / "log.jsonl").read_text().splitlines()]
    assert min(steps) == 8, "only its own stage was made"


def test_no_surface_is_an_outcome(tmp_path):
    said = command(*full(tmp_path, "--set", "geometry.threshold=1e9"))
    assert said.code == 0, said.err
    run = only(tmp_path)
    assert run.record.status == "failed"
    assert run.record.reason == "empty: no surface at any threshold"
    assert "nothing is missing" in command(*full(tmp_path, "--set", "geometry.threshold=1e9")).out


def test_of_a_mesh_s_step_all_but_the_mesh_s_work_is_captured(whole, tmp_path, monkeypatch):
    """The shapes of a mesh depend on the data; a density field's step is captured whole. Graphs stand for what they replay."""
    captured = []

    def replayed(loop, work, idle):
        captured.append((type(loop.parts.scene).__name__, work.__qualname__.split(".")[0]))
        return work

    monkeypatch.setattr(distill, "_graphs", replayed)
    (run,) = generate([replace(whole.spec, suite="other")], RunStore(tmp_path), graph=True)
    assert run.record.views == whole.record.views
    assert captured == [
        ("Voxels", "_captured"),
        ("Voxels", "_captured"),
        ("TetMesh", "_half_captured"),
        ("Textured", "_half_captured"),
    ]


def test_options_of_stages_that_are_not_there_are_refused(tmp_path):
    said = command(*quick(tmp_path, "-m", "sds", "--set", "texture.grids=4,8"))
    assert said.code != 0
    assert "--stages full" in said.err
