import json
import re
import string
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench import plugins
from esd_bench.cameras import TrainingCameras
from esd_bench.prompts import Prompt, Wording
from esd_bench.spec import Choice, RunSpec, Stage, canonical, expand, label, packs, shard
from tests.specs import spec

WORDS = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), NUMBERS, st.text(max_size=8))
OPTIONS = st.one_of(VALUES, st.lists(VALUES, max_size=3).map(tuple))
CHOICES = st.builds(
    Choice,
    WORDS,
    st.dictionaries(WORDS, OPTIONS, max_size=4).map(lambda x: tuple(sorted(x.items()))),
)
STAGES = st.builds(
    Stage,
    CHOICES,
    CHOICES,
    CHOICES,
    steps=st.integers(1, 10**6),
    learning_rate=NUMBERS,
    regularisers=st.lists(st.tuples(WORDS, NUMBERS), max_size=2).map(tuple),
)
PAIRS = st.tuples(NUMBERS, NUMBERS)
SPECS = st.builds(
    RunSpec,
    suite=WORDS,
    prompt=st.builds(Prompt, st.text(min_size=1).filter(str.strip), tags=st.tuples(WORDS)),
    prior=CHOICES,
    scene=CHOICES,
    stages=st.lists(STAGES, min_size=1, max_size=3).map(tuple),
    seed=st.integers(0, 2**62),
    cameras=st.builds(TrainingCameras, PAIRS, PAIRS, PAIRS, NUMBERS),
    wording=st.builds(Wording, st.booleans(), NUMBERS),
    views=st.lists(WORDS, max_size=3).map(tuple),
)


@given(SPECS)
def test_a_spec_comes_back_from_json_whole(made):
    back = RunSpec.from_json(json.loads(json.dumps(made.to_json())))
    assert back == made
    assert asdict(back) == asdict(made)
    assert back.id == made.id


@given(SPECS)
def test_a_run_id_is_safe_in_a_path(made):
    assert re.fullmatch(r"[a-z-]+-s\d+-[0-9a-f]{8}", made.id)


def test_the_hash_is_what_it_was():
    """Stored runs are found by it: a change makes every finished run missing. Note it under Numbers."""
    assert spec().id == "esd-voxels-s0-e9af3a2d"
    assert spec().digest == "e9af3a2d3ff5b1589a8674d8a4b7d8997cbb2363627a41ce745daa5c7e9aef3f"


def test_describing_a_prompt_better_makes_no_new_run():
    described = replace(spec(), prompt=Prompt("a red cat", tags=("animal",), source="a suite"))
    assert described.id == spec().id
    assert RunSpec.from_json(described.to_json()).prompt.tags == ("animal",)


def test_the_hash_does_not_depend_on_how_a_value_was_written():
    assert Choice.of("methods", "esd", {"lambda": "1"}) == Choice.of(
        "methods", "ESD".lower(), {"entropy": 1.0}
    )
    assert canonical({"b": 1, "a": 2}) == '{"a":2,"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": Prompt("a blue cat")},
        {"seed": 1},
        {"suite": "other"},
        {"views": ("sphere:60",)},
        {"view_size": 32},
        {"wording": Wording(False)},
        {"cameras": TrainingCameras((0, 10))},
        {"scene": Choice("hashgrid")},
        {"stages": spec().stages * 2},
        {"stages": (replace(spec().stages[0], floor=0.0),)},
    ],
)
def test_everything_that_decides_the_pictures_is_in_the_hash(change):
    assert replace(spec(), **change).digest != spec().digest


def test_a_shared_stage_is_known_by_what_made_it():
    one = spec()
    longer = replace(one, stages=one.stages * 2, suite="other", views=("sphere:60",))
    assert longer.prefix(1) == one.prefix(1)
    assert longer.prefix(2) != one.prefix(1)
    assert replace(one, seed=1).prefix(1) != one.prefix(1)
    assert spec("a blue cat").prefix(1) != one.prefix(1)


@pytest.mark.parametrize(
    "value",
    [{}, {"suite": "x"}, spec().to_json() | {"colour": 1}, spec().to_json() | {"stages": 3}],
)
def test_what_is_no_spec_is_refused(value):
    with pytest.raises(ValueError, match="not a run spec"):
        RunSpec.from_json(value)


def test_choices_are_checked_before_anything_is_loaded():
    with pytest.raises(ValueError, match="no method 'edd'; there are: .*esd"):
        Choice.of("methods", "edd")
    with pytest.raises(ValueError, match="esd has no option 'scales'; it has: scale, entropy"):
        Choice.of("methods", "esd", {"scales": 1})


