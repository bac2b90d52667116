"""The closed-form student."""

import math

import pytest
import torch

from esd_bench.students import Student
from esd_bench.students.exact import exact
from tests.steps import step
from tests.students.closed import METHOD, ask, prior


def test_contract():
    assert isinstance(exact(prior(), torch.arange(2)), Student)


@pytest.mark.parametrize("level", [300, 700, 950])
def test_anywhere_is_the_score_of_the_mixture(level):
    """The slow oracle: -sigma grad log of a mixture density, by autograd."""
    p = prior()
    noised = step(p, METHOD, 2, 3, level=level)
    alpha, sigma = p.alpha[level], p.sigma[level]
    bank = torch.cat([noised.latent, noised.others(13)], 1).flatten(2)
    x = noised.noised.clone().requires_grad_()
    for i in range(2):
        parts = torch.distributions.Independent(
            torch.distributions.Normal(alpha * bank[i], sigma), 1
        )
        weights = torch.distributions.Categorical(logits=torch.zeros(16, dtype=torch.float64))
        mixture = torch.distributions.MixtureSameFamily(weights, parts)
        mixture.log_prob(x[i].flatten(1)).sum().backward()
    learner = exact(p, torch.arange(2), views=16)
    torch.testing.assert_close(ask(noised, learner)[1], -sigma * x.grad, rtol=0, atol=1e-9)


def test_camera_rows_answer_the_noise():
    noised = step(prior(), METHOD, 2, 3)
    assert torch.equal(ask(noised, exact(prior(), torch.arange(2)))[0], noised.noise)


def test_the_term_is_exactly_zero_at_low_noise():
    """The own latent is among the views."""
    noised = step(prior(64), METHOD, 2, 3, level=20)
    camera, anywhere = ask(noised, exact(prior(64), torch.arange(2)))
    assert torch.equal(camera, anywhere)


def test_between_identical_views_the_term_is_exactly_zero():
    noised = step(prior(), METHOD, 2, 4, level=900)
    noised.latent[:] = noised.latent[:, :1].clone()
    camera, anywhere = ask(noised, exact(prior(), torch.arange(2), views=4))
    assert torch.equal(camera, anywhere)


@pytest.mark.parametrize("views", [3, 5, 16])
def test_entropy_lies_between_0_and_ln_m_and_grows_with_noise(views):
    learner = exact(prior(), torch.arange(2), views=views)
    found = []
    for level in (10, 500, 999):
        ask(step(prior(), METHOD, 2, 3, level=level), learner)
        assert (learner.entropy >= 0).all()
        assert (learner.entropy <= math.log(views) + 1e-12).all()
        found.append(learner.entropy.mean().item())
    assert found == sorted(found)
    assert found[-1] > 0.9 * math.log(views)


def test_identical_views_have_all_the_entropy():
    noised = step(prior(), METHOD, 2, 4)
    noised.latent[:] = noised.latent[:, :1].clone()
    learner = exact(prior(), torch.arange(2), views=4)
    ask(noised, learner)
    torch.testing.assert_close(
        learner.entropy, torch.full((2,), math.log(4.0), dtype=torch.float64)
    )


def test_the_residual_is_sds_plus_a_repulsion():
    """(cfg - eps) - lambda (alpha / sigma) (z - zbar)."""
    from esd_bench.methods import Predictions, View

    p = prior()
    noised = step(p, METHOD, 2, 3, level=900)
    answers = exact(p, torch.arange(2)).predict(noised, METHOD.rows)
    named = {row.name: answers[:, :, k] for k, row in enumerate(METHOD.rows)}
    angle = torch.zeros(2, 3)
    eps = Predictions(**named, noise=noised.noise, view=View(angle, angle, torch.tensor(0.0)))
    alpha, sigma = p.alpha[900], p.sigma[900]
    zbar = (noised.noised - sigma * eps.anywhere) / alpha
    wanted = eps.text - eps.noise - 0.5 * alpha / sigma * (noised.latent - zbar)
    torch.testing.assert_close(METHOD.residual(eps), wanted, rtol=0, atol=1e-10)


def run(learner, steps, alive=None, views=2):
    alive = torch.ones(2) if alive is None else alive
    for index in range(steps):
        noised = step(prior(), METHOD, 2, views, index, level=800)
        learner.predict(noised, METHOD.rows)
        learner.fit(noised, 0.5, alive)
    return noised


def test_a_ring_holds_the_last_views_and_their_age():
    learner = exact(prior(), torch.arange(2), views=6, bank="ring")
    ages = []
    for index in range(5):
        noised = step(prior(), METHOD, 2, 2, index, level=800)
        learner.predict(noised, METHOD.rows)
        learner.fit(noised, 0.5, torch.ones(2))
        ages.append(learner.age[0].item())
    assert ages == [0, 0.5, 1, 1, 1]
    latest = [step(prior(), METHOD, 2, 2, i, level=800).latent for i in (4, 3, 2)]
    assert torch.equal(learner.state()["latent"], torch.cat(latest, 1))
    assert learner.state()["step"][0].tolist() == [4, 4, 3, 3, 2, 2]


def test_a_ring_never_looks_at_places_that_are_empty():
    learner = exact(prior(), torch.arange(2), views=16, bank="ring")
    noised = step(prior(), METHOD, 2, 1, level=950)
    camera, anywhere = ask(noised, learner)
    assert torch.equal(camera, anywhere)
    assert torch.equal(learner.entropy, torch.zeros(2, dtype=torch.float64))


def test_a_full_ring_equals_fresh_views():
    ring = exact(prior(), torch.arange(2), views=6, bank="ring")
    run(ring, 4)
    held = ring.state()["latent"][:, :4].clone()
    from dataclasses import replace

    noised = replace(
        step(prior(), METHOD, 2, 2, 4, level=800), others=lambda count: held[:, :count]
    )
    fresh = exact(prior(), torch.arange(2), views=6)
    assert torch.equal(ask(noised, ring)[1], ask(noised, fresh)[1])


def test_a_frozen_member_keeps_its_ring():
    learner = exact(prior(), torch.arange(2), views=6, bank="ring")
    run(learner, 2)
    before = {name: x.clone() for name, x in learner.state().items()}
    run(learner, 3, torch.tensor([1.0, 0.0]))
    for name, x in learner.state().items():
        assert torch.equal(x[1], before[name][1])
        assert not torch.equal(x[0], before[name][0])


def test_resume():
    straight, resumed = (exact(prior(), torch.arange(2), views=6, bank="ring") for _ in range(2))
    run(straight, 3)
    resumed.restore({name: x.clone() for name, x in straight.state().items()})
    noised = step(prior(), METHOD, 2, 2, 3, level=800)
    assert torch.equal(ask(noised, straight)[1], ask(noised, resumed)[1])
    assert exact(prior(), torch.arange(2)).state() == {}


def test_too_few_views_are_refused():
    with pytest.raises(ValueError, match="can't hold the 3 views"):
        ask(step(prior(), METHOD, 2, 3), exact(prior(), torch.arange(2), views=2))
    with pytest.raises(ValueError, match="at least 1"):
        exact(prior(), torch.arange(2), views=0)
