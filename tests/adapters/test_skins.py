"""glTF's skins and morph targets: a bar that lies in its file and stands by its joint; positions follow from the formula."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from esd_bench.adapters import Refused, _skins
from esd_bench.adapters._files import Folder
from esd_bench.adapters._gltf import Arrays, parse
from esd_bench.adapters.gltf import _Scene, gltf
from esd_bench.cameras import orbit
from tests.adapters.meshes import BAR, Gltf, bar, cube_gltf


def corners(made: Gltf, folder: Path) -> np.ndarray:
    path = made.save(folder / "bar.glb")
    tree, binary = parse(path.read_bytes())
    scene = _Scene(tree, Arrays(tree, binary, Folder(path), 10**7), 10**6)
    return scene.surface(10**4).vertices.numpy()


STANDING = np.stack([1 - BAR[:, 1], BAR[:, 0], BAR[:, 2]], 1)  # turned about (1, 0, 0), then 1 up


def test_the_bar_stands_as_its_joint_does_and_its_own_node_does_not_count(tmp_path):
    np.testing.assert_allclose(corners(bar(), tmp_path), STANDING, atol=1e-6)
    asset = gltf(tmp_path / "bar.glb")
    assert asset.facts["moved_by"] == {"skins": 1}
    assert "left_alone" not in asset.facts
    low, high = asset.points.amin(0), asset.points.amax(0)
    torch.testing.assert_close(
        torch.stack([low, high]),
        torch.tensor([[0.9, 0, 0], [1.1, 2, 0]]),
        atol=0.01,
        rtol=0,
    )
    camera = orbit(torch.zeros(1), torch.zeros(1), 8.0, 0.6, 64)
    seen = asset.look(camera)[0, 3] > 127
    rows, columns = seen.any(1).sum(), seen.any(0).sum()
    assert rows > 3 * columns > 0  # lying in its file it is ten times as wide as high


def test_without_a_skin_the_node_places_it_and_the_joints_say_nothing(tmp_path):
    made = bar()
    del made.tree["nodes"][0]["skin"]
    np.testing.assert_allclose(corners(made, tmp_path), 3 * BAR + np.array([50, 60, 70]), atol=1e-5)
    assert "moved_by" not in gltf(tmp_path / "bar.glb").facts


def test_a_mesh_that_names_no_joints_stays_where_its_node_is(tmp_path):
    made = bar()
    del made.tree["meshes"][0]["primitives"][0]["attributes"]["JOINTS_0"]
    np.testing.assert_allclose(corners(made, tmp_path), 3 * BAR + np.array([50, 60, 70]), atol=1e-5)


def test_without_inverse_bind_matrices_they_are_identities(tmp_path):
    x, y, z = BAR.T
    np.testing.assert_allclose(
        corners(bar(back=None), tmp_path), np.stack([1 - y, 1 + x, z], 1), atol=1e-6
    )


def blended(share: float) -> np.ndarray:
    """Between standing and what the second joint does: 1 up and 4 to the front."""
    return share * STANDING + (1 - share) * (BAR + np.array([0, 1, 4]))


@pytest.mark.parametrize(
    ("kind", "top", "more"),
    [
        ("f4", 1, {}),
        ("f4", 0.5, {}),  # a sum of 0.5 is brought to 1
        ("u1", 255, {"normalized": True}),
        ("u2", 65535, {"normalized": True}),
    ],
)
@pytest.mark.parametrize("joint", ["u1", "u2"])
def test_weights_of_any_type_blend(tmp_path, kind, top, more, joint):
    parts = np.array([[0.2, 0.8, 0, 0], [0.6, 0.4, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    stored = parts * top if kind == "f4" else np.rint(parts * top)
    joints = np.tile([0, 1, 9, 9], (4, 1))  # what has no weight may name anything
    made = bar(joints=joints, weights=stored, kinds=(joint, kind), more=more)
    expected = np.array([blended(s)[i] for i, s in enumerate(parts[:, 0])])
    np.testing.assert_allclose(corners(made, tmp_path), expected, atol=1e-6)


def test_a_second_set_of_joints_counts(tmp_path):
    made = bar(weights=np.tile([0.25, 0, 0, 0], (4, 1)))
    given = made.tree["meshes"][0]["primitives"][0]["attributes"]
    given["JOINTS_1"] = made.array(np.tile([1, 0, 0, 0], (4, 1)), "u1")
    given["WEIGHTS_1"] = made.array(np.tile([0.5, 0.25, 0, 0], (4, 1)))
    np.testing.assert_allclose(corners(made, tmp_path), blended(0.5), atol=1e-6)


def test_many_vertices_are_posed_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    vertices, joints = rng.normal(size=(1000, 3)), rng.integers(0, 5, (1000, 8))
    weights, joint = rng.random((1000, 8)).astype("f4"), rng.normal(size=(5, 4, 4))
    joint[:, 3] = [0, 0, 0, 1]
    weights[7] = 0
    share = weights.astype(float) / np.maximum(weights.astype(float).sum(1), 1e-9)[:, None]
    skin = np.einsum("kj,kjab->kab", share, joint[joints])
    skin[7] = np.eye(4)
    expected = (skin @ np.concatenate([vertices, np.ones((1000, 1))], 1)[..., None])[:, :3, 0]
    monkeypatch.setattr(_skins, "PIECE", 64)
    np.testing.assert_allclose(_skins.posed(vertices, joints, weights, joint), expected, atol=1e-12)


def test_what_no_joint_carries_stays_where_it_was_bound(tmp_path):
    weights = np.tile([1.0, 0, 0, 0], (4, 1))
    weights[2] = 0
    found = corners(bar(weights=weights), tmp_path)
    np.testing.assert_allclose(found[[0, 1, 3]], STANDING[[0, 1, 3]], atol=1e-6)
    np.testing.assert_allclose(found[2], BAR[2], atol=1e-6)


def test_one_mesh_in_two_skins_stands_in_two_places(tmp_path):
    made = bar()
    made.tree["nodes"].append({"mesh": 0, "skin": 1})
    made.tree["scenes"][0]["nodes"].append(4)
    made.tree["skins"].append({"joints": [3]})
    found = corners(made, tmp_path)
    np.testing.assert_allclose(found[:4], STANDING, atol=1e-6)
    np.testing.assert_allclose(found[4:], BAR + np.array([1, 1, 4]), atol=1e-6)


def test_far_from_the_origin_the_pose_is_as_exact(tmp_path):
    rng = np.random.default_rng(0)
    made = bar(joints=np.tile([0, 1, 0, 1], (4, 1)), weights=rng.random((4, 4)))
    near = corners(made, tmp_path)
    made.tree["nodes"][1]["translation"] = [1e7, 1, 0]
    np.testing.assert_allclose(corners(made, tmp_path) - [1e7, 0, 0], near, atol=1e-7)


def test_animations_are_not_played_and_the_record_says_so(tmp_path):
    made = bar()
    made.tree["animations"] = [{"channels": [], "samplers": []}] * 2
    asset = gltf(made.save(tmp_path / "bar.glb"))
    assert asset.facts["left_alone"] == {"animations": 2}


# ---- morph targets -----------------------------------------------------------------------------------------------------


def morphing(**node: Any) -> Gltf:
    made = bar()
    part = made.tree["meshes"][0]["primitives"][0]
    up = made.array(np.tile([0, 0, 1.0], (4, 1)))
    out = made.array(BAR)
    part["targets"] = [{"POSITION": up}, {"POSITION": out}, {"NORMAL": up}]
    made.tree["nodes"][0].update(node)
    return made


@pytest.mark.parametrize(
    ("mesh", "node", "expected"),
    [
        (None, None, BAR),
        ([0, 0, 0], None, BAR),
        ([0.5, 1, 1], None, 2 * BAR + np.array([0, 0, 0.5])),
        ([0.5, 1, 1], [2, 0, 0], BAR + np.array([0, 0, 2])),
        ([0.5], None, BAR + np.array([0, 0, 0.5])),
    ],
)
def test_morph_targets_stand_at_the_weights_that_are_stored(tmp_path, mesh, node, expected):
    made = morphing(**({"weights": node} if node else {}))
    if mesh:
        made.tree["meshes"][0]["weights"] = mesh
    x, y, z = expected.T  # morphed first, posed then
    found = corners(made, tmp_path)
    np.testing.assert_allclose(found, np.stack([1 - y, x, z], 1), atol=1e-6)
    moved_by = gltf(tmp_path / "bar.glb").facts["moved_by"]
    assert moved_by.get("morph targets", 0) == np.count_nonzero((node or mesh or [])[:2])


# ---- broken and hostile files ------------------------------------------------------------------------------------------


def attributes(made: Gltf) -> dict[str, int]:
    return made.tree["meshes"][0]["primitives"][0]["attributes"]


def weighted(value: float) -> Gltf:
    return bar(weights=np.tile([value, 1, 0, 0], (4, 1)))


def changed(change: Any, made: Gltf | None = None) -> Gltf:
    made = made or bar()
    change(made)
    return made


WRONG = {
    "names joint 2 of a skin of 2": lambda: bar(joints=np.full((4, 4), 2)),
    "names joint 65535": lambda: bar(joints=np.full((4, 4), 65535), kinds=("u2", "f4")),
    "not a number from 0": lambda: weighted(np.nan),
    "WEIGHTS_0 has a weight": lambda: weighted(-0.5),
    "is not a number from": lambda: weighted(np.inf),
    "four of each": lambda: changed(lambda m: attributes(m).update(JOINTS_0=1)),
    "are not four": lambda: changed(lambda m: m.tree["accessors"][0].update(count=3)),
    "no accessors number 99": lambda: changed(lambda m: attributes(m).update(WEIGHTS_0=99)),
    "no skins number 7": lambda: changed(lambda m: m.tree["nodes"][0].update(skin=7)),
    "has no joints": lambda: changed(lambda m: m.tree["skins"][0].update(joints=[])),
    "or more than 65536": lambda: changed(lambda m: m.tree["skins"][0].update(joints=[2] * 65537)),
    "joint 99 of skins": lambda: changed(lambda m: m.tree["skins"][0].update(joints=[2, 99])),
    "joint x+ of skins": lambda: changed(lambda m: m.tree["skins"][0].update(joints=["x" * 999])),
    "is not in the scene": lambda: changed(lambda m: m.tree["scenes"][0].update(nodes=[0])),
    "no inverse bind matrix": lambda: bar(back=np.full((2, 16), np.nan)),
    "inverse bind matrix for each": lambda: bar(back=np.eye(4).reshape(1, 16)),
    "not a finite number": lambda: changed(
        lambda m: m.tree["nodes"][2].update(scale=[1e308] * 3), bar(back=np.full((2, 16), 3e38))
    ),
    "another number of vertices": lambda: changed(
        lambda m: m.tree["accessors"][-2].update(count=3), morphing(weights=[1])
    ),
    "is not 2 numbers": lambda: morphing(weights=[1, None]),
}


@pytest.mark.parametrize("said", WRONG)
def test_wrong_files_are_one_line_that_says_why(tmp_path, said):
    path = WRONG[said]().save(tmp_path / "a.glb")
    with pytest.raises(ValueError, match=said) as caught:
        gltf(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert not isinstance(caught.value, Refused)


def test_joints_without_end_are_refused(tmp_path):
    made = bar()
    for number in range(1, 5):
        attributes(made)[f"JOINTS_{number}"] = attributes(made)["JOINTS_0"]
        attributes(made)[f"WEIGHTS_{number}"] = attributes(made)["WEIGHTS_0"]
    with pytest.raises(Refused, match="more than 16 joints"):
        gltf(made.save(tmp_path / "a.glb"))
    made = bar(back=None)
    made.tree["skins"][0]["joints"] = [2] * 60000
    made.tree["nodes"] += [{"mesh": 0, "skin": 0}] * 1000
    made.tree["scenes"][0]["nodes"] += range(4, 1004)
    with pytest.raises(Refused, match="max_faces"):
        gltf(made.save(tmp_path / "a.glb"), max_faces=10**5)


def test_joints_of_a_file_without_skins_are_not_looked_at(tmp_path):
    made = cube_gltf()
    attributes(made).update(JOINTS_0=99, WEIGHTS_0=99)
    assert gltf(made.save(tmp_path / "a.glb")).facts["faces"] == 12