def test_a_choice_holds_all_options_and_makes_the_plugin():
    choice = Choice.of("methods", "esd", {"lambda": 0.25})
    known = plugins.options(plugins.load("methods", "esd"))
    assert [name for name, _ in choice.options] == sorted(known)
    assert choice.get("entropy") == 0.25
    assert choice.get("colour", "none") == "none"
    assert choice.make("methods").studies


def test_whoever_edits_a_file_of_his_own_gets_another_run(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def mine(scale: float = 1.0):\n    return scale\n")
    first = Choice.of("methods", str(path))
    assert first.make("methods") == 1.0
    assert RunSpec.from_json(spec(scene=first).to_json()) == spec(scene=first)
    path.write_text("def mine(scale: float = 1.0):\n    return 2 * scale\n")
    second = Choice.of("methods", str(path))
    assert spec(scene=first).digest != spec(scene=second).digest
    assert second.make("methods") == 2.0
    with pytest.raises(ValueError, match=r"mine.py has changed"):
        first.make("methods")
    assert Choice.of("methods", "esd").file == ""


def test_labels_carry_the_greek_letter():
    assert label(Choice.of("methods", "esd", {"entropy": 0.5})) == "ESD (λ = 0.5)"
    assert label(Choice.of("methods", "vsd")) == "VSD"
    assert spec(wording=Wording(False)).label == "ESD (λ = 0.5), no view words"


def test_a_label_outlives_its_plugin():
    assert label(Choice("gone", (("x", 1),))) == "GONE"
    assert label(Choice("/no/longer/here.py")) == "HERE"


def test_what_is_asked_for_twice_is_in_the_grid_once():
    assert len(expand([spec(), spec()], [Prompt("a"), Prompt("b"), Prompt("a")], [0, 1, 0])) == 4


def test_the_grid_is_every_combination_once():
    prompts, seeds = [Prompt("a"), Prompt("b")], [0, 1, 2]
    variants = [spec(), spec(scene=Choice("hashgrid"))]
    grid = expand(variants, prompts, seeds)
    assert len({x.id + x.prompt.id for x in grid}) == 2 * 2 * 3
    assert [(x.scene.name, x.prompt.text, x.seed) for x in grid[:4]] == [
        ("voxels", "a", 0),
        ("voxels", "a", 1),
        ("voxels", "a", 2),
        ("voxels", "b", 0),
    ]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9))), st.integers(1, 5))
def test_packs_hold_every_spec_once_and_only_equals(members, width):
    specs = [spec(scene=Choice(scene), seed=seed) for scene, seed in members]
    made = list(packs(specs, width))
    assert sorted(x.id for pack in made for x in pack) == sorted(x.id for x in specs)
    assert all(len(pack) <= width for pack in made)
    assert all(len({x.scene for x in pack}) == 1 for pack in made)
    by_scene = [sum(name == scene for name, _ in members) for scene in "ab"]
    assert len(made) == sum(-(-count // width) for count in by_scene), "no more packs than needed"


@given(st.integers(0, 20), st.integers(1, 5))
def test_shards_partition_the_grid(count, parts):
    specs = [spec(seed=i) for i in range(count)]
    shards = [shard(specs, f"{i}/{parts}") for i in range(parts)]
    assert sorted(x.seed for part in shards for x in part) == list(range(count))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "0/0", "a/b", "0/2/3"])
def test_a_bad_shard_is_refused(text):
    with pytest.raises(ValueError, match="a shard is I/N with 0 <= I < N"):
        shard([], text)


def test_fields_that_came_later_are_silent_until_they_say_something():
    """Ids of runs that were made before a field existed must hold."""
    one = spec()
    written = one.to_json()["stages"][0]
    assert not {"scene", "wording", "weight_decay"} & set(written)
    assert "suffix" not in one.to_json()["wording"]
    stage = replace(
        one.stages[0],
        scene=Choice("tetmesh", (("resolution", 8),)),
        wording=Wording(suffix="normal map"),
        weight_decay=0.01,
    )
    other = replace(one, stages=(*one.stages, stage))
    assert RunSpec.from_json(other.to_json()) == other
    assert [other.scene_at(k).name for k in (1, 2)] == ["voxels", "tetmesh"]
    assert other.prefix(1) == one.prefix(1)
    for change in ({"scene": None}, {"wording": None}, {"weight_decay": 0.0}):
        assert replace(other, stages=(*one.stages, replace(stage, **change))).id != other.id
