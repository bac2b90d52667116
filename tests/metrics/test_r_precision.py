"""CLIP R-precision: what is nearest, counted; against scipy's neighbours."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from esd_bench.metrics import Inputs
from esd_bench.metrics.r_precision import r_precision, retrieved


def test_equals_the_nearest_neighbour_by_cosine() -> None:
    rng = np.random.default_rng(0)
    views, texts = rng.normal(size=(200, 6)), rng.normal(size=(5, 6)) * rng.uniform(0.5, 3, (5, 1))
    nearest = cdist(views, texts, "cosine").argmin(1)
    for own in range(5):
        found = retrieved(views, texts[own : own + 1], np.delete(texts, own, 0))
        assert found.tolist() == (nearest == own).tolist()
    assert 0 < (nearest == 0).mean() < 1


def test_a_tie_finds_nothing_and_lengths_do_not_matter() -> None:
    views, text = np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([[1.0, 0.0]])
    assert not retrieved(views, text, 3 * text).any()
    one = retrieved(views, text, np.array([[0.0, 1.0]]))
    assert (retrieved(9 * views, 5 * text, np.array([[0.0, 0.1]])) == one).all()


@pytest.mark.parametrize(
    ("text", "others"), [(np.zeros((1, 2)), np.ones((2, 2))), (np.ones((2, 2)), np.ones((2, 2)))]
)
def test_refuses(text: np.ndarray, others: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"zero|shapes"):
        retrieved(np.ones((4, 2)), text, others)


def test_plugin_says_what_chance_would_give() -> None:
    metric = r_precision()
    assert metric.others
    views, at = torch.tensor([[1.0, 0.1], [0.1, 1.0], [1.0, 0.0]]), torch.zeros(3)
    text, others = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    (found,) = metric.compute(
        Inputs({"clip": {"image": views}}, at, at, {"clip": text}, {"clip": others})
    )
    assert found.value == pytest.approx(2 / 3)
    assert list(found.per_view) == [1, 0, 1]
    assert found.beside == {"texts": 3, "chance": pytest.approx(1 / 3)}
