"""The Janus metric on objects that we know to be right or wrong."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esd_bench.cameras import ring
from esd_bench.metrics import Inputs
from esd_bench.metrics.janus import (
    best_front,
    consistency,
    faces,
    front_share,
    janus,
    janus_rate,
    success,
)

AZIMUTH = ring(15.0, 36).azimuth.double().numpy()


def seen(azimuth: np.ndarray, blur: float = 0.0) -> np.ndarray:
    """What an oracle answers that sees these azimuths: the nearest bin, blurred over its neighbours."""
    p = np.eye(24)[np.round(azimuth * 24 / (2 * np.pi)).astype(int) % 24]
    return p * (1 - 2 * blur) + blur * (np.roll(p, 1, 1) + np.roll(p, -1, 1))


CORRECT = seen(AZIMUTH, 0.2)
ALL_FRONT = seen(AZIMUTH * 0, 0.2)
ALL_BACK = seen(AZIMUTH * 0 + np.pi, 0.2)
TWO_FACES = seen(2 * AZIMUTH, 0.2)
THREE_FACES = seen(3 * AZIMUTH, 0.2)
MIRRORED = seen(-AZIMUTH, 0.2)
UNSURE = np.full((36, 24), 1 / 24)


@pytest.mark.parametrize(
    ("p", "rate", "r", "share", "count", "right"),
    [
        (CORRECT, 0.0, 1.0, 11 / 36, 1, True),
        (ALL_FRONT, 1.0, 0.0, 1.0, 1, False),
        (ALL_BACK, 0.0, 0.0, 0.0, 0, False),
        (TWO_FACES, 5 / 23, 0.0, 10 / 36, 2, False),
        (UNSURE, 0.0, 0.0, 0.0, 0, False),
    ],
    ids=["correct", "front all round", "back all round", "two faces", "unsure"],
)
def test_known_objects(
    p: np.ndarray, rate: float, r: float, share: float, count: int, right: bool
) -> None:
    assert janus_rate(p, AZIMUTH) == pytest.approx(rate)
    assert consistency(p, AZIMUTH) == pytest.approx(r, abs=0.02)
    assert front_share(p) == pytest.approx(share)
    assert faces(p, AZIMUTH) == count
    assert success(p, AZIMUTH) is right


def test_three_faces_and_mirror_images_are_wrong() -> None:
    assert faces(THREE_FACES, AZIMUTH) == 3
    assert janus_rate(THREE_FACES, AZIMUTH) == pytest.approx(6 / 23)
    assert not success(THREE_FACES, AZIMUTH)
    assert consistency(MIRRORED, AZIMUTH) < 0.02
    assert not success(MIRRORED, AZIMUTH)


def test_a_rate_alone_does_not_see_a_faceless_object() -> None:
    assert janus_rate(ALL_BACK, AZIMUTH) == janus_rate(CORRECT, AZIMUTH) == 0
    assert consistency(ALL_BACK, AZIMUTH) < 0.01 < 0.99 < consistency(CORRECT, AZIMUTH)


def test_views_of_the_front_alone_are_no_correct_object() -> None:
    with pytest.raises(ValueError, match="no view is off the front"):
        janus_rate(CORRECT[:3], AZIMUTH[:3])


@given(st.integers(0, 23), st.integers(0, 999))
@settings(max_examples=20)
def test_turning_the_object_and_shuffling_views_change_nothing(turn: int, seed: int) -> None:
    azimuth = ring(15.0, 24).azimuth.double().numpy()
    order = np.random.default_rng(seed).permutation(24)
    for k in (1, 2, 3):
        p = seen(k * azimuth, 0.2)
        # An object turned by some bins: view i sees what view i - turn saw.
        turned = np.roll(p, turn, 0)
        for q, at in ((turned, azimuth), (turned[order], azimuth[order])):
            assert janus_rate(q, at) == pytest.approx(janus_rate(p, azimuth))
            assert consistency(q, at) == pytest.approx(consistency(p, azimuth), abs=1e-12)
            assert faces(q, at) == faces(p, azimuth)
            assert success(q, at) is success(p, azimuth)


def test_the_best_front_is_the_middle_of_the_clearest_face() -> None:
    assert best_front(CORRECT, AZIMUTH) == 0
    shifted = np.roll(CORRECT, 9, 0)
    assert best_front(shifted, AZIMUTH) == 9
    # A second, weaker face behind does not pull it away, nor towards the middle between the two.
    weak = CORRECT.copy()
    weak[9] = CORRECT[0]
    assert best_front(weak, AZIMUTH) == 0
    assert faces(weak, AZIMUTH) == 2


def test_a_front_of_the_wrong_kind_is_no_success() -> None:
    assert success(CORRECT, AZIMUTH, kind=0.9)
    assert not success(CORRECT, AZIMUTH, kind=0.4)


def inputs(p: np.ndarray, truth: dict[str, int]) -> Inputs:
    kind, colour = (
        torch.tensor([[0.9, 0.1]]).repeat(36, 1),
        torch.tensor([[0.2, 0.8]]).repeat(36, 1),
    )
    heads = {"azimuth": torch.from_numpy(p).float(), "kind": kind, "colour": colour}
    at = ring(15.0, 36)
    return Inputs({"oracle": heads}, at.azimuth, at.elevation, truth=truth)


def test_plugin_reports_all_of_them_together() -> None:
    metric = janus()
    assert (metric.roles, metric.views, metric.reference) == (("oracle",), "ring", False)
    scores = {s.name: s.value for s in metric.compute(inputs(CORRECT, {"kind": 0, "colour": 1}))}
    assert scores == pytest.approx(
        {
            "janus_rate": 0.0,
            "consistency": 1.0,
            "front_share": 11 / 36,
            "faces": 1.0,
            "success": 1.0,
            "kind": 0.9,
            "colour": 0.8,
        },
        abs=0.01,
    )
    wrong = {s.name: s.value for s in metric.compute(inputs(CORRECT, {"kind": 1}))}
    assert wrong["success"] == 0.0
    assert "colour" not in wrong
    blind = {s.name: s for s in metric.compute(inputs(CORRECT, {}))}
    assert "kind" not in blind
    assert blind["success"].value == 1.0
    assert "pose only" in blind["success"].note
