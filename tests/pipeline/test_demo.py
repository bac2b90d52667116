"""The demo from end to end, in little and, when asked for, whole."""

from dataclasses import replace

import pytest
from PIL import Image

from esd_bench import reference
from esd_bench.demo import Demo, grid, summarise
from esd_bench.generate import generate
from esd_bench.spec import Choice, RunSpec
from esd_bench.store import RunStore
from tests.pipeline.command import command

LITTLE = {"grids": (6, 12), "samples": 8, "evaluation_samples": 8}


def little() -> list[RunSpec]:
    """The grid of one prompt, with coarse scenes and few views."""
    specs = grid((6, 3))
    scene, views = Choice.of("scenes", "voxels", LITTLE), ("sphere:12", "ring:15:12")
    few = [spec for spec in specs if spec.prompt == specs[0].prompt]
    return [replace(spec, scene=scene, views=views) for spec in few]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Demo, str]:
    """A little demo and what it said."""
    root, specs, said = tmp_path_factory.mktemp("demo"), little(), []
    list(generate(specs, RunStore(root)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reference, "BATCH", 4)
        return summarise(root, specs, said.append, references=4), "\n".join(said)


def test_everything_starts_from_the_sds_scene(made):
    runs = made[0].runs
    assert [run.spec.method.title for run in runs] == ["sds", "vsd", "esd"]
    assert [run.record.status for run in runs] == ["finished"] * 3
    assert [run.record.warm_start for run in runs] == ["", runs[0].id, runs[0].id]


def test_everything_is_scored_and_tabled(made):
    found, said = made
    assert "not scored" not in said
    for path in found.tables:
        assert "ESD (λ = 0.5)" in path.read_text()
        assert path.read_text().strip() in said
        assert path.with_suffix(".tex").is_file()
    assert all(run in found.runs for run in found.successes)


def test_the_assets_lie_side_by_side(made):
    with Image.open(made[0].picture) as picture:
        assert picture.size == (150 + 3 * 6 * 64, 20 + 64)


@pytest.mark.slow
def test_the_demo_on_the_command_line(tmp_path):
    words = ("demo", "--out", tmp_path, "--workers", "2", "--steps", "6,3")
    said = command(*words)
    assert said.code == 0, said.err
    assert f"all assets side by side: {tmp_path / 'demo.png'}" in said.out
    assert f"open {tmp_path / 'report' / 'index.html'} in a browser" in said.out
    assert (tmp_path / "report" / "index.html").is_file()
    assert f"esd-bench label {tmp_path}" in said.out
    assert {run.record.warm_start != "" for run in RunStore(tmp_path).find(method="esd")} == {True}
    assert "0 of 6 assets to make" in command(*words).out
