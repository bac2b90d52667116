"""CLIP distance."""

import numpy as np
import pytest
import torch

from esd_bench.metrics import Inputs, Metric
from esd_bench.metrics.clip_distance import clip_distance


def test_is_the_mean_of_distances_not_the_distance_of_the_mean() -> None:
    images, text = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 0.0]])
    assert clip_distance(images, text) == 1.0


def test_ignores_lengths_and_order() -> None:
    rng = np.random.default_rng(0)
    images, text = rng.normal(size=(9, 5)), rng.normal(size=(1, 5))
    value = clip_distance(images, text)
    assert 0 <= value <= 2
    assert clip_distance(rng.permutation(images) * 7, text / 3) == pytest.approx(value, rel=1e-12)


def test_equals_torchmetrics_clip_score_on_its_scale() -> None:
    rng = np.random.default_rng(1)
    images, text = (
        torch.from_numpy(x) for x in (rng.normal(size=(9, 5)) + 2, rng.normal(size=(1, 5)) + 2)
    )
    theirs = 100 * torch.nn.functional.cosine_similarity(images, text).mean()
    assert 100 * (1 - clip_distance(images, text)) == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize("text", [np.zeros((1, 2)), np.ones((1, 3)), np.ones((2, 2))])
def test_refuses(text: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"zero|shapes"):
        clip_distance(np.ones((4, 2)), text)


def test_without_embeddings_it_is_the_plugin() -> None:
    metric = clip_distance()
    assert isinstance(metric, Metric)
    images, text = torch.rand(5, 4), torch.rand(1, 4)
    (found,) = metric.compute(
        Inputs({"clip": {"image": images}}, torch.zeros(5), torch.zeros(5), {"clip": text})
    )
    assert found.value == clip_distance(images, text)
    assert found.value == pytest.approx(np.mean(found.per_view))
