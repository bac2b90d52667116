"""Conversions that must not change an answer."""

import json

import pytest
import torch
from safetensors.torch import load_file

from esd_bench.embedded import networks, tokens, weights
from esd_bench.embedded.classifier import (
    ASPECTS,
    BINS,
    Classifier,
    aspect,
    azimuth_bin,
    label_names,
)
from esd_bench.embedded.kinds import NAMES
from esd_bench.embedded.parts import COLOURS

TEXTS = ["", "a red dog", "a striped blue cat with a hat, back view", "a zebra"]


@pytest.fixture(scope="module")
def ids():
    return tokens.ids(TEXTS)


@torch.no_grad()
def agree(model, encoder, ids):
    """open_clip's sentence embedding against the one from transformers' hidden states at the end token."""
    hidden = encoder(ids).last_hidden_state
    end = hidden[torch.arange(len(ids)), ids.argmax(-1)]
    return torch.allclose(end @ model.text_projection, model.encode_text(ids), atol=2e-5)


def test_the_text_tower_becomes_a_text_encoder_that_answers_the_same(ids):
    torch.manual_seed(1)
    model = networks.clip(len(tokens.tokenizer())).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases begin at zero, which would hide a mix-up
            parameter.add_(0.05 * torch.randn_like(parameter))
    encoder = networks.text_encoder(model.state_dict(), tokens.tokenizer())
    assert agree(model, encoder, ids)


def test_the_shipped_text_encoder_is_the_shipped_clip_s_text_tower(ids):
    folder = weights.clip_folder()
    model = networks.clip(len(tokens.tokenizer())).eval()
    model.load_state_dict(
        {k: v.float() for k, v in load_file(folder / "open_clip_model.safetensors").items()}
    )
    encoder = networks.pretrained("text_encoder", weights.verified("embedded/text_encoder"), "cpu")
    assert agree(model, encoder, ids)


def test_the_text_encoder_loads_as_float32_by_transformers_too():
    folder = weights.verified("embedded/text_encoder")
    assert networks.CLIPTextModel.from_pretrained(folder).dtype == torch.float32


def test_standardised_latents_decode_to_the_same_picture():
    torch.manual_seed(0)
    model, x = networks.vae().eval(), torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        z = model.encode(x).latent_dist.mean
        picture, mean, std = model.decode(z).sample, z.mean((0, 2, 3)), z.std().item()
        networks.standardise(model, mean, std)
        moved = model.encode(x).latent_dist.mean
        again = model.decode(moved).sample
    torch.testing.assert_close(moved, z - mean[:, None, None], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(again, picture, atol=1e-4, rtol=1e-4)
    assert model.config.scaling_factor == pytest.approx(1 / std)


def test_a_network_s_size():
    count = {name: sum(p.numel() for p in make().parameters()) for name, make in MAKERS.items()}
    assert 3e6 < count["unet"] < 5e6
    assert sum(count.values()) + count["unet"] < 12e6, "fp16, two priors: 24 MB"


MAKERS = {
    "vae": networks.vae,
    "unet": networks.unet,
    "clip": lambda: networks.clip(len(tokens.tokenizer())),
    "classifier": Classifier,
}


def test_labels_of_the_classifier():
    words = label_names()
    assert words[:2] == ["cat front", "cat side"]
    assert len(set(words)) == len(NAMES) * len(ASPECTS)
    config = json.loads((weights.verified("classifier") / "config.json").read_text())
    assert config == {"labels": words, "colours": list(COLOURS), "azimuth_bins": BINS}


def test_aspects_and_azimuth_bins():
    azimuth = torch.deg2rad(torch.tensor([0.0, 90.0, 180.0, 0.0, 0.0, -7.4, -7.6, 352.6]))
    elevation = torch.deg2rad(torch.tensor([0.0, 0.0, 10.0, 80.0, -80.0, 0.0, 0.0, 0.0]))
    assert [ASPECTS[i] for i in aspect(azimuth, elevation)[:5]] == list(ASPECTS)
    assert azimuth_bin(azimuth).tolist() == [0, 6, 12, 0, 0, 0, 23, 0]
