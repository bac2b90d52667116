"""The student whose views repel each other by a kernel over coarse latents."""

import math
from dataclasses import replace

import pytest
import torch

from esd_bench.methods import ANYWHERE, CAMERA
from esd_bench.students import Student
from esd_bench.students.exact import exact
from esd_bench.students.kernel import kernel
from tests.steps import step
from tests.students.closed import METHOD, ask, prior


def test_contract():
    assert isinstance(kernel(prior(), torch.arange(2)), Student)


@pytest.mark.parametrize("level", [20, 500, 950])
def test_it_is_the_gradient_of_a_kernel_density_at_every_noise(level):
    """The slow oracle: -h^2 grad log of the density of the member's views, by autograd."""
    p = prior()
    noised = step(p, METHOD, 2, 3, level=level)
    camera, anywhere = ask(noised, kernel(p, torch.arange(2), views=16, bandwidth=0.7, side=1))
    bank = torch.cat([noised.latent, noised.others(13)], 1).flatten(2)
    for i in range(2):
        z = noised.latent[i].flatten(1)
        h = 0.7 * torch.cdist(z, bank[i]).square().mean().sqrt()
        z = z.clone().requires_grad_()
        (-torch.cdist(z, bank[i]).square() / (2 * h**2)).logsumexp(1).sum().backward()
        wanted = -(h**2) * z.grad * p.alpha[level] / p.sigma[level]
        found = (anywhere - camera)[i].flatten(1)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_it_acts_where_the_exact_mixture_tells_all_views_apart():
    noised = step(prior(64), METHOD, 2, 3, level=20)
    for learner, silent in (
        (exact(prior(64), torch.arange(2)), True),
        (kernel(prior(64), torch.arange(2)), False),
    ):
        camera, anywhere = ask(noised, learner)
        assert torch.equal(camera, anywhere) == silent


def test_between_identical_views_the_term_is_exactly_zero():
    noised = step(prior(), METHOD, 2, 4, level=900)
    noised.latent[:] = noised.latent[:, :1].clone()
    learner = kernel(prior(), torch.arange(2), views=4)
    camera, anywhere = ask(noised, learner)
    assert torch.equal(camera, anywhere)
    torch.testing.assert_close(
        learner.entropy, torch.full((2,), math.log(4.0), dtype=torch.float64)
    )


def coarse(latent, p):
    """What the student makes of these latents (p, v, c, 8, 8), its own bank, pooled to 4 x 4."""
    noised = step(p, METHOD, *latent.shape[:2], level=500)
    noised = replace(noised, latent=latent, noised=latent, noise=torch.zeros_like(latent))
    learner = kernel(p, torch.arange(2), views=latent.shape[1], bandwidth=0.7, side=4)
    camera, anywhere = learner.predict(noised, (CAMERA, ANYWHERE)).unbind(2)
    return learner.entropy, (anywhere - camera) * p.sigma[500] / p.alpha[500]


def test_weights_come_of_pooled_latents_and_the_force_of_full_ones():
    """The slow oracle: blocks averaged by hand, the kernel by cdist."""
    latent = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    pooled = latent.unflatten(-1, (4, 2)).unflatten(-3, (4, 2)).mean((-3, -1)).flatten(2)
    squared = torch.cdist(pooled, pooled).square()
    weights = (-squared / squared.mean((1, 2), keepdim=True) / 0.7**2 / 2).softmax(-1)
    wanted = latent - torch.einsum("pvm,pmchw->pvchw", weights, latent)
    torch.testing.assert_close(coarse(latent, prior())[1], wanted, rtol=0, atol=1e-9)


def test_what_differs_in_detail_only_is_the_same_from_afar_and_driven_apart_in_detail():
    detail = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).double().repeat(4, 4)
    latent = torch.stack([detail, -detail])[None, :, None].repeat(2, 1, 4, 1, 1)
    entropy, force = coarse(latent, prior())
    torch.testing.assert_close(entropy, torch.full((2,), math.log(2.0), dtype=torch.float64))
    torch.testing.assert_close(force, latent)


def test_a_wider_kernel_tells_fewer_views_apart():
    noised, found = step(prior(), METHOD, 2, 3), []
    for bandwidth in (0.1, 0.5, 2.0):
        learner = kernel(prior(), torch.arange(2), bandwidth=bandwidth)
        ask(noised, learner)
        found.append(learner.entropy.mean().item())
    assert found == sorted(found)
    assert found[0] < 0.2
    assert found[-1] > 0.9 * math.log(16)


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="bandwidth above 0"):
        kernel(prior(), torch.arange(2), bandwidth=0.0)
