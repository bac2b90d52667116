"""Figure 3: the stochastic fit of the real methods against the theory."""

import pytest
import torch
from scipy.optimize import brentq

from esd_bench.illustrate.gaussian import Levels, gaussian, rest_points, table


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    out = tmp_path_factory.mktemp("figure")
    return out, gaussian(out, steps=300, batch=128, offset=0.5, lambdas=(0.0, 0.75, 1.0))


def test_it_draws(figure):
    out, fits = figure
    assert (out / "gaussian.png").read_bytes()[1:4] == b"PNG"
    assert (out / "gaussian.pdf").read_bytes()[:4] == b"%PDF"
    assert len(fits) == 10
    assert table(fits).count("\n") == 10


def test_fits_come_to_rest_where_theory_says(figure):
    for fit in figure[1]:
        if fit.label.endswith(("0.75", "1")):
            torch.testing.assert_close(fit.eigenvalues, fit.theory, rtol=0.05, atol=0.05)
        else:
            assert fit.eigenvalues.max() < 0.1
            assert torch.equal(fit.theory, torch.zeros(2, dtype=torch.float64))


def test_methods_without_entropy_fit_the_same(figure):
    for law in ("ddpm", "script"):
        fits = {fit.label: fit for fit in figure[1] if fit.law == law}
        assert torch.equal(fits["VSD"].covariance, fits["ESD λ = 0"].covariance)
        torch.testing.assert_close(
            fits["SDS"].covariance, fits["VSD"].covariance, rtol=0, atol=1e-6
        )


def test_full_entropy_finds_the_target(figure):
    for fit in figure[1]:
        if fit.label == "ESD λ = 1":
            goal = rest_points(one_level(0.5), fit.theory, 1.0)
            torch.testing.assert_close(fit.theory, goal, rtol=1e-6, atol=1e-6)


def one_level(abar):
    alpha = torch.tensor([[abar]], dtype=torch.float64).sqrt()
    return Levels(alpha, (1 - alpha**2).sqrt(), torch.ones_like(alpha))


@pytest.mark.parametrize("entropy", [0.0, 0.3, 0.8, 1.0])
def test_rest_points_at_one_level_are_the_closed_form(entropy):
    target = torch.tensor([0.5, 2.0], dtype=torch.float64)
    wanted = (entropy * target - (1 - entropy) * 0.25).clamp(min=0)
    found = rest_points(one_level(0.8), target, entropy)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_rest_points_over_levels_are_scipys_roots():
    alpha = torch.linspace(0.1, 0.95, 50, dtype=torch.float64)[None]
    levels = Levels(alpha, (1 - alpha**2).sqrt(), 1 - alpha**2)

    def pull(a):
        inside = 1 / (alpha**2 * 2 + levels.sigma**2) - 0.7 / (alpha**2 * a + levels.sigma**2)
        return (levels.weight * levels.sigma * alpha * inside).sum().item()

    found = rest_points(levels, torch.tensor([2.0], dtype=torch.float64), 0.7)
    assert found.item() == pytest.approx(brentq(pull, 0, 2), abs=1e-10)
