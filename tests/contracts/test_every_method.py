import math

import pytest
import torch

from esd_bench import plugins
from esd_bench.methods import Method, Predictions, View
from esd_bench.presets import Settings, preset
from esd_bench.prompts import TEXTS, Wording

NAMES = plugins.names("methods")
each = pytest.mark.parametrize("name", NAMES)


def made(name: str) -> Method:
    return plugins.load("methods", name)()


def view(words: bool = True, progress: float = 0.5) -> View:
    azimuth = torch.linspace(-3.1, 3.1, 8).reshape(2, 4)
    return View(azimuth, azimuth / 3, torch.tensor(progress), Wording(words))


def predictions(method: Method, seed: int = 0) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    names = [*(row.name for row in method.rows), "noise"]
    return {name: torch.randn(2, 4, 3, 5, 5, generator=random) for name in names}


@each
def test_the_residual_is_finite_and_of_the_shape_of_a_prediction(name):
    method = made(name)
    given = predictions(method)
    residual = method.residual(Predictions(**given, view=view()))
    assert residual.shape == given["noise"].shape
    assert torch.isfinite(residual).all()


@each
def test_the_rows_are_those_that_the_equation_names(name):
    """A row that is never read costs a quarter of every step."""
    method = made(name)
    given = predictions(method)
    before = method.residual(Predictions(**given, view=view()))
    for row in method.rows:
        changed = given | {row.name: given[row.name] + 1}
        after = method.residual(Predictions(**changed, view=view()))
        assert not torch.equal(before, after), f"the row {row.name!r} is never read"


@each
def test_views_do_not_mix(name):
    method = made(name)
    given = predictions(method)
    changed = {k: v.clone() for k, v in given.items()}
    for value in changed.values():
        value[1, 2] += 1
    before, after = (method.residual(Predictions(**x, view=view())) for x in (given, changed))
    same = torch.ones(2, 4, dtype=torch.bool)
    same[1, 2] = False
    assert torch.equal(before[same], after[same])


@each
def test_rows_are_base_rows_first_and_named_once(name):
    states = [row.state for row in made(name).rows]
    assert states == sorted(states, key=lambda x: x != "base")
    names = [row.name for row in made(name).rows]
    assert len(set(names)) == len(names)
    assert not {"noise", "view"} & set(names)


@each
@pytest.mark.parametrize("words", [True, False])
def test_texts_are_mixed_with_weights_that_sum_to_one(name, words):
    for row in made(name).rows:
        mix = row.mix(view(words))
        assert mix.shape == (2, 4, len(TEXTS))
        torch.testing.assert_close(mix.sum(-1), torch.ones(2, 4))


@each
def test_a_student_is_not_told_the_view_in_words(name):
    for row in made(name).rows:
        if row.state != "base":
            mix = row.mix(view())
            assert torch.equal(mix, mix[:1, :1].expand_as(mix)), row.name


@each
def test_the_student_s_words_follow_the_wording(name):
    """With view words off no row of any method names a view; what needs them is refused by the presets."""
    if made(name).needs_view_words:
        with pytest.raises(ValueError, match="view words"):
            preset("embedded", Settings(name, {}, view_words=False))
        return
    named = slice(TEXTS.index("front"), TEXTS.index("overhead") + 1)
    for row in made(name).rows:
        assert row.mix(view(words=False))[..., named].abs().sum() == 0, row.name


@each
def test_parts_are_sensible(name):
    method = made(name)
    assert 0 <= method.camera_dropout <= 1
    assert method.schedule in plugins.names("schedules")
    assert method.studies == any(row.state != "base" for row in method.rows)
    alpha = torch.linspace(0.05, 0.999, 20).reshape(1, 20)
    weight = method.weight(alpha, (1 - alpha**2).sqrt())
    assert torch.isfinite(weight).all()
    assert (weight >= 0).all()
    if method.bound is not None:
        bounds = [float(method.bound(torch.tensor(x))) for x in (0.0, 0.5, 0.999)]
        assert all(math.isfinite(x) and x > 0 for x in bounds)


@each
def test_precision_is_kept(name):
    method = made(name)
    given = {k: v.double() for k, v in predictions(method).items()}
    assert method.residual(Predictions(**given, view=view())).dtype == torch.float64
