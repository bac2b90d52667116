"""Which assets there are: folders by name, manifests row by row, seeds, and what may not be."""

import json

import pytest

from esd_bench.ingest import of_manifest, of_path
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


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("path,prompt\n../a.glb,x\n", "line 2: .*leaves the manifest's folder"),
        ("path,prompt\n/etc/passwd,x\n", "leaves"),
        ("path,prompt\nlink.glb,x\n", "leaves"),
        ("path,prompt,colour\na.glb,x,red\n", "columns are"),
        ("path,prompt\na.glb,\n", "needs a prompt"),
        ("path,prompt,seed\na.glb,x,-1\n", "whole number"),
        ("path,prompt,seed\na.glb,x,1\na.glb,x,1\n", "have the seed 1"),
        ("path,prompt,method\na.glb,x,../m\n", "method's name"),
        ("path,prompt\na.glb,x,y,z\n", "columns are"),
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
    with pytest.raises(ValueError, match="method's name"):
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


def test_one_file_is_one_asset(tmp_path):
    path = cube_ply(tmp_path / "a.ply")
    assert told(of_path(path, "mine", "a cube", 7)) == [("a.ply", "mine", "a cube", 7)]
