"""Presets: the user's word goes over the preset's, and what can't be heard is refused."""

import pytest
import torch

from esd_bench.distill import weight_at
from esd_bench.presets import PRESETS, Settings, preset


def made(name: str = "embedded", method: str = "esd", **given: object):
    return preset(name, Settings(method, {}, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("method", ["sds", "vsd", "esd"])
def test_every_preset_is_for_every_method(name, method):
    spec = made(name, method)
    assert (spec.preset, spec.method.name) == (name, method)
    assert (spec.stages[-1].student.name == "frozen") == (method == "sds")
    assert preset(name.replace("_", "-"), Settings(method, {})) == spec


def test_students_start_from_the_sds_scene():
    sds, esd = made(method="sds"), made(method="esd")
    assert esd.prefix(1) == sds.prefix(1)
    assert [stage.method.name for stage in esd.stages] == ["sds", "esd"]


@pytest.mark.parametrize(
    ("given", "sds", "esd"),
    [((), (900,), (900, 200)), ((7,), (7,), (900, 7)), ((7, 5), (7,), (7, 5))],
)
def test_steps_are_by_position_or_the_last_stage_s(given, sds, esd):
    assert tuple(stage.steps for stage in made(method="sds", steps=given).stages) == sds
    assert tuple(stage.steps for stage in made(method="esd", steps=given).stages) == esd


def test_too_many_steps_are_refused():
    with pytest.raises(ValueError, match="2 stages, not 3"):
        made(steps=(1, 2, 3))


def test_options_go_over_the_preset_s():
    own = made("embedded_gpu", schedule_options={"end": "0.3"}, student_options={"rank": "4"})
    (stage,) = own.stages
    assert (stage.schedule.name, stage.schedule.get("end")) == ("annealed", 0.3)
    assert stage.schedule.get("length") == 0.8
    assert stage.student.get("rank") == 4
    other = made("embedded_gpu", schedule="annealed", scene="hashgrid", student="exact")
    assert other.stages[0].schedule.get("length") == 0.8
    assert (other.scene.name, other.stages[0].student.name) == ("hashgrid", "exact")


@pytest.mark.parametrize(
    "given",
    [
        {"schedule_options": {"end": "0.3"}},
        {"student_options": {"rang": "4"}},
        {"scene_options": {"colour": "4"}},
        {"prior_options": {"colour": "4"}},
    ],
)
@pytest.mark.parametrize("method", ["sds", "esd"])
def test_an_option_that_nothing_has_is_refused(method, given):
    with pytest.raises(ValueError, match="has no option"):
        made(method=method, **given)


def test_an_unknown_preset_lists_the_real_ones():
    with pytest.raises(ValueError, match="embedded_gpu"):
        made("gpu")


def test_published_settings_differ_where_their_sources_do():
    paper, framework, author = (made(x, "debiased_sds") for x in ("paper", "threestudio", "author"))
    bounds = [
        tuple(x.method.get(k) for k in ("low", "high", "until")) for x in (paper, framework, author)
    ]
    assert bounds == [(0.5, 2.0, 1.0), (0.5, 2.0, 1.0), (2.0, 8.0, 1.0)]
    assert [x.steps for x in (paper, framework)] == [25_000, 10_000]
    assert made("author", "debiased_sds", steps=(20_000,)).method.get("until") == 0.5
    paper, framework = (made(x) for x in ("paper", "threestudio"))
    assert [x.method.get("camera_dropout") for x in (paper, framework)] == [0.5, 0.1]
    assert [x.stages[0].later for x in (paper, framework)] == [((5000, 256),), ((5000, 512),)]
    assert [x.stages[0].student.get("base") != "" for x in (paper, framework)] == [False, True]
    assert made("threestudio", "sds").method.get("scale") == 101
    assert made("paper", "sds").scene.get("shading") == "lit"
    assert made("threestudio", "sds").stages[0].schedule.name == "uniform"
    shaken = [made("threestudio", x).cameras.shake for x in ("sds", "vsd")]
    assert shaken == [(0.1, 0.2, 0.02), (0.0, 0.0, 0.0)]


def test_the_framework_s_penalties_change_along_the_run():
    """threestudio writes [first step, weight, weight, last step]."""
    sds, vsd = (dict(made("threestudio", x).stages[0].regularisers) for x in ("sds", "vsd"))
    for weights, expected in (
        (sds["orientation"], {0: 10, 2500: 505, 5000: 1000, 9999: 1000}),
        (vsd["opaque"], {0: 0, 10_000: 0, 10_001: 1000, 20_000: 1000}),
        (sds["sparsity"], {0: 1, 9999: 1}),
    ):
        for step, weight in expected.items():
            assert float(weight_at(weights, torch.tensor(step))) == pytest.approx(weight)


def test_an_unknown_background_lists_the_real_ones():
    with pytest.raises(ValueError, match="no background 'pink'; use random, shared, white"):
        made("embedded_gpu", background="pink")
    assert made("embedded_gpu", background="shared").stages[0].background == "shared"


@pytest.mark.parametrize("schedule", ["dreamtime", "hifa"])
def test_a_schedule_that_falls_by_itself_is_not_annealed_as_well(schedule):
    assert made("embedded_gpu", schedule=schedule).stages[0].schedule.name == schedule
    with pytest.raises(ValueError, match="can't be annealed as well"):
        made("embedded_gpu", schedule=schedule, schedule_options={"end": "0.5"})


def test_particles_are_each_seen_in_every_step():
    spec = made("embedded", "vsd", particles=3)
    assert spec.particles == 3
    assert {stage.views for stage in spec.stages} == {3}
    assert made("embedded_gpu", "vsd", particles=3).stages[0].views == 6
    assert "particles" not in made().canonical
    with pytest.raises(ValueError, match="coarse runs"):
        made(particles=2, stages="full")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("method", ["sds", "vsd", "esd"])
def test_full_runs_add_geometry_and_texture(name, method):
    coarse, full = made(name, method), made(name, method, stages="full")
    *before, geometry, texture = full.stages
    assert (tuple(before), full.method) == (coarse.stages, coarse.method)
    assert [full.scene_at(k).name for k in (len(before), len(before) + 1, len(before) + 2)] == [
        *(coarse.scene.name, "tetmesh"),
        "textured",
    ]
    assert (geometry.method.name, geometry.method.get("scale")) == ("sds", 100)
    assert texture.student == coarse.stages[-1].student
    assert texture.scene.get("resolution") == geometry.scene.get("resolution")
    assert dict(geometry.regularisers).keys() == {"normal_consistency", "laplacian"}
    assert texture.regularisers == ()
    assert full.prefix(len(before)) == coarse.prefix(len(before))


def test_the_paper_s_three_stages():
    stages = made("paper", stages="full").stages
    assert [x.steps for x in stages] == [25_000, 10_000, 30_000]
    assert [x.size for x in stages] == [64, 256, 256]
    assert [x.views for x in stages] == [1, 1, 1]
    assert stages[0].later == ((5000, 256),)
    assert [x.schedule.get("start") * x.steps for x in stages] == [5000, 5000, 5000]
    assert stages[1].scene.get("resolution") == 128
    assert stages[2].scene.get("texture") == "hash"
    assert (stages[1].wording.front, stages[1].wording.suffix) == (45, "")
    assert (stages[1].weight_decay, stages[2].weight_decay) == (0.0, 0.01)


@pytest.mark.parametrize(
    ("given", "steps"),
    [((7,), (900, 200, 300, 7)), ((8, 7), (900, 200, 8, 7)), ((5, 6, 8, 7), (5, 6, 8, 7))],
)
def test_steps_of_full_runs_are_counted_from_the_end(given, steps):
    assert tuple(x.steps for x in made(stages="full", steps=given).stages) == steps


def test_the_user_s_word_reaches_the_finer_stages():
    own = made(
        "paper",
        stages="full",
        schedule="dreamtime",
        view_words=False,
        geometry_options={"resolution": "16"},
        texture_options={"texture": "grids"},
    )
    geometry, texture = own.stages[1:]
    assert texture.schedule.name == "dreamtime"
    assert not geometry.wording.view_words
    assert texture.scene.get("resolution") == 16
    assert texture.scene.get("texture") == "grids"
    with pytest.raises(ValueError, match="stages are coarse or full"):
        made(stages="fine")
    with pytest.raises(ValueError, match="--stages full"):
        made(geometry_options={"resolution": "16"})
