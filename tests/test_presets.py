"""Presets: the user's word goes over the preset's, and what can't be heard is refused."""

import pytest

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
