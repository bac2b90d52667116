"""The kernel distance: a slow double loop, unbiasedness, and other people's implementations."""

import numpy as np
import pytest
import torch

from esd_bench.metrics import Inputs
from esd_bench.metrics.kid import kernel_distance, kernel_error, kid


def slow(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    xx = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    yy = [k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    xy = [k(a, b) for a in x for b in y]
    return float(np.mean(xx) + np.mean(yy) - 2 * np.mean(xy))


def test_equals_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 5)), rng.normal(size=(9, 5)) + 1
    assert kernel_distance(x, y) == pytest.approx(slow(x, y), rel=1e-12)
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), rel=1e-12)
    assert kernel_distance(rng.permutation(x), y) == pytest.approx(kernel_distance(x, y), rel=1e-12)


def test_is_unbiased_where_the_frechet_distance_is_not() -> None:
    rng = np.random.default_rng(1)
    values = [kernel_distance(rng.normal(size=(8, 4)), rng.normal(size=(8, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20
    assert min(values) < 0 < max(values)


def test_agrees_with_torch_fidelity_and_torchmetrics_on_one_subset_of_everything() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 16)), rng.normal(size=(30, 16)) + 0.3
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    options = {"kid_subsets": 1, "kid_subset_size": 30, "verbose": False}
    theirs = kid_features_to_metric(a, b, **options)["kernel_inception_distance_mean"]
    assert kernel_distance(x, y) == pytest.approx(float(theirs), rel=1e-9)
    torchmetrics = pytest.importorskip("torchmetrics.image.kid")
    assert kernel_distance(x, y) == pytest.approx(float(torchmetrics.poly_mmd(a, b)), rel=1e-9)


def test_the_error_is_that_of_leaving_rows_out_one_by_one() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(9, 5)), rng.normal(size=(7, 5)) + 0.5
    variance = 0.0
    for a, other in ((x, y), (y, x)):
        left = [kernel_distance(np.delete(a, i, 0), other) for i in range(len(a))]
        variance += (len(a) - 1) * np.var(left)
    assert kernel_error(x, y) == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert kernel_error(x[:2], y) is None


def test_the_error_is_the_spread_over_samples() -> None:
    rng = np.random.default_rng(4)
    drawn = [(rng.normal(size=(30, 6)), rng.normal(size=(24, 6)) + 0.4) for _ in range(300)]
    spread = np.std([kernel_distance(x, y) for x, y in drawn])
    assert np.mean([kernel_error(x, y) for x, y in drawn]) == pytest.approx(spread, rel=0.2)


def test_plugin() -> None:
    x, y = torch.rand(6, 3), torch.rand(4, 3)
    inputs = Inputs(
        {"features": {"features": x}},
        torch.zeros(6),
        torch.zeros(6),
        reference={"features": {"features": y}},
    )
    (found,) = kid().compute(inputs)
    assert found.value == kernel_distance(x, y)
    low, high = found.interval
    assert high - low == pytest.approx(2 * 1.96 * kernel_error(x, y))
    assert (low + high) / 2 == pytest.approx(found.value)
