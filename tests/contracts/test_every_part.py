"""Schedules, students, scenes, metrics and tables: what their contracts promise."""

import pytest
import torch

from esd_bench import plugins
from esd_bench.cameras import ring
from esd_bench.draws import Draws
from esd_bench.executors import Executor
from esd_bench.metrics import ROLES, Inputs, Metric
from esd_bench.priors import Prior
from esd_bench.scenes import Scene
from esd_bench.students import Student
from esd_bench.tables import Table
from tests.steps import step
from tests.tiny_prior import tiny_prior

ABAR = torch.linspace(0.999, 0.005, 1000)
SMALL = {
    "hashgrid": {"levels": 3, "log2_rows": 10, "samples": 8, "evaluation_samples": 8, "finest": 32},
    "voxels": {"grids": (4, 8), "samples": 8, "evaluation_samples": 8},
    "tetmesh": {"resolution": 8},
    "textured": {"resolution": 8, "grids": (4, 8)},
}
"""Options that make a scene small enough for a test; a scene that is not here is tested as it is."""


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", plugins.names(kind))


@each("schedules")
def test_a_schedule_stays_within_the_levels_and_draws_nothing(name, no_global_rng):
    schedule = plugins.load("schedules", name)()
    numbers = torch.tensor([[0.0, 0.5, 1 - 2**-24]])
    for progress in (0.0, 0.5, 1 - 2**-24):
        t = schedule(numbers, torch.tensor(progress), ABAR)
        assert t.shape == numbers.shape
        assert t.dtype == torch.int64
        assert t.min() >= 0
        assert t.max() < 1000
        assert torch.equal(t, schedule(numbers, torch.tensor(progress), ABAR))


@each("schedules")
def test_a_schedule_ends_at_lower_noise_than_it_begins_or_equal(name):
    schedule = plugins.load("schedules", name)()
    numbers = torch.linspace(0, 0.999, 50).reshape(1, -1)
    means = [schedule(numbers, torch.tensor(p), ABAR).float().mean() for p in (0.0, 0.5, 0.999)]
    assert means[0] >= means[1] >= means[2]


METHODS_OF = {"frozen": "sds"}


@each("students")
def test_a_student_s_state_is_its_whole_memory(name):
    prior = tiny_prior()
    method = plugins.load("methods", METHODS_OF.get(name, "esd"))()
    seeds = torch.tensor([3, 4])
    make = plugins.load("students", name)
    student, twin = make(prior, seeds), make(prior, seeds)
    assert isinstance(student, Student)
    for index in range(2):
        now = step(prior, method, index=index)
        answers = student.predict(now, method.rows, method.camera_dropout)
        assert answers.shape == (2, 2, len(method.rows), *prior.latent)
        assert not answers.requires_grad
        loss = student.fit(now, method.camera_dropout, torch.ones(2))
        assert loss.shape == (2,)
        assert torch.isfinite(loss).all()
    state = {k: v.clone() for k, v in student.state().items()}
    assert all(len(v) == 2 for v in state.values())
    twin.restore(state)
    now = step(prior, method, index=2)
    both = [x.predict(now, method.rows, method.camera_dropout) for x in (student, twin)]
    assert torch.equal(*both)


def small(name: str, *seeds: int) -> Scene:
    return plugins.load("scenes", name)(torch.tensor(seeds), **SMALL.get(name, {}))


@each("scenes")
def test_a_member_is_a_slice_of_the_state(name):
    pack = small(name, 5, 6)
    assert isinstance(pack, Scene)
    state = pack.state_dict()
    assert all(len(v) == 2 for v in state.values())
    alone = small(name, 6)
    alone.load_state_dict({k: v[1:] for k, v in state.items()})
    assert all(torch.equal(v[1:], alone.state_dict()[k]) for k, v in state.items())
    cameras = ring(15, 4, 8)
    with torch.no_grad():
        both = pack.render(cameras)
        one = alone.render(cameras[2:])
    torch.testing.assert_close(both.rgb[2:], one.rgb)
    torch.testing.assert_close(both.opacity[2:], one.opacity)


@each("scenes")
def test_pictures_are_premultiplied_colours_in_range(name):
    with torch.no_grad():
        render = small(name, 5, 6).render(ring(15, 4, 8))
    assert render.rgb.shape == (4, 3, 8, 8)
    assert render.depth.shape == render.opacity.shape == (4, 1, 8, 8)
    assert render.opacity.min() >= 0
    assert render.opacity.max() <= 1 + 1e-6
    assert (render.rgb >= 0).all()
    assert (render.rgb <= render.opacity + 1e-5).all()


