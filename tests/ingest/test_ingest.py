"""Assets become ordinary runs: seen from the right side, made once, counted when broken, scored and tabulated."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from esd_bench.adapters import Pictures
from esd_bench.cameras import protocol
from esd_bench.ingest import Settings, _reading, ingest, of_manifest, of_path
from esd_bench.store import RunStore
from esd_bench.stored import views_of
from esd_bench.views import ViewSet
from tests.adapters.captures import blender, trial, turns
from tests.adapters.meshes import SIDES, cube_gltf, cube_obj, cube_stl
from tests.adapters.test_mesh_files import textured_obj
from tests.pipeline.command import command

pytest.importorskip("trimesh")

VIEWS = ("sphere:6", "ring:15:4")
QUICK = Settings(views=VIEWS, size=32)
WORDS = ("--views", "sphere:6", "--views", "ring:15:4", "--size", "32")
# From +y up and front on +z to +z up and front on -y.
STANDING = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def one(path, store, settings=QUICK, prompt="a cube"):
    summary = ingest(of_path(path, "mine", prompt, 0), store, settings)
    assert not summary.refused
    return summary


def test_the_ring_goes_round_the_cube(tmp_path, runs):
    (run,) = one(cube_gltf().save(tmp_path / "a.glb"), runs).made
    views = views_of(run, "ring:15:4")
    middle = views.rgba[:, :3, 18, 16].int()
    for picture, side in zip(middle, ("front", "right", "back", "left"), strict=True):
        expected = [int(x * 255 + 0.5) for x in SIDES[side][1]]
        assert (picture - torch.tensor(expected)).abs().max() <= 1
    assert torch.equal(views.cameras.c2w, protocol("ring:15:4", 32).c2w)
    assert (run.spec.id, run.record.label) == (run.id, "mine")
    source = run.record.source
    assert source["radius"] == pytest.approx(3**0.5, rel=0.02)
    assert source["distance"] == pytest.approx(2.9 * source["radius"])
    assert (source["up"], source["front"], source["adapter"]) == ("+y", "+z", "gltf")
    assert source["file"] == "a.glb"
    assert source["faces"] == 12
    assert 0.7 < source["fill_ratio"]["sphere:6"] <= 1


def test_the_user_says_which_way_is_up(tmp_path, runs):
    (plain,) = one(cube_obj(tmp_path, "plain"), runs).made
    turned = Settings(views=VIEWS, size=32, up="+z", front="-y", suite="other")
    (standing,) = one(cube_obj(tmp_path, "standing", STANDING), runs, turned).made
    for name in VIEWS:
        a, b = views_of(plain, name).rgba.int(), views_of(standing, name).rgba.int()
        differ = (a - b).abs()
        assert differ.float().mean() < 0.2  # an edge may fall to the other side of a sample
        assert (differ.amax(1) <= 1).float().mean() > 0.97
    wrong = Settings(views=VIEWS, size=32, suite="wrong")
    (lying,) = one(cube_obj(tmp_path, "standing", STANDING), runs, wrong).made
    assert (
        views_of(lying, "ring:15:4").rgba.int() - views_of(plain, "ring:15:4").rgba
    ).abs().max() > 99


def test_what_is_there_is_kept_and_what_changed_takes_its_place(tmp_path, runs):
    path = cube_gltf().save(tmp_path / "a.glb")
    (run,) = one(path, runs).made
    digest = run.record.views
    assert [x.id for x in one(path, runs).kept] == [run.id]
    again = one(path, runs, Settings(views=VIEWS, size=32, again=True))
    assert [(x.id, x.record.views) for x in again.made] == [(run.id, digest)]
    made = cube_gltf()
    made.tree["nodes"][0]["scale"] = [1, 2, 1]
    made.save(path)
    (changed,) = one(path, runs).made
    assert changed.id == run.id
    assert changed.record.views != digest
    for other in (
        Settings(views=VIEWS, size=48),
        Settings(views=("sphere:5",), size=48),
        Settings(views=("sphere:5",), size=48, up="+x", front="+y"),
    ):
        assert len(one(path, runs, other).made) == 1
        assert len(runs.find()) == 1
    assert runs.find()[0].spec.views == ("sphere:5",)


def test_another_texture_is_another_asset(tmp_path, runs):
    Image.new("RGB", (2, 2), "red").save(tmp_path / "skin.png")
    path = textured_obj(tmp_path)
    assert len(one(path, runs).made) == 1
    assert len(one(path, runs).kept) == 1
    Image.new("RGB", (2, 2), "blue").save(tmp_path / "skin.png")
    assert len(one(path, runs).made) == 1
    (tmp_path / "skin.png").unlink()
    summary = one(path, runs)
    assert "not there" in summary.failed[0][1]
    assert len(runs.find()) == 1


def test_a_failure_is_looked_at_again(tmp_path, runs):
    path = textured_obj(tmp_path)
    assert "not there" in one(path, runs).failed[0][1]
    assert (len(one(path, runs).kept), len(one(path, runs).failed)) == (1, 1)
    Image.new("RGB", (2, 2), "red").save(tmp_path / "skin.png")
    summary = one(path, runs)
    assert (len(summary.made), summary.replaced, summary.failed) == (1, 1, [])
    assert [run.record.status for run in runs.find()] == ["finished"]


def test_axes_that_do_not_fit_cost_nobody_a_run(tmp_path, runs):
    path = cube_gltf().save(tmp_path / "a.glb")
    (run,) = one(path, runs).made
    summary = ingest(
        of_path(path, "mine", "a cube", 0), runs, Settings(views=VIEWS, size=32, up="+z")
    )
    assert (summary.made, summary.failed) == ([], [])
    assert "not square to each other; say both" in summary.refused[0][1]
    assert [(x.id, x.record.status) for x in runs.find()] == [(run.id, "finished")]


def test_axes_of_cameras_are_said_as_those_of_meshes(tmp_path, runs):
    path = blender(tmp_path / "a", turns(4))
    (plain,) = one(path, runs).made
    above = "-z"
    (turned,) = one(path, runs, Settings(size=32, up=above, front="-y", suite="turned")).made
    assert turned.record.source["options"] == {"front": "-y", "up": above}
    first, second = (views_of(x, x.spec.views[0]).cameras.elevation for x in (plain, turned))
    torch.testing.assert_close(first, -second)
    summary = ingest(of_path(path, "mine", "x", 0), runs, Settings(size=32, up="+y", suite="no"))
    assert "say both" in summary.refused[0][1]


def test_what_another_process_makes_is_left_to_it(tmp_path, runs):
    for name in ("a", "b"):
        cube_gltf().save(tmp_path / f"{name}.glb")
    items = of_path(tmp_path, "mine", None, 0)
    (run,) = ingest(items[:1], runs, QUICK).made
    again = Settings(views=VIEWS, size=32, again=True)
    with runs.begin([run.spec]):
        summary = ingest(items, runs, again)
    assert "another process" in summary.refused[0][1]
    assert [x.spec.prompt.text for x in summary.made] == ["b"]
    assert len(runs.find()) == 2


def test_checkpoints_of_a_trial_are_not_read(tmp_path, runs):
    path = trial(tmp_path / "t" / "x@1")
    (run,) = one(path, runs).made
    (path / "ckpts" / "last.ckpt").write_bytes(b"a pickle")
    assert [x.id for x in one(path, runs).kept] == [run.id]
    (path / "configs" / "more.yaml").write_text("")
    assert len(one(path, runs).made) == 1


def test_a_pipe_is_not_waited_for(tmp_path, runs):
    os.mkfifo(tmp_path / "a.glb")
    summary = ingest(of_path(tmp_path / "a.glb", "mine", "a cat", 0), runs, QUICK)
    assert "neither a file nor a folder" in summary.refused[0][1]


def test_what_people_judged_is_not_replaced_unasked(tmp_path, runs):
    (run,) = one(cube_gltf().save(tmp_path / "a.glb"), runs).made
    (run.folder / "labels").mkdir()
    (run.folder / "labels" / "human.json").write_text("{}")
    assert len(one(tmp_path / "a.glb", runs).kept) == 1
    other = of_path(cube_stl(tmp_path / "b.stl"), "mine", "a cube", 0)
    summary = ingest(other, runs, QUICK)
    assert "people have judged" in summary.refused[0][1]
    assert (run.folder / "labels" / "human.json").is_file()
    summary = ingest(other, runs, Settings(views=VIEWS, size=32, again=True))
    assert (len(summary.made), summary.replaced) == (1, 1)


def test_broken_assets_count_and_refused_ones_do_not(tmp_path, runs):
    cube_gltf().save(tmp_path / "good.glb")
    (tmp_path / "broken.glb").write_bytes(b"glTF")
    (tmp_path / "strange.xyz").write_bytes(b"")
    cube_stl(tmp_path / "large.stl")
    rows = ["path,prompt"] + [
        f"{x},a cube"
        for x in ("good.glb", "broken.glb", "large.stl", "absent.glb", "strange.xyz", "")
    ]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    settings = Settings(views=VIEWS, size=32, options={"max_faces": "12"})
    summary = ingest(of_manifest(tmp_path / "list.csv", "mine", 0), runs, settings)
    assert len(summary.made) == 4
    reasons = [(item.path and item.path.name, why) for item, why in summary.failed]
    assert [name for name, _ in reasons] == ["broken.glb", None]
    assert "cut off" in reasons[0][1]
    assert reasons[1][1] == "the method made nothing"
    assert [item.path.name for item, _ in summary.refused] == ["absent.glb", "strange.xyz"]
    stored = {(run.spec.seed, run.record.status) for run in runs.find()}
    assert stored == {(0, "finished"), (1, "failed"), (2, "finished"), (5, "failed")}
    fewer = Settings(views=VIEWS, size=32, options={"max_faces": 11}, suite="fewer")
    summary = ingest(of_path(tmp_path / "large.stl", "mine", "x", 0), runs, fewer)
    assert "max_faces" in summary.refused[0][1]
    assert runs.find(suite="fewer") == []
    again = ingest(of_manifest(tmp_path / "list.csv", "mine", 0), runs, settings)
    assert (len(again.made), len(again.kept), len(again.failed)) == (0, 4, 2)


def test_pictures_bring_their_own_views_and_say_where_they_come_from(tmp_path, runs, monkeypatch):
    cameras = protocol("ring:15:3", 16)
    rgba = torch.full((3, 4, 16, 16), 200, dtype=torch.uint8)
    found = Pictures({"ring:15:3": ViewSet(rgba, cameras, "ring:15:3")}, {"lossy": "mp4"})
    monkeypatch.setattr(_reading, "read", lambda *_: found)
    (run,) = one(cube_gltf().save(tmp_path / "a.glb"), runs).made
    assert run.spec.views == ("ring:15:3",)
    assert run.record.source["lossy"] == "mp4"
    assert torch.equal(views_of(run, "ring:15:3").rgba, rgba)
    monkeypatch.setattr(
        _reading,
        "read",
        lambda *_: Pictures({"ring:15:3": ViewSet(rgba * 0, cameras, "ring:15:3")}),
    )
    again = one(tmp_path / "a.glb", runs, Settings(views=VIEWS, size=32, again=True))
    assert "nothing was left to see" in again.failed[0][1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"views": ("cube:3",)}, "view protocol"),
        ({"up": "+y", "front": "-y"}, "not square"),
        ({"up": "+w"}, "an axis is"),
        ({"options": {"colour": "red"}}, "no adapter has an option 'colour'"),
        ({"options": {"max_faces": "many"}}, "max_faces"),
        ({"size": 10**6}, "at most 4096"),
        ({"size": 4096}, "156 views of 4096 x 4096 take .* --size 1311 at most"),
        ({"size": 1312}, "--size 1311 at most"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_read(changes, said):
    with pytest.raises(ValueError, match=said):
        Settings(**changes)


def test_few_views_may_be_large():
    assert Settings(size=1311).side == 1311
    assert Settings(size=4096, views=("ring:15:16",)).side == 4096


def test_a_method_may_have_the_name_of_one_of_ours(tmp_path, runs):
    summary = ingest(of_path(cube_gltf().save(tmp_path / "a.glb"), "esd", None, 0), runs, QUICK)
    assert summary.made[0].record.label == "esd"
    assert summary.made[0].id.startswith("esd-asset-s0-")


def test_the_command_says_what_came_of_each(tmp_path):
    out, assets = tmp_path / "runs", tmp_path / "assets"
    assets.mkdir()
    cube_gltf().save(assets / "a_red_cat.glb")
    (assets / "b_broken.glb").write_bytes(b"glTF")
    (assets / "c.usdz").write_bytes(b"")
    said = command("ingest", assets, "--method", "mine", "--out", out, *WORDS)
    assert said.code == 2
    assert "a_red_cat.glb: 'a red cat', by its name" in said.err
    assert "passed over: c.usdz" in said.err
    assert "failed: " in said.err
    assert "cut off" in said.err
    assert "2 made, 0 kept; 1 of them failed, 0 not ingested" in said.out
    assert "0 made, 2 kept" in command("ingest", assets, "-m", "mine", "-o", out, *WORDS).out
    more = ("-m", "mine", "--prompt", "a red cat", "-o", out, *WORDS)
    told = command("ingest", cube_stl(tmp_path / "other.stl"), *more).out
    assert "1 took the place of an earlier run" in told


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("assets",),
        ("assets", "-m", "a/b"),
        ("assets", "-m", "mine", "--manifest", "x.csv"),
        ("--manifest", "absent.csv"),
        ("absent", "-m", "mine"),
        ("assets", "-m", "mine", "--suite", "../x"),
        ("assets", "-m", "mine", "--background", "pink"),
    ],
)
def test_bad_words_are_one_line(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").mkdir()
    said = command("ingest", *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


def test_assets_are_scored_and_tabulated_by_the_command_line(tmp_path, monkeypatch):
    """Objects in the manner of the embedded world, from a folder of GLBs to a table."""
    import trimesh

    monkeypatch.chdir(tmp_path)
    assets = tmp_path / "assets"
    assets.mkdir()
    for name, colour in (("a_red_cat", (220, 40, 40, 255)), ("a_blue_dog", (40, 60, 220, 255))):
        body = trimesh.creation.capsule(0.5, 0.6)
        head = trimesh.creation.icosphere(radius=0.4)
        head.apply_translation([0, 0.5, 0.4])
        for part in (body, head):
            material = trimesh.visual.material.PBRMaterial(baseColorFactor=colour)
            part.visual = trimesh.visual.TextureVisuals(
                uv=np.zeros((len(part.vertices), 2)), material=material
            )
        trimesh.Scene([body, head]).export(assets / f"{name}.glb")
    (assets / "a_green_car.glb").write_bytes(b"not a file")
    assert command("ingest", assets, "--method", "my-3d", *WORDS[:4]).code == 2
    only = ("--metric", "janus", "--metric", "inception")
    scored = command("score", "runs", *only, "--device", "cpu")
    assert scored.code == 0, scored.err
    assert "1 failed runs without scores" in scored.out
    told = command("report", "runs", "--table", "collapse", "--format", "csv")
    assert told.code == 0, told.err
    assert "unknown words,my-3d" in told.out
    assert "1/3" in told.out
    assert command("report", "runs", "--table", "overview").code == 0
    assert command("sheet", "runs").code == 0
    run = RunStore("runs").find(status="finished")[0]
    scores = json.loads((run.folder / "scores" / "janus.json").read_text())
    assert scores["comparability"]["engine"] == "ingest"
