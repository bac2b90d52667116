"""Where SDS, VSD and ESD come to rest on a Gaussian: collapse, or a part of the target's variance."""

import pytest
import torch
from scipy.optimize import brentq

from esd_bench.methods.esd import esd
from esd_bench.methods.sds import sds
from esd_bench.methods.vsd import vsd
from tests.maths.toy import Toy

RANGE = range(20, 981, 20)


def at_rest(toy, values):
    """theta with these eigenvalues of A A^T in the axes of the target, and its mean."""
    axes = torch.linalg.eigh(toy.prior.covariance)[1]
    return axes @ torch.diag(torch.as_tensor(values).clamp(min=0).sqrt()) @ axes.T, toy.prior.mean


def targets(toy):
    return torch.linalg.eigvalsh(toy.prior.covariance)


@pytest.mark.parametrize("t", [20, 100, 300, 700])
@pytest.mark.parametrize("entropy", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_at_one_noise_level_the_gradient_vanishes_at_the_closed_form(t, entropy):
    toy = Toy()
    noise = (toy.prior.sigma[t] / toy.prior.alpha[t]) ** 2
    root, mean = at_rest(toy, entropy * targets(toy) - (1 - entropy) * noise)
    for gradient in toy.expected_gradient(esd(entropy=entropy), root, mean, t):
        assert gradient.abs().max() < 1e-8


@pytest.mark.parametrize(("t", "entropy"), [(100, 0.5), (100, 1.0), (300, 0.75)])
def test_descent_comes_to_rest_at_the_closed_form(t, entropy):
    toy = Toy()
    root, mean = toy.random(3)
    rate = 0.3 / toy.prior.sigma[t].item() ** 4
    for _ in range(120):
        a, b = toy.expected_gradient(esd(entropy=entropy), root, mean, t)
        root, mean = root - rate * a, mean - rate * b
    noise = (toy.prior.sigma[t] / toy.prior.alpha[t]) ** 2
    wanted = (entropy * targets(toy) - (1 - entropy) * noise).clamp(min=0)
    torch.testing.assert_close(torch.linalg.eigvalsh(root @ root.T), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(mean, toy.prior.mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", [sds(), vsd(), esd(entropy=0.0)])
def test_without_entropy_variance_shrinks_at_every_noise_level(method):
    toy = Toy()
    root, _ = at_rest(toy, targets(toy))
    for t in RANGE:
        shrinks = (toy.expected_gradient(method, root, toy.prior.mean, t)[0] * root).sum()
        assert shrinks > 0


def pull(toy, a, s, entropy):
    """sum_t w sigma alpha [1 / (alpha^2 s + sigma^2) - lambda / (alpha^2 a + sigma^2)] over the range."""
    alpha, sigma = toy.prior.alpha[RANGE], toy.prior.sigma[RANGE]
    inside = 1 / (alpha**2 * s + sigma**2) - entropy / (alpha**2 * a + sigma**2)
    return (sigma**3 * alpha * inside).sum().item()


@pytest.mark.parametrize("entropy", [0.25, 0.5, 0.75, 0.9, 1.0])
def test_over_a_range_of_noise_levels_each_eigenvalue_is_a_root_or_zero(entropy):
    toy = Toy()
    roots = [
        brentq(lambda a, s=s: pull(toy, a, s, entropy), 0, 10, xtol=1e-14)
        if pull(toy, 0.0, s, entropy) < 0
        else 0.0
        for s in targets(toy).tolist()
    ]
    root, mean = at_rest(toy, torch.tensor(roots, dtype=torch.float64))
    total = sum(toy.expected_gradient(esd(entropy=entropy), root, mean, t)[0] for t in RANGE)
    assert total.abs().max() < 1e-8
    if entropy == 1:
        torch.testing.assert_close(
            torch.tensor(roots, dtype=torch.float64), targets(toy), rtol=0, atol=1e-8
        )


def test_the_prior_answers_as_linear_algebra_does():
    toy = Toy()
    x = torch.randn(5, 2, dtype=torch.float64)
    for t in (20, 500, 980):
        alpha, sigma = toy.prior.alpha[t], toy.prior.sigma[t]
        matrix = alpha**2 * toy.prior.covariance + sigma**2 * torch.eye(2, dtype=torch.float64)
        wanted = sigma * torch.linalg.solve(matrix, (x - alpha * toy.prior.mean).T).T
        found = toy.prior.noise_in(x, alpha.expand(5), sigma.expand(5))
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