@each("scenes")
def test_every_parameter_learns_and_members_are_apart(name):
    pack = small(name, 5, 6)
    draws = Draws(torch.tensor([5, 6]), torch.tensor(0))
    render = pack.render(ring(15, 4, 8), torch.tensor(0.5), draws)
    weights = torch.rand_like(render.rgb)
    (render.rgb * weights)[:2].sum().backward(retain_graph=True)
    groups = pack.learning_rates()
    learned = [x for group, _ in groups for x in group]
    assert {id(x) for x in learned} == {id(x) for x in pack.parameters() if x.requires_grad}
    assert all(rate > 0 for _, rate in groups)
    assert any(x.grad is not None and x.grad[0].abs().sum() > 0 for x in learned)
    assert all(x.grad is None or x.grad[1].abs().sum() == 0 for x in learned)


@each("scenes")
def test_penalties_are_a_number_per_member(name):
    pack = small(name, 5, 6)
    render = pack.render(
        ring(15, 4, 8), torch.tensor(0.5), Draws(torch.tensor([5, 6]), torch.tensor(0))
    )
    for penalty, value in pack.regularisers(render).items():
        assert value.shape == (2,), penalty
        assert torch.isfinite(value).all(), penalty


@each("scenes")
def test_a_scene_s_beginning_is_a_function_of_its_seed(name, no_global_rng):
    one, other = small(name, 5, 6).state_dict(), small(name, 6, 9).state_dict()
    assert all(torch.equal(one[k][1], other[k][0]) for k in one)
    assert any(not torch.equal(one[k][0], one[k][1]) for k in one)


def inputs(n: int = 36, m: int = 20) -> Inputs:
    random = torch.Generator().manual_seed(0)

    def rows(count: int, width: int) -> torch.Tensor:
        return torch.randn(count, width, generator=random)

    def offered(count: int) -> dict[str, dict[str, torch.Tensor]]:
        image = torch.nn.functional.normalize(rows(count, 16), dim=1)
        probabilities = rows(count, 10).softmax(1)
        heads = {"azimuth": 24, "kind": 16, "colour": 8}
        oracle = {k: rows(count, v).softmax(1) for k, v in heads.items()}
        return {
            "clip": {"image": image},
            "classifier": {"probs": probabilities},
            "features": {"features": rows(count, 12)},
            "oracle": oracle,
        }

    cameras = ring(15, n)
    text = torch.nn.functional.normalize(rows(1, 16), dim=1)
    return Inputs(
        outputs=offered(n),
        azimuth=cameras.azimuth,
        elevation=cameras.elevation,
        text={"clip": text},
        others={"clip": rows(5, 16)},
        reference=offered(m),
        truth={"kind": 2, "colour": 3},
        worded={
            wording: torch.nn.functional.normalize(rows(1, 16), dim=1)
            for name in plugins.names("metrics")
            for wording in plugins.load("metrics", name)().texts
        },
        mirrored=offered(n),
    )


@each("metrics")
def test_a_metric_gives_numbers_with_all_that_belongs_beside_them(name):
    metric = plugins.load("metrics", name)()
    assert isinstance(metric, Metric)
    assert set(metric.roles) <= set(ROLES)
    scores = metric.compute(inputs())
    assert scores
    assert name in {x.name for x in scores} or len(scores) > 1
    for score in scores:
        assert score.value is None or torch.isfinite(torch.tensor(score.value)), score.name
        assert score.value is not None or score.note, "an undefined score says why"
        assert score.n > 0
        assert score.version >= 1
        assert score.to_json()["name"] == score.name


@each("metrics")
def test_the_order_of_the_views_does_not_matter(name):
    metric = plugins.load("metrics", name)()
    whole = inputs()
    order = torch.randperm(36, generator=torch.Generator().manual_seed(1))
    shuffled = Inputs(
        outputs={r: {k: v[order] for k, v in x.items()} for r, x in whole.outputs.items()},
        worded=whole.worded,
        mirrored={r: {k: v[order] for k, v in x.items()} for r, x in whole.mirrored.items()},
        azimuth=whole.azimuth[order],
        elevation=whole.elevation[order],
        text=whole.text,
        others=whole.others,
        reference=whole.reference,
        truth=whole.truth,
    )
    for one, other in zip(metric.compute(whole), metric.compute(shuffled), strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-4, abs=1e-6), one.name


def test_a_score_s_name_belongs_to_one_metric():
    names = [
        score.name
        for name in plugins.names("metrics")
        for score in plugins.load("metrics", name)().compute(inputs())
    ]
    assert len(set(names)) == len(names)


@each("tables")
def test_a_table_names_scores_that_exist(name):
    table = plugins.load("tables", name)()
    assert isinstance(table, Table)
    known = {
        score.name
        for metric in plugins.names("metrics")
        for score in plugins.load("metrics", metric)().compute(inputs())
    }
    from_people = {"success_rate"}
    assert set(table.needs) <= known | from_people


@each("executors")
def test_an_executor_can_be_called(name):
    assert isinstance(plugins.load("executors", name)(), Executor)


def test_priors_answer_the_whole_contract():
    assert isinstance(tiny_prior(), Prior)
    assert isinstance(plugins.load("priors", "gaussian")(torch.device("cpu")), Prior)
