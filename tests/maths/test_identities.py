"""Identities between methods, and ESD's theorem 1."""

import math

import pytest
import torch

from esd_bench.methods import Predictions, View, cfg
from esd_bench.methods.esd import esd
from esd_bench.methods.sds import sds
from esd_bench.methods.vsd import vsd
from esd_bench.priors.gaussian import gaussian
from esd_bench.students.exact import exact
from tests.maths.toy import Toy
from tests.steps import step


def random_predictions(seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(2, 3, 4, 8, 8, generator=g, dtype=dtype)  # noqa: E731
    angle = torch.zeros(2, 3)
    names = ("text", "null", "camera", "anywhere", "noise")
    return Predictions(**{n: draw() for n in names}, view=View(angle, angle, torch.tensor(0.0)))


def test_esd_without_entropy_is_vsd_bitwise():
    eps = random_predictions()
    for scale in (1.0, 7.5):
        assert torch.equal(esd(scale, entropy=0.0).residual(eps), vsd(scale).residual(eps))


def test_esd_with_full_entropy_reads_the_camera_free_student_alone():
    eps = random_predictions()
    only = cfg(eps.text, eps.null, 7.5) - eps.anywhere
    assert torch.equal(esd(7.5, entropy=1.0).residual(eps), only)


def test_esd_is_linear_in_lambda():
    eps = random_predictions(dtype=torch.float64)
    ends = [esd(entropy=x).residual(eps) for x in (0.0, 1.0)]
    middle = esd(entropy=0.25).residual(eps)
    torch.testing.assert_close(middle, 0.75 * ends[0] + 0.25 * ends[1], rtol=0, atol=1e-12)


def test_guidance_is_exact_at_its_ends():
    pos, null = torch.randn(4, 16, 16), torch.randn(4, 16, 16) * 1e6
    assert torch.equal(cfg(pos, null, 0.0), null)
    assert torch.equal(cfg(pos, null, 1.0), pos)


@pytest.mark.parametrize("scale", [1.0, 7.5, 100.0])
def test_vsd_with_the_exact_student_is_sds(scale):
    prior = gaussian(torch.device("cpu"), mean=(0.3, 0.1), covariance=(2.0, 0.5, 0.5, 1.0))
    method = vsd(scale)
    noised = step(prior, method, members=3, views=4)
    answers = exact(prior, torch.arange(3)).predict(noised, method.rows)
    named = {row.name: answers[:, :, k] for k, row in enumerate(method.rows)}
    angle = torch.zeros(3, 4)
    eps = Predictions(**named, noise=noised.noise, view=View(angle, angle, torch.tensor(0.0)))
    residual = method.residual(eps)
    torch.testing.assert_close(residual, sds(scale).residual(eps), rtol=0, atol=1e-10)
    # The same by the student's definition: q(x_t | c) is a Gaussian round the view's own latent.
    alpha, sigma = (x[noised.t][..., None, None, None] for x in (prior.alpha, prior.sigma))
    eps.camera = (noised.noised - alpha * noised.latent) / sigma
    torch.testing.assert_close(residual, method.residual(eps), rtol=0, atol=1e-10)


@pytest.mark.parametrize("entropy", [0.0, 0.3, 1.0])
def test_theorem_1(entropy):
    """J_Ent - [lambda KL(q) + (1 - lambda) E_c KL(q | c)] is (1 - lambda) H[N(0, sigma^2 I)], whatever theta is."""
    toy = Toy()
    for t in (50, 500, 950):
        apart = [_gap(toy, *toy.random(seed), t, entropy) for seed in range(4)]
        constant = (1 - entropy) * (
            math.log(2 * math.pi * math.e) + 2 * math.log(toy.prior.sigma[t])
        )
        assert apart == pytest.approx([constant] * 4, abs=1e-9)


def _gap(toy, root, mean, t, entropy):
    whole = toy.entropic_loss(root, mean, t, entropy)
    return (
        whole - entropy * toy.kl(root, mean, t) - (1 - entropy) * toy.kl_of_views(root, mean, t)
    ).item()


@pytest.mark.parametrize("entropy", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("t", [50, 500, 950])
def test_the_residual_descends_the_entropic_loss(t, entropy):
    """d/dtheta of Omega J_Ent, Omega = w sigma / alpha, is E[w residual dx/dtheta]: the sign and the scale of eq. 9."""
    toy = Toy()
    root, mean = (x.requires_grad_() for x in toy.random(1))
    prior = toy.prior
    weight = prior.sigma[t] ** 2 * prior.sigma[t] / prior.alpha[t]
    wanted = torch.autograd.grad(weight * toy.entropic_loss(root, mean, t, entropy), (root, mean))
    found = toy.expected_gradient(esd(entropy=entropy), root.detach(), mean.detach(), t)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
