"""CMMD: the published code word for word, a double loop, and unbiasedness where the published number is biased."""

import numpy as np
import pytest
import torch

from esd_bench.metrics import Inputs
from esd_bench.metrics.cmmd import clip_discrepancy, cmmd


def unit(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 8)) + shift
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def published(x: np.ndarray, y: np.ndarray) -> float:
    """``mmd`` of google-research/cmmd/distance.py (arXiv 2401.09603), in numpy."""
    x_sqnorms, y_sqnorms = np.diag(x @ x.T), np.diag(y @ y.T)
    gamma = 1 / (2 * 10**2)
    k_xx = np.mean(
        np.exp(
            -gamma * (-2 * (x @ x.T) + np.expand_dims(x_sqnorms, 1) + np.expand_dims(x_sqnorms, 0))
        )
    )
    k_xy = np.mean(
        np.exp(
            -gamma * (-2 * (x @ y.T) + np.expand_dims(x_sqnorms, 1) + np.expand_dims(y_sqnorms, 0))
        )
    )
    k_yy = np.mean(
        np.exp(
            -gamma * (-2 * (y @ y.T) + np.expand_dims(y_sqnorms, 1) + np.expand_dims(y_sqnorms, 0))
        )
    )
    return float(1000 * (k_xx + k_yy - 2 * k_xy))


def slow(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / 200))

    xx = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    yy = [k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    xy = [k(a, b) for a in x for b in y]
    return float(1000 * (np.mean(xx) + np.mean(yy) - 2 * np.mean(xy)))


def test_the_v_statistic_is_the_published_code() -> None:
    x, y = unit(0, 9), unit(1, 7, 0.5)
    assert clip_discrepancy(x, y, v_statistic=True) == pytest.approx(published(x, y), rel=1e-9)
    assert clip_discrepancy(x, x, v_statistic=True) == pytest.approx(0, abs=1e-9)


def test_the_u_statistic_is_the_double_loop_without_itself() -> None:
    x, y = unit(2, 9), unit(3, 7, 0.5)
    assert clip_discrepancy(x, y) == pytest.approx(slow(x, y), rel=1e-9)
    assert clip_discrepancy(5 * x, y) == pytest.approx(clip_discrepancy(x, y), rel=1e-9)


def test_is_unbiased_where_the_published_number_is_not() -> None:
    pairs = [(unit(10 + i, 12), unit(1000 + i, 12)) for i in range(300)]
    found = np.array(
        [[clip_discrepancy(x, y, v_statistic=v) for v in (False, True)] for x, y in pairs]
    )
    error = found.std(0) / len(found) ** 0.5
    assert abs(found[:, 0].mean()) < 3 * error[0]
    assert found[:, 1].mean() > 20 * error[1]
    assert found[:, 1].min() >= 0


def test_refuses() -> None:
    with pytest.raises(ValueError, match="zero"):
        clip_discrepancy(np.zeros((3, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="width"):
        clip_discrepancy(np.ones((3, 3)), np.ones((3, 2)))


def test_plugin_offers_both() -> None:
    x, y = (torch.from_numpy(v) for v in (unit(4, 6), unit(5, 5)))
    at = torch.zeros(6, dtype=torch.float64)
    metric = cmmd()
    assert (metric.roles, metric.reference) == (("clip",), True)
    one, other = metric.compute(
        Inputs({"clip": {"image": x}}, at, at, reference={"clip": {"image": y}})
    )
    assert one.value == pytest.approx(clip_discrepancy(x, y))
    assert other.value == pytest.approx(clip_discrepancy(x, y, v_statistic=True))
    assert one.interval[0] < one.value < one.interval[1]
