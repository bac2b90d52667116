"""How good the shipped models are, on pictures that they have not seen: floors well below what the card states."""

import numpy as np
import pytest
import torch

from esd_bench import plugins
from esd_bench.cameras import protocol
from esd_bench.embedded import data, networks, raycast, weights
from esd_bench.embedded.captions import Subject
from esd_bench.embedded.card.measures import Retrieval, accuracy, autoencoder
from esd_bench.embedded.card.sampler import Sampler
from esd_bench.embedded.classifier import ASPECTS
from esd_bench.embedded.kinds import EXTRAS, NAMES
from esd_bench.embedded.objects import assemble
from esd_bench.embedded.parts import COLOURS
from esd_bench.metrics import Inputs

TRUTH = (
    Subject("dog", "orange"),
    Subject("owl", "blue", "hat"),
    Subject("car", "red"),
    Subject("lion", "green"),
)


@pytest.fixture(scope="module")
def pool():
    """Pictures of objects of their own, as the held-out pool's but another draw."""
    labels, window = data.draw("held-out", 165, 77)
    order = torch.randperm(165, generator=torch.Generator().manual_seed(0))
    whole = order[(labels.window == 0)[order] & ~labels.normals[order]][:100].sort().values
    labels, window = labels[whole], window[whole]
    return data.Pool(data.render(labels, window, 77, "cpu"), labels)


@pytest.fixture(scope="module")
def white(pool):
    return pool.images(torch.arange(len(pool)), "white")


@pytest.fixture(scope="module")
def classifier():
    return weights.classifier()


def test_the_classifier_knows_held_out_objects(pool, white, classifier):
    found = accuracy(classifier, pool.labels, white)
    assert found["n"] == 100
    assert found["label"] > 0.8
    assert found["kind"] > 0.9
    assert found["colour"] > 0.9
    assert found["azimuth_median_degrees"] < 7.5
    assert found["azimuth_within_22.5"] > 0.9


def test_clip_finds_the_kind(pool, white):
    nearest = Retrieval(weights.clip_folder(), white).nearest(
        [Subject(kind).phrase() for kind in NAMES]
    )
    assert (nearest[:, 0] == pool.labels.kind).float().mean() > 0.6


def test_the_autoencoder_reconstructs(pool):
    some = torch.arange(0, 100, 5)
    vae = networks.pretrained("vae", weights.components()["vae"], "cpu")
    found = autoencoder(vae, data.Pool(pool.rgba[some], pool.labels[some]))
    assert found["psnr_rgb"] > 25
    assert abs(found["latent_mean"]) < 0.2
    assert found["latent_std"] == pytest.approx(1, abs=0.1)


# ---- the oracle on true objects ------------------------------------------------------------------------------------


def rendered(subject, cameras):
    """8-bit RGBA of a true object from every camera."""
    words = (
        NAMES.index(subject.kind),
        list(COLOURS).index(subject.colour),
        EXTRAS.index(subject.extra),
    )
    thing = assemble(
        *(torch.tensor([i]) for i in words), generator=torch.Generator().manual_seed(9)
    )
    rgba = raycast.cast(thing[torch.zeros(len(cameras), dtype=torch.long)], cameras)
    return (rgba * 255).round().byte()


@pytest.mark.parametrize("subject", TRUTH, ids=lambda s: s.phrase())
def test_true_objects_pass_the_janus_metric(subject):
    """The whole chain of scoring: ring views, white, the embedder, the metric."""
    cameras = protocol("ring:15:24")
    embedder = plugins.load("embedders", "embedded")(torch.device("cpu"))
    rgba = rendered(subject, cameras).float() / 255
    outputs = embedder.images(raycast.over(rgba, torch.ones(len(rgba), 3)))
    inputs = Inputs(
        {"oracle": outputs},
        cameras.azimuth,
        cameras.elevation,
        truth=embedder.truth(subject.phrase()),
    )
    scores = {s.name: s.value for s in plugins.load("metrics", "janus")().compute(inputs)}
    assert scores["consistency"] > 0.95
    assert scores["janus_rate"] <= 0.05
    assert scores["faces"] == 1
    assert scores["success"] == 1
    assert scores["front_share"] == pytest.approx(0.3, abs=0.1)


def test_a_turned_camera_is_seen_as_turned(classifier):
    """The oracle's azimuth grows with the camera's, in the direction of the conventions."""
    cameras = protocol("ring:15:8")
    rgba = rendered(TRUTH[0], cameras).float() / 255
    seen = classifier(raycast.over(rgba, torch.ones(8, 3))).azimuth.argmax(1) * 15.0
    apart = (seen - torch.rad2deg(cameras.azimuth) + 180) % 360 - 180
    assert apart.abs().max() < 30


# ---- priors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", weights.names())
def test_a_sample_shows_what_was_asked_for(name, classifier):
    prior = Sampler(weights.components(name), "cpu", steps=10)
    wanted = [Subject("owl", "blue"), Subject("rabbit", "red"), Subject("penguin", "purple")]
    seen = classifier(prior.sample([s.phrase() + ", front view" for s in wanted], 7.5))
    kinds = (seen.label.argmax(1) // len(ASPECTS)).tolist()
    colours = seen.colour.argmax(1).tolist()
    right = np.array([NAMES[k] == s.kind for k, s in zip(kinds, wanted, strict=True)])
    tinted = np.array([list(COLOURS)[c] == s.colour for c, s in zip(colours, wanted, strict=True)])
    assert right.sum() >= 2
    assert tinted.sum() >= 2


def test_guidance_one_and_a_larger_batch_change_nothing_else():
    prior = Sampler(weights.components(), "cpu", steps=2)
    texts = ["a red dog", "a blue cat"]
    both = prior.sample(texts, 1.0)
    prior.batch = 1
    torch.testing.assert_close(prior.sample(texts, 1.0), both, atol=1e-4, rtol=0)
    torch.testing.assert_close(prior.sample(texts, 1.0 + 1e-7), both, atol=1e-3, rtol=0)
