"""The benchmarks at SD-2.1's size, tried out in a tiny size: the same code on a CPU."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def found_beside_each_other():
    """Benchmarks import their neighbours, as scripts do."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


def run(monkeypatch, tmp_path, name, *words):
    module, out = importlib.import_module(name), tmp_path / "out.json"
    given = [name, "--rounds", "1", "--out", str(out), *map(str, words)]
    monkeypatch.setattr(sys, "argv", given)
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        module.main()
    torch.set_num_threads(threads)
    return json.loads(out.read_text())


def test_networks_have_the_published_numbers_of_parameters():
    sd21 = importlib.import_module("sd21")
    with torch.device("meta"):
        sd21.networks(sd21.SD21)


def test_a_full_step_of_all_sides(monkeypatch, tmp_path):
    sides = "ours;threestudio;threestudio, SDPA"
    found = run(
        monkeypatch,
        tmp_path,
        "full_step",
        "--render",
        8,
        "--methods",
        "esd,no_such",
        "--sides",
        sides,
    )
    (row,) = found["rows"]
    assert set(row["milliseconds"]) == set(sides.split(";"))
    assert row["ours times faster than"].keys() == {"threestudio", "threestudio, SDPA"}


def test_half_precision_and_a_method_without_a_student(monkeypatch, tmp_path):
    words = ("--render", 8, "--methods", "sds", "--precision", "bfloat16")
    found = run(monkeypatch, tmp_path, "full_step", *words)
    times = found["rows"][0]["milliseconds"]
    assert times["threestudio"] == times["threestudio, SDPA"]


def test_meshes_by_both_renderers(monkeypatch, tmp_path):
    pytest.importorskip("moderngl")
    from esd_bench.adapters import _moderngl

    monkeypatch.setenv("LP_NUM_THREADS", "1")  # the benchmark sets it; gone after the test
    try:
        _moderngl.ready()
    except OSError as error:
        pytest.skip(str(error))
    found = run(monkeypatch, tmp_path, "mesh_views", "--side", 8, "--views", 1, "--size", 64)
    assert found["faces"] == 128
    assert found["mean difference, of 255"] < 0.5
    assert found["views per second"].keys() == {"torch", "moderngl"}


def step(sdpa):
    sd21, sequence = (importlib.import_module(name) for name in ("sd21", "sequence"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = sd21.prior("tiny", torch.device("cpu"), torch.float32)
        spec = sd21.spec("esd", "tiny")
        made = sd21.parts(spec, prior)
        baseline = sequence.Sequence.of(made, sd21.plan(spec, 8, 2), sdpa, captured=True)
        for _ in range(2):
            baseline()
    return made, baseline


def test_the_baseline_moves_scene_and_student_alike_with_and_without_sdpa():
    (one, plain), (other, fused) = step(False), step(True)
    for a, b in zip(one.scene.parameters(), other.scene.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    trained = [x for x in plain.student.parameters() if x.requires_grad]
    assert len(trained) == 4 + 8 * len(plain.student.attn_processors)
    assert all(x.abs().max() > 0 for x in trained)
    assert not any(m._forward_hooks for m in fused.teacher.modules())


def test_the_floor_and_the_profile(monkeypatch, tmp_path):
    found = run(monkeypatch, tmp_path, "floor", "--render", 8, "--precision", "float32")
    parts = {row["part"] for row in found["profile"]}
    assert {"predictions of the U-Net", "student's fit, backward", "VAE encode, backward"} <= parts
    assert {"render, forward", "scene's optimiser", "student's optimiser"} <= parts
    assert sum(row["share"] for row in found["profile"]) == pytest.approx(1, abs=0.01)
    assert found["of a step"]["Tflop by operator"]


def test_rays(monkeypatch, tmp_path):
    found = run(monkeypatch, tmp_path, "rays", "--render", 8, "--samples", 4)
    assert found["rows"][0]["rays per second"]["forward"] > 0


def test_scoring_of_many_assets(monkeypatch, tmp_path):
    words = ("--assets", 6, "--views", "sphere:12", "--metrics", "clip_distance")
    found = run(monkeypatch, tmp_path, "score_scale", *words)
    assert found["files of scores"] == 12
    assert set(found["MiB resident"]) == {"0", "3", "6"}
    assert found["processor seconds an asset"]["last / first"] > 0


@pytest.mark.slow
def test_scoring_against_the_libraries(monkeypatch, tmp_path):
    words = ("--views", 12, "--size", 32, "--clip", "ViT-S-32-alt")
    found = run(monkeypatch, tmp_path, "score_speed", *words)
    assert found["seconds"].keys() == {"ours", "torch-fidelity", "torchmetrics", "open_clip"}
    assert found["times faster"].keys() == {"all", "lean"}


def test_voxel_rays(monkeypatch, tmp_path):
    words = ("--members", 2, "--views", 1, "--size", 4)
    found = run(monkeypatch, tmp_path, "voxel_march", *words)
    assert set(found["milliseconds"]) == {"ours", "grid_sample"}
    assert found["pictures apart"] < 1e-5
