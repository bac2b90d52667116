"""The low-rank student: what it answers, what it learns, and what it may touch."""

import pytest
import torch

from esd_bench.draws import Draws
from esd_bench.methods import ANYWHERE, NULL, TEXT, Method
from esd_bench.methods.esd import esd
from esd_bench.methods.sds import sds
from esd_bench.methods.vsd import vsd
from esd_bench.students import Student
from esd_bench.students.lora import lora
from tests.steps import step
from tests.tiny_prior import folder, tiny_prior

ENTROPIC = Method(
    lambda eps: eps.text - eps.anywhere, rows=(TEXT, NULL, ANYWHERE), camera_dropout=0.5
)
ALIVE = torch.ones(3)


def student(members=3, **options):
    return lora(tiny_prior(), torch.arange(members), **options)


def train(learner, method, steps=2, views=2, alive=ALIVE, members=3):
    """Some steps as the loop makes them; the losses."""
    losses = []
    for index in range(steps):
        noised = step(tiny_prior(), method, members, views, index)
        learner.predict(noised, method.rows, method.camera_dropout)
        losses.append(learner.fit(noised, method.camera_dropout, alive))
    return losses


def values(learner):
    return {name: x.clone() for name, x in learner.state().items()}


def test_contract():
    assert isinstance(student(), Student)


def test_a_fresh_student_answers_like_the_base():
    method = esd()
    noised = step(tiny_prior(), method, 3)
    answers = student().predict(noised, method.rows)
    base = tiny_prior().eps(noised.rows, noised.t, noised.text, ("base",) * 4)
    torch.testing.assert_close(answers, base, rtol=0, atol=1e-6)
    assert not answers.requires_grad


@pytest.mark.parametrize("method", [esd(), vsd(), ENTROPIC])
def test_both_ways_of_fitting_predict_the_same(method):
    fresh, same = student(), student(fit="same")
    train(fresh, method, 2)
    same.restore(fresh.state())
    noised = step(tiny_prior(), method, 3, 3, index=9)
    one, two = (s.predict(noised, method.rows, method.camera_dropout) for s in (fresh, same))
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)
    assert not two.requires_grad


def test_fresh_fits_are_the_definition():
    """The loss is the mean squared error of eps at fresh t and noise, per member, on the plain text."""
    prior, method, learner = tiny_prior(), esd(), student()
    noised = step(prior, method, 3)
    draws = noised.draws
    t = (draws.uniform("student 0 t", 2) * 1000).long()
    noise = draws.normal("student 0 noise", 2, *prior.latent)
    alpha, sigma = (x[t][..., None, None, None] for x in (prior.alpha, prior.sigma))
    x = (alpha * noised.latent + sigma * noise)[:, :, None]
    text = noised.texts[:, None, None, 0].expand(-1, 2, -1, -1, -1)
    # The student is fresh, so it is the base.
    error = (prior.eps(x, t, text, ("base",))[:, :, 0] - noise).square().flatten(1).mean(1)
    torch.testing.assert_close(learner.fit(noised, 0.5, ALIVE), error, rtol=1e-5, atol=1e-6)


def test_t_of_a_fit_covers_all_levels():
    draws = Draws(torch.arange(64), torch.tensor(0))
    t = (draws.uniform("student 0 t", 64) * 1000).long()
    assert t.min() < 5
    assert t.max() > 994
    assert t.float().mean().item() == pytest.approx(499.5, abs=15)


def test_same_fits_are_the_definition():
    """The loss is that of the very prediction: each view's camera row, or its camera-free row if dropped."""
    method, learner = esd(), student(fit="same")
    train(learner, method, 2)
    noised = step(tiny_prior(), method, 3, 4, index=5)
    answers = learner.predict(noised, method.rows, 0.5)
    dropped = noised.draws.uniform("student 0 dropout", 4) < 0.5
    own = torch.where(dropped[..., None, None, None], answers[:, :, 3], answers[:, :, 2])
    error = (own - noised.noise).square().flatten(1).mean(1)
    torch.testing.assert_close(learner.fit(noised, 0.5, ALIVE), error, rtol=1e-5, atol=1e-6)


def test_same_fits_need_their_prediction():
    learner, method = student(fit="same"), esd()
    noised = step(tiny_prior(), method, 3)
    with pytest.raises(ValueError, match="predict"):
        learner.fit(noised, 0.5, ALIVE)
    learner.predict(noised, method.rows, 0.1)
    with pytest.raises(ValueError, match="predict"):
        learner.fit(noised, 0.5, ALIVE)


@pytest.mark.parametrize("fit", ["fresh", "same"])
@pytest.mark.parametrize("method", [esd(), vsd()])
def test_it_learns(fit, method):
    """On one fixed view, with the noise level held, the error falls."""
    prior, learner = tiny_prior(), student(fit=fit, learning_rate=1e-2)

    def error():
        noised = step(prior, method, 3, 4, 1000, level=600)
        return (learner.predict(noised, method.rows)[:, :, 2] - noised.noise).square().mean()

    before = error()
    for index in range(6):
        noised = step(prior, method, 3, 2, index)
        learner.predict(noised, method.rows, method.camera_dropout)
        learner.fit(noised, method.camera_dropout, ALIVE)
    assert error() < 0.9 * before


