"""Identities between methods, and ESD's theorem 1."""

import math

import pytest
import torch

from esd_bench.cameras import COMPASS
from esd_bench.methods import Predictions, View, cfg
from esd_bench.methods.debiased_sds import debiased_sds
from esd_bench.methods.esd import esd
from esd_bench.methods.perp_neg import between, perp_neg
from esd_bench.methods.sds import sds
from esd_bench.methods.vsd import vsd
from esd_bench.priors.gaussian import gaussian
from esd_bench.prompts import TEXTS
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


def sided(angle=0.7, seed=0, dtype=torch.float32):
    """Predictions of Perp-Neg's rows with all views at one azimuth."""
    eps = random_predictions(seed, dtype)
    eps.front, eps.side = eps.camera, eps.anywhere
    azimuth = torch.full((2, 3), angle, dtype=dtype)
    eps.view = View(azimuth, torch.zeros(2, 3, dtype=dtype), torch.tensor(0.0))
    return eps


def test_perp_neg_without_negatives_is_sds_bitwise():
    eps = sided()
    for scale in (1.0, 100.0):
        found = perp_neg(scale, strength=0.0).residual(eps)
        assert torch.equal(found, sds(scale).residual(eps))


def test_perp_neg_ignores_what_a_negative_shares_with_the_positive():
    eps = sided(dtype=torch.float64)
    before = perp_neg().residual(eps)
    eps.front = eps.front + 3 * (eps.text - eps.null)
    torch.testing.assert_close(perp_neg().residual(eps), before, rtol=1e-9, atol=1e-9)


WEIGHTS = {0: (0.0, -1.574), 45: (-0.689, -0.689), 90: (-1.574, 0.0), 135: (-1.746, -0.173)}
WEIGHTS |= {180: (-1.967, -0.394)}
"""Weights of the front and of the side as negatives, by azimuth, worked out from the published constants."""


def negatives(degrees, elevation=0.0):
    """The weights read off the residual: a negative of unit length, perpendicular to the positive."""
    found = []
    for name in ("front", "side"):
        names = ("text", "null", "front", "side", "noise")
        rows = {n: torch.zeros(1, 1, 3, 1, 1, dtype=torch.float64) for n in names}
        rows["text"][..., 0, 0, 0], rows[name][..., 1, 0, 0] = 1, 1
        angles = torch.tensor([[math.radians(degrees)], [math.radians(elevation)]]).double()
        view = View(angles[:1], angles[1:], torch.tensor(0.0))
        found.append(perp_neg(scale=1.0).residual(Predictions(**rows, view=view))[0, 0, 1].item())
    return found


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("degrees", WEIGHTS)
def test_published_weights_of_perp_neg(degrees, sign):
    assert negatives(sign * degrees) == pytest.approx(WEIGHTS[degrees], abs=1e-3)


def test_perp_neg_s_weights_vanish_at_r_1_and_are_continuous_monotone_and_never_positive():
    assert abs(negatives(0)[0]) < 1e-3
    assert abs(negatives(90 - 1e-9)[1]) < 1e-3
    for near, far in zip(negatives(90 - 1e-6), negatives(90 + 1e-6), strict=True):
        assert abs(near - far) < 2e-3
    whole = torch.tensor([negatives(x) for x in range(0, 181, 5)])
    assert (whole <= 0).all()
    assert (whole[1:, 0] <= whole[:-1, 0] + 1e-3).all()
    assert negatives(200) == pytest.approx(negatives(160))
    assert negatives(20, elevation=61) == [0, 0]


def test_perp_neg_s_positive_text_is_a_mix_of_its_neighbours():
    azimuth = torch.tensor([[0.0, 45, 90, 135, 180, -45, 30]]).deg2rad()
    elevation = torch.tensor([[0.0, 0, 0, 0, 0, 0, 61]]).deg2rad()
    mix = between(View(azimuth, elevation, torch.tensor(0.0)))[0]
    front, side, back, overhead = (mix[:, TEXTS.index(x)].tolist() for x in COMPASS)
    assert front == pytest.approx([1, 0.5, 0, 0, 0, 0.5, 0], abs=1e-6)
    assert side == pytest.approx([0, 0.5, 1, 0.5, 0, 0.5, 0], abs=1e-6)
    assert back == pytest.approx([0, 0, 0, 0.5, 1, 0, 0], abs=1e-6)
    assert overhead == [0, 0, 0, 0, 0, 0, 1]


def test_debiased_sds_is_sds_with_a_bound_that_grows_until_its_end():
    eps, method = random_predictions(), debiased_sds(low=2.0, high=8.0, until=0.4)
    assert torch.equal(method.residual(eps), sds().residual(eps))
    bounds = [method.bound(torch.tensor(x)).item() for x in (0.0, 0.2, 0.4, 0.9)]
    assert bounds == pytest.approx([2, 5, 8, 8])
    # ESD's appendix C: .5 to 2 over 25,000 steps is .8 after 5000; over 10,000 it were 1.25.
    assert debiased_sds().bound(torch.tensor(0.2)).item() == pytest.approx(0.8)
    assert debiased_sds(until=0.4).bound(torch.tensor(0.2)).item() == pytest.approx(1.25)


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
