"""The closed-form prior as a prior."""

import pytest
import torch

from esd_bench.priors import Prior
from esd_bench.priors.gaussian import gaussian

CPU = torch.device("cpu")


def test_contract():
    prior = gaussian(CPU)
    assert isinstance(prior, Prior)
    assert prior.latent == (3, 1, 1)
    picture = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(prior.encode(picture), picture.double().mean((2, 3), keepdim=True))
    latent = prior.encode(torch.rand(2, 3, 1, 1))
    assert torch.equal(prior.decode(latent), latent)
    assert prior.digest != gaussian(CPU, mean=(0.0, 0.0, 0.0)).digest


def test_eps_is_minus_sigma_times_the_score():
    prior = gaussian(CPU, mean=(0.3, 0.1), covariance=(2.0, 0.5, 0.5, 1.0))
    t = torch.tensor([[20, 500], [900, 980]])
    noised = torch.randn(2, 2, 3, 2, 1, 1, dtype=torch.float64, requires_grad=True)
    found = prior.eps(noised, t, torch.zeros(2, 2, 3, 1, 1), ("base",) * 3)
    alpha, sigma = (x[t][:, :, None, None] for x in (prior.alpha, prior.sigma))
    eye = torch.eye(2, dtype=torch.float64)
    covariance = alpha[..., None] ** 2 * prior.covariance + sigma[..., None] ** 2 * eye
    law = torch.distributions.MultivariateNormal(alpha * prior.mean, covariance)
    law.log_prob(noised.flatten(3)).sum().backward()
    wanted = -sigma[..., None, None] * noised.grad
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


def test_samples_follow_the_law():
    prior = gaussian(CPU, mean=(0.5, 0.4), covariance=(0.01, 0.004, 0.004, 0.004))
    drawn = prior.sample(["x"] * 4000, list(range(4000))).flatten(1)
    torch.testing.assert_close(drawn.mean(0), prior.mean, rtol=0, atol=5e-3)
    torch.testing.assert_close(torch.cov(drawn.T), prior.covariance, rtol=0, atol=6e-4)


def test_what_is_no_covariance_is_refused():
    for numbers, message in (((1.0, 0.0), "4 numbers"), ((1.0, 2.0, 2.0, 1.0), "symmetric")):
        with pytest.raises(ValueError, match=message):
            gaussian(CPU, mean=(0.0, 0.0), covariance=numbers)


def test_it_carries_no_adapter():
    prior = gaussian(CPU)
    with pytest.raises(ValueError, match="exact"):
        prior.adapter(torch.arange(1))
