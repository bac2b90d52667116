"""The Frechet distance: closed forms, identities, and other people's implementations on the same features."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esd_bench.metrics import Inputs
from esd_bench.metrics.fid import above_floor, fid, frechet_distance, rank


def by_square_root(x: np.ndarray, y: np.ndarray) -> float:
    """The textbook formula through scipy's matrix square root."""
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(0) - y.mean(0)
    return float(
        gap @ gap + np.trace(s) + np.trace(t) - 2 * np.trace(scipy.linalg.sqrtm(s @ t).real)
    )


def sets(seed: int, n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d))
    return rng.normal(size=(n, d)) @ mix + 1, rng.normal(size=(m, d)) * rng.uniform(0.5, 2, d)


@given(st.integers(0, 999), st.integers(2, 40), st.integers(2, 40), st.integers(1, 24))
@settings(max_examples=30)
def test_equals_the_closed_form_of_two_gaussians_on_a_line(
    seed: int, n: int, m: int, d: int
) -> None:
    x, y = sets(seed, n, m, 1)
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    # Independent coordinates that never vary together add up; here one coordinate repeated d times.
    assert frechet_distance(np.repeat(x, d, 1), np.repeat(y, d, 1)) == pytest.approx(
        d * expected, rel=1e-9, abs=1e-9
    )


@pytest.mark.parametrize(("n", "m"), [(60, 50), (400, 300), (60, 300), (24, 24), (25, 23)])
def test_equals_the_matrix_square_root_when_covariances_are_regular(n: int, m: int) -> None:
    x, y = sets(1, n, m, 20)
    assert frechet_distance(x, y) == pytest.approx(by_square_root(x, y), rel=1e-7)


def test_is_exact_when_covariances_are_singular() -> None:
    x, y = sets(2, 12, 9, 64)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(0) - y.mean(0)
    values = np.linalg.eigvals(s @ t)
    root = np.sqrt(np.clip(values.real, 0, None)).sum()
    slow = gap @ gap + np.trace(s) + np.trace(t) - 2 * root
    assert frechet_distance(x, y) == pytest.approx(slow, rel=1e-5)
    padded = frechet_distance(np.pad(x, ((0, 0), (0, 300))), np.pad(y, ((0, 0), (0, 300))))
    assert frechet_distance(x, y) == pytest.approx(padded, rel=1e-12)


@given(st.integers(0, 999), st.sampled_from([(7, 9, 20), (40, 7, 20), (40, 50, 20)]))
@settings(max_examples=15)
def test_invariances(seed: int, shape: tuple[int, int, int]) -> None:
    x, y = sets(seed, *shape)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    value = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(rng.permutation(x), y) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(x @ turn + 3, y @ turn + 3) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(3 * x, 3 * y) == pytest.approx(9 * value, rel=1e-9)
    assert 0 <= frechet_distance(x, x) < 1e-9 * np.trace(np.cov(x, rowvar=False))


def test_shift_adds_its_square() -> None:
    x, _ = sets(3, 30, 30, 8)
    assert frechet_distance(x, x + 2.0) == pytest.approx(8 * 4.0, rel=1e-10)


def test_agrees_with_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    x, y = (torch.from_numpy(v) for v in sets(4, 90, 80, 32))
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(x), fid_features_to_statistics(y), False
    )
    assert frechet_distance(x, y) == pytest.approx(next(iter(theirs.values())), rel=1e-6)


def test_agrees_with_torchmetrics() -> None:
    metrics = pytest.importorskip("torchmetrics.image.fid")

    class Same(torch.nn.Module):
        num_features = 32

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0, 0]

    x, y = (torch.from_numpy(v) for v in sets(5, 90, 80, 32))
    module = metrics.FrechetInceptionDistance(feature=Same(), normalize=True).set_dtype(
        torch.float64
    )
    module.update(x[:, None, None], real=True)
    module.update(y[:, None, None], real=False)
    assert frechet_distance(x, y) == pytest.approx(float(module.compute()), rel=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 3)), np.zeros((2, 3)), "at least 2 rows"),
        (np.zeros((4, 3)), np.zeros((4, 2)), "different width"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "not finite"),
    ],
)
def test_refuses(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frechet_distance(x, y)


def test_plugin_gives_the_floor_beside_the_value() -> None:
    x, y = (torch.from_numpy(v).float() for v in sets(6, 12, 10, 5))
    inputs = Inputs(
        {"features": {"features": x}},
        torch.zeros(12),
        torch.zeros(12),
        reference={"features": {"features": y}},
    )
    value, floor, excess = fid().compute(inputs)
    assert (value.name, value.n, value.better) == ("fid", 12, "lower")
    assert value.value == frechet_distance(x, y)
    assert (floor.name, floor.n) == ("fid_floor", 5)
    assert floor.value == frechet_distance(y[0::2], y[1::2])
    assert value.beside == {"rank": 5, "reference_rank": 5, "width": 5}
    k, own, same = above_floor(x, y)
    assert (excess.name, excess.n, k) == ("fid_excess", 5, 5)
    assert excess.value == excess.beside["fid"] - excess.beside["floor"]
    assert excess.value == pytest.approx(own - same)


@pytest.mark.parametrize(("n", "m", "k"), [(12, 10, 5), (3, 40, 3), (8, 16, 8)])
def test_the_floor_above_which_a_value_stands_has_its_n(n: int, m: int, k: int) -> None:
    x, y = sets(7, n, m, 24)
    found, own, floor = above_floor(x, y, splits=1)
    assert found == k
    random = np.random.default_rng(0)
    seen, order = random.permutation(n)[:k], random.permutation(m)
    against, same = y[order[:k]], y[order[k : 2 * k]]
    assert own == frechet_distance(x[seen], against)
    assert floor == frechet_distance(same, against)


def test_one_law_on_both_sides_has_no_excess_though_its_distance_is_large() -> None:
    rng = np.random.default_rng(8)
    scale = 1 / np.arange(1, 65)
    far, excess = [], []
    for _ in range(40):
        x, y = rng.normal(size=(20, 64)) * scale, rng.normal(size=(40, 64)) * scale
        _, own, floor = above_floor(x, y, splits=4)
        far.append(own)
        excess.append(own - floor)
    assert abs(np.mean(excess)) < 3 * np.std(excess) / 40**0.5
    assert np.mean(far) > 10 * abs(np.mean(excess))


def test_ranks_count_directions_that_float32_resolves() -> None:
    x, _ = sets(9, 12, 9, 64)
    assert rank(x) == 11
    assert rank(np.repeat(x, 4, 0)) == 11
    assert rank(x.astype(np.float32)) == 11
    assert rank(np.repeat(x[:1], 12, 0)) == 0
    assert rank(np.random.default_rng(0).normal(size=(90, 7))) == 7
