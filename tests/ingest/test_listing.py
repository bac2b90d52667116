"""Which assets there are: folders by name, manifests row by row, seeds, and what may not be."""

import json
from pathlib import Path

import pytest

from esd_bench.ingest import of_manifest, of_path, passed_over
from esd_bench.prompts import Prompt
from tests.adapters.captures import ring_folder, trial
from tests.adapters.meshes import cube_gltf, cube_ply


def glb(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return cube_gltf().save(path)


def told(items):
    return [(i.path and i.path.name, i.method, i.prompt.text, i.seed) for i in items]


def test_a_folder_gives_prompts_by_name(tmp_path):
    for name in ("b_blue-car.glb", "a_red__cat.glb", ".hidden.glb"):
        glb(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "skin.png").write_bytes(b"")
    items = of_path(tmp_path, "mine", None, 0)
    assert told(items) == [
        ("a_red__cat.glb", "mine", "a red cat", 0),
        ("b_blue-car.glb", "mine", "b blue car", 0),
    ]
    assert all(item.guessed for item in items)


def test_assets_of_one_prompt_get_seeds_that_count_up(tmp_path):
    for name in ("a.glb", "b.glb", "c.glb"):
        glb(tmp_path / name)
    assert [i.seed for i in of_path(tmp_path, "mine", "a red cat", 4)] == [4, 5, 6]


def test_what_is_passed_over_is_known(tmp_path):
    for name in ("a.glb", "more/b.glb", "c.fbx", "notes.txt", "skin.png"):
        glb(tmp_path / name)
    ring_folder(tmp_path / "textures", 3)
    assert told(of_path(tmp_path, "mine", None, 0)) == [("a.glb", "mine", "a", 0)]
    assert [x.name for x in passed_over(tmp_path)] == ["c.fbx", "more", "textures"]
    assert passed_over(tmp_path / "a.glb") == passed_over(tmp_path / "textures") == []


def test_folders_of_pictures_without_meshes_are_assets(tmp_path):
    for name in ("a_cat", "a_dog"):
        ring_folder(tmp_path / name, 3)
    assert [x[2] for x in told(of_path(tmp_path, "mine", None, 0))] == ["a cat", "a dog"]
    assert passed_over(tmp_path) == []


def test_a_manifest(tmp_path):
    for name in ("a.glb", "more/b.glb"):
        glb(tmp_path / name)
    rows = 'path,method,prompt,seed\na.glb,one,"a cat, red",3\nmore/b.glb,two,a dog,\n,two,a dog,\n'
    (tmp_path / "list.csv").write_text("\ufeff" + rows)
    expected = [
        ("a.glb", "one", "a cat, red", 3),
        ("b.glb", "two", "a dog", 0),
        (None, "two", "a dog", 1),
    ]
    assert told(of_manifest(tmp_path / "list.csv", None, 0)) == expected
    lines = [
        {"path": "a.glb", "method": "one", "prompt": "a cat, red", "seed": 3},
        {"path": "more/b.glb", "prompt": "a dog"},
        {"path": "", "prompt": "a dog", "seed": None},
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert told(of_manifest(tmp_path / "list.jsonl", "two", 0)) == expected


def test_rows_end_where_csv_and_jsonl_say(tmp_path):
    glb(tmp_path / "a.glb")
    (tmp_path / "list.csv").write_text('path,prompt\r\na.glb,"a cat\u2028on a mat"\r\n')
    (tmp_path / "list.jsonl").write_text('{"path": "a.glb", "prompt": "a cat\u2028on a mat"}\r\n')
    for name in ("list.csv", "list.jsonl"):
        (item,) = of_manifest(tmp_path / name, "mine", 0)
        assert item.prompt.text == "a cat\u2028on a mat"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("path,prompt\n../a.glb,x\n", "line 2: .*leaves its folder"),
        ("path,prompt\n/etc/passwd,x\n", "leaves"),
        ("path,prompt\nlink.glb,x\n", "leaves"),
        ("path,prompt,colour\na.glb,x,red\n", "columns are"),
        ("path,prompt\na.glb,\n", "needs a prompt"),
        ("path,prompt,seed\na.glb,x,-1\n", "whole number"),
        ("path,prompt,seed\na.glb,x,1\na.glb,x,1\n", "have the seed 1"),
        ("path,prompt,method\na.glb,x,../m\n", "method's name"),
        ("path,prompt\na.glb,x,y,z\n", "more cells than columns"),
        ("method,prompt\nmine,x\n", "line 2: no path"),
        (f"path,prompt\n{'x' * 300},x\n", "too long"),
        ("", "lists no assets"),
    ],
)
def test_bad_manifests_are_one_line(tmp_path, rows, said):
    inside = tmp_path / "inside"
    glb(inside / "a.glb")
    (inside / "link.glb").symlink_to(glb(tmp_path / "outside.glb"))
    (inside / "list.csv").write_text(rows)
    with pytest.raises(ValueError, match=said) as caught:
        of_manifest(inside / "list.csv", "mine", 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "mine.py", "..", ".hidden", "x" * 65, "ä"])
