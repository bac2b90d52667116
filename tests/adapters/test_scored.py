"""What can be scored of pictures: by the name of their view set the scorer knows what it may ask of them."""

import pytest
import torch

from esd_bench.adapters import Pictures
from esd_bench.adapters.pictures import pictures
from esd_bench.prompts import Prompt
from esd_bench.spec import Choice, RunSpec, Stage
from esd_bench.store import Run, RunRecord
from tests.adapters.captures import blender, ring_folder, turns
from tests.pipeline.test_score import World, on

POSE_FREE = {"clip_distance", "fid", "inception", "kid"}


def stored(world: World, found: Pictures) -> Run:
    """A finished run with the pictures that an adapter gave."""
    stage = Stage(
        Choice.of("methods", "sds"), Choice.of("schedules", "uniform"), Choice("none"), steps=1
    )
    spec = RunSpec(
        "suite", Prompt("a red cat"), world.prior, Choice("voxels"), (stage,), 0,
        views=tuple(found.views), engine="ingest",
    )  # fmt: skip
    with world.store.begin([spec]):
        for name, views in found.views.items():
            views.save(world.store.working(spec) / "views" / name.replace(":", "-"))
        digests = {name: views.digest for name, views in found.views.items()}
        record = RunRecord("finished", views=digests, prior="d" * 64)
        return world.store.finish(spec, record, {})


@pytest.mark.parametrize("make", [
    lambda path: pictures(ring_folder(path, 14, size=8)),
    lambda path: pictures(blender(path, [0.0, 10.0, *turns(12)[2:]], size=8)),
], ids=["unposed", "given"])  # fmt: skip
def test_pictures_from_anywhere_get_what_does_not_need_a_ring(tmp_path, make):
    world = World(tmp_path)
    run = stored(world, make(tmp_path / "asset"))
    summary = world.score()
    assert not summary.problems
    scores = world.store.scores(run)
    assert set(scores) >= POSE_FREE
    assert "janus" not in scores
    assert all(isinstance(x["value"], float) for x in scores["inception"]["scores"])
    assert scores["fid"]["comparability"]["protocol"] == run.spec.views[0]
    (line,) = [x for x in summary.skipped if x.startswith("janus")]
    (name,) = run.spec.views
    assert line == (
        f"janus: no views ring:15:36 of runs by ingest, which have {name} and no scene to look at again"
    )


def test_a_ring_gets_what_needs_a_ring(tmp_path):
    world = World(tmp_path)
    run = stored(world, pictures(ring_folder(tmp_path / "asset", 14, size=8), arranged="ring"))
    summary = world.score()
    assert not summary.problems
    assert set(world.store.scores(run)) == set(on("ring"))
    assert any(
        "no views sphere:120 of runs by ingest, which have ring:15:14" in x for x in summary.skipped
    )
    assert torch.isfinite(torch.tensor(world.store.scores(run)["janus"]["scores"][0]["value"]))


def test_a_ring_is_scored_as_what_it_is_where_a_sphere_is_asked_for(tmp_path):
    world = World(tmp_path)
    found = pictures(ring_folder(tmp_path / "asset", 14, size=8), arranged="ring")
    run, (name,) = stored(world, found), found.views
    summary = world.score(views=(f"sphere={name}",))
    assert not summary.problems
    scores = world.store.scores(run)
    assert set(scores) >= {*POSE_FREE, "janus"}
    assert scores["fid"]["comparability"]["protocol"] == name
