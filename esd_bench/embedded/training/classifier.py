"""Trains the classifier with its pose oracle."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esd_bench.embedded import data, networks
from esd_bench.embedded.classifier import (
    ASPECTS,
    BINS,
    Classifier,
    aspect,
    azimuth_bin,
    label_names,
)
from esd_bench.embedded.fitting import Fit
from esd_bench.embedded.networks import AutoencoderKL
from esd_bench.embedded.parts import COLOURS
from esd_bench.embedded.training.augment import augment, round_trip
from esd_bench.embedded.training.job import RATE, Job, finish, need, pick


def classifier(job: Job, option: str = "") -> None:
    """Label, azimuth and colour from views of the whole sphere, half of them through the autoencoder."""
    target = job.weights / "classifier"
    if target.exists():
        return
    pool = job.pool("sphere")
    vae = networks.pretrained("vae", need(job.weights / "embedded" / "vae"), job.device)
    model = Classifier().to(job.device)
    objective = judging(job, model, vae, pool)
    report = Fit("classifier", model, objective, RATE["classifier"], job.budget("classifier")).run()
    finish(partial(save, model), target)
    job.note("classifier", report)


def judging(
    job: Job, model: nn.Module, vae: AutoencoderKL, pool: data.Pool
) -> Callable[[], Tensor]:
    """The objective. Azimuth is not asked above 60 degrees of elevation, nor colour of normal maps."""
    labels = pool.labels
    label = labels.kind * len(ASPECTS) + aspect(labels.azimuth, labels.elevation)
    level = (torch.rad2deg(labels.elevation).abs() < 60).float()
    tinted = 1 - labels.normals.float()
    turn = azimuth_bin(labels.azimuth)

    def objective() -> Tensor:
        i = pick(len(pool), job.batch("classifier"), job.device)
        x = pool.images(i)
        half = len(i) // 2
        seen = model(augment(torch.cat([round_trip(vae, x[:half]), x[half:]])))
        return (
            cross_entropy(seen.label.float(), label[i], label_smoothing=0.02)
            + masked(seen.azimuth.float(), turn[i], level[i])
            + masked(seen.colour.float(), labels.colour[i], tinted[i])
        )

    return objective


def masked(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy over the examples that have an answer."""
    each = cross_entropy(logits, wanted, reduction="none", label_smoothing=0.02)
    return (each * weight).sum() / weight.sum().clamp(1)


def save(model: nn.Module, folder: Path) -> None:
    """Weights, and the words of every output."""
    state = {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}
    config = {"labels": label_names(), "colours": list(COLOURS), "azimuth_bins": BINS}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1))