def test_names_of_methods_that_would_not_do(tmp_path, name):
    with pytest.raises(ValueError, match="method"):
        of_path(glb(tmp_path / "a.glb"), name, None, 0)


def test_nothing_to_ingest_is_said(tmp_path):
    with pytest.raises(ValueError, match="no asset"):
        of_path(tmp_path, "mine", None, 0)
    with pytest.raises(ValueError, match="no file or folder"):
        of_path(tmp_path / "absent", "mine", None, 0)


def test_methods_that_would_share_a_folder_do_not_share_seeds(tmp_path):
    glb(tmp_path / "a.glb")
    rows = "path,method,prompt\na.glb,my-one,x\na.glb,my_one,x\n"
    (tmp_path / "list.csv").write_text(rows)
    assert [i.seed for i in of_manifest(tmp_path / "list.csv", None, 0)] == [0, 1]


def test_assets_are_numbered_as_people_count(tmp_path):
    for name in ("cat_10.glb", "cat_9.glb"):
        glb(tmp_path / name)
    items = of_path(tmp_path, "mine", "a cat", 0)
    assert [(i.path.name, i.seed) for i in items] == [("cat_9.glb", 0), ("cat_10.glb", 1)]


def test_the_present_folder_has_a_name(tmp_path, monkeypatch):
    place = ring_folder(tmp_path / "a_red_cat", 4)
    monkeypatch.chdir(place)
    (item,) = of_path(Path(), "mine", None, 0)
    assert item.prompt.text == "a red cat"


def test_a_file_that_nothing_reads_is_no_tree(tmp_path):
    (tmp_path / "a_cat.fbx").write_bytes(b"")
    assert told(of_path(tmp_path / "a_cat.fbx", "mine", None, 0)) == [
        ("a_cat.fbx", "mine", "a cat", 0)
    ]


def test_one_file_is_one_asset(tmp_path):
    path = cube_ply(tmp_path / "a.ply")
    assert told(of_path(path, "mine", "a cube", 7)) == [("a.ply", "mine", "a cube", 7)]


# ---- trees that say whose their assets are ---------------------------------------------------------------------------


def gpteval3d(tmp_path):
    for place in ("mvdream/0/0", "mvdream/0/1", "mvdream/12/0", "shap-e/12/0"):
        ring_folder(tmp_path / place, 4, name="rgb_{}.png")
    return tmp_path


def test_seeds_of_a_tree_may_have_names_or_none(tmp_path):
    for place in ("m/cat/seed_3", "m/cat/seed_12", "m/dog/one", "m/dog/two"):
        ring_folder(tmp_path / place, 4, name="rgb_{}.png")
    assert [(i.prompt.text, i.seed) for i in of_path(tmp_path, None, None, 0)] == [
        ("cat", 3), ("cat", 12), ("dog", 0), ("dog", 1),
    ]  # fmt: skip


def test_numbers_of_a_tree_mean_prompts_of_a_suite(tmp_path):
    suite = [
        Prompt("a cat", "list-000", source="list/0"),
        Prompt("a dog", "list-012", source="list/12"),
    ]
    items = of_path(gpteval3d(tmp_path), None, None, 0, suite)
    assert [(i.method, i.prompt.text, i.seed, i.guessed) for i in items] == [
        ("mvdream", "a cat", 0, False),
        ("mvdream", "a cat", 1, False),
        ("mvdream", "a dog", 0, False),
        ("shap-e", "a dog", 0, False),
    ]
    with pytest.raises(ValueError, match="'12' is no prompt of the suite"):
        of_path(tmp_path, None, None, 0, suite[:1])


def test_without_a_suite_the_numbers_are_guessed_to_be_prompts(tmp_path):
    items = of_path(gpteval3d(tmp_path), None, None, 0)
    assert {i.prompt.text for i in items} == {"0", "12"}
    assert all(i.guessed for i in items)


def test_a_tree_of_trials_says_method_prompt_and_seed_unless_the_user_does(tmp_path):
    trial(tmp_path / "prolificdreamer" / "a_corgi@20240102-030405")
    (item,) = of_path(tmp_path, None, None, 0)
    assert item.prompt.text
    assert not item.guessed
    (mine,) = of_path(tmp_path, "mine", "a red cat", 0)
    assert (mine.method, mine.prompt.text) == ("mine", "a red cat")


def test_what_is_no_tree_needs_a_method(tmp_path):
    with pytest.raises(ValueError, match="--method NAME"):
        of_path(glb(tmp_path / "a.glb"), None, None, 0)