def test_dropout_decides_which_row_learns():
    """With dropout 1 the camera network hears zeros only: its first layer gets no gradient; with 0 it does."""
    for dropout, moved in ((1.0, False), (0.0, True)):
        learner = student()
        with torch.no_grad():
            learner.adapter.camera.up.add_(0.1)
        before = values(learner)["adapter.camera.down"]
        learner.fit(step(tiny_prior(), esd(), 3), dropout, ALIVE)
        assert torch.equal(values(learner)["adapter.camera.down"], before) is not moved


def test_dropout_is_per_view_and_of_the_right_share():
    numbers = Draws(torch.arange(64), torch.tensor(0)).uniform("student 0 dropout", 64)
    assert (numbers < 0.1).float().mean().item() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("fit", ["fresh", "same"])
def test_a_frozen_member_keeps_every_bit(fit):
    learner = student(fit=fit)
    train(learner, esd(), 2)
    before = values(learner)
    train(learner, esd(), 1, alive=torch.tensor([1.0, 0.0, 1.0]))
    for name, x in learner.state().items():
        if name != "updates":
            assert torch.equal(x[1], before[name][1]), name
            assert not torch.equal(x[0], before[name][0]), name


@pytest.mark.parametrize("fit", ["fresh", "same"])
def test_neighbours_do_not_matter_bitwise(fit):
    """A member in another slot among strangers ends with the same bits, at the same width."""
    method, prior = esd(), tiny_prior()
    here, there = student(fit=fit), lora(prior, torch.tensor([7, 8, 0]), fit=fit)
    for index in range(2):
        for learner, seeds in ((here, [0, 1, 2]), (there, [7, 8, 0])):
            noised = step(prior, method, 3, 2, index, seeds=seeds)
            learner.predict(noised, method.rows, 0.5)
            learner.fit(noised, 0.5, ALIVE)
    for name, x in here.state().items():
        assert torch.equal(x[0], there.state()[name][2]), name


def test_a_member_with_nan_does_not_spread():
    learner, method = student(), esd()
    noised = step(tiny_prior(), method, 3)
    noised.latent[1] = torch.nan
    loss = learner.fit(noised, 0.5, ALIVE)
    assert loss.isnan().tolist() == [False, True, False]
    for x in learner.adapter.parameters():
        assert x[[0, 2]].isfinite().all()


def test_resume_is_bitwise():
    straight, resumed = student(warmup=3), student(warmup=3)
    method = esd()
    train(straight, method, 2)
    resumed.restore(values(straight))
    for learner in (straight, resumed):
        noised = step(tiny_prior(), method, 3, 2, index=2)
        learner.fit(noised, 0.5, ALIVE)
    for name, x in straight.state().items():
        assert torch.equal(x, resumed.state()[name]), name


def test_the_state_has_the_pack_first():
    assert {len(x) for x in student().state().values()} == {3}


def test_more_fits_are_more_updates():
    learner = student(fits=2)
    train(learner, esd(), 2)
    assert learner.state()["updates"].tolist() == [4, 4, 4]


@pytest.mark.parametrize("options", [{"fits": 0}, {"every": 0}])
def test_wrong_numbers_are_refused(options):
    with pytest.raises(ValueError, match="at least 1"):
        student(**options)


def test_base_rows_alone_need_no_forward_of_the_student():
    for fit in ("fresh", "same"):
        noised = step(tiny_prior(), sds(), 3)
        answers = student(fit=fit).predict(noised, sds().rows)
        assert torch.equal(
            answers, tiny_prior().eps(noised.rows, noised.t, noised.text, ("base",) * 2)
        )


def test_a_student_of_a_v_prediction_prior_is_fitted_in_v():
    prior, method = tiny_prior("v_prediction"), esd()
    noised = step(prior, method, 3)
    draws = noised.draws
    t = (draws.uniform("student 0 t", 2) * 1000).long()
    noise = draws.normal("student 0 noise", 2, *prior.latent)
    alpha, sigma = (x[t][..., None, None, None] for x in (prior.alpha, prior.sigma))
    x = alpha * noised.latent + sigma * noise
    text = noised.texts[:, 0][:, None].expand(-1, 2, -1, -1).flatten(0, 1)
    with torch.no_grad():
        v = prior.denoiser.unet(x.flatten(0, 1), t.flatten(), text).sample.unflatten(0, (3, 2))
    error = (v - (alpha * noise - sigma * noised.latent)).square().flatten(1).mean(1)
    loss = lora(prior, torch.arange(3)).fit(noised, 0.5, ALIVE)
    torch.testing.assert_close(loss, error, rtol=1e-3, atol=1e-4)


def test_a_student_on_a_base_of_its_own():
    """threestudio: v-prediction under an eps prior; base rows stay the prior's."""
    prior, method = tiny_prior(), esd()
    noised = step(prior, method, 3)
    learner = lora(prior, torch.arange(3), base=str(folder("v_prediction")))
    answers = learner.predict(noised, method.rows)
    base = prior.eps(noised.rows, noised.t, noised.text, ("base",) * 4)
    other = tiny_prior("v_prediction").eps(noised.rows, noised.t, noised.text, ("base",) * 4)
    torch.testing.assert_close(answers[:, :, :2], base[:, :, :2], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(answers[:, :, 2:], other[:, :, 2:], rtol=1e-5, atol=1e-5)
    assert learner.source.digest != prior.digest
