"""What is measured: view bias of the priors, accuracy of the judges, fidelity of the autoencoder."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esd_bench.cameras import COMPASS
from esd_bench.embedded import captions, data, networks
from esd_bench.embedded.card.sampler import Sampler
from esd_bench.embedded.classifier import ASPECTS, BINS, Classifier, Judgement, aspect
from esd_bench.embedded.kinds import NAMES
from esd_bench.embedded.networks import AutoencoderKL
from esd_bench.embedded.parts import COLOURS

log = logging.getLogger(__name__)
Numbers = dict[str, Any]
TAILS = ("", ", front view", ", side view", ", back view")
SCALES = (1.0, 7.5)


def share(x: Bool[Tensor, " n"]) -> float:
    """Mean of a mask, to four digits."""
    return round(x.float().mean().item(), 4)


def phrase(kind: int, colour: int, extra: str = "") -> str:
    """The suites' wording."""
    return captions.Subject(NAMES[kind], list(COLOURS)[colour], extra).phrase()


@torch.no_grad()
def judged(judge: Classifier, images: Float[Tensor, "n 3 h w"]) -> Judgement:
    """The classifier in pieces."""
    pieces = [judge(x) for x in images.split(512)]
    return Judgement(*(torch.cat(column) for column in zip(*pieces, strict=True)))


# ---- priors --------------------------------------------------------------------------------------------------------


def subjects(n: int) -> list[tuple[int, int]]:
    """``n`` pairs of kind and colour, spread evenly: every kind in turn, with the next colour in every round."""
    kinds, colours = len(NAMES), len(COLOURS)
    return [(i % kinds, (i % kinds + i // kinds) % colours) for i in range(n)]


def biases(prior: Sampler, judge: Classifier, n: int) -> Iterator[tuple[str, Numbers]]:
    """The view bias of every wording at every guidance scale."""
    for scale in SCALES:
        for tail in TAILS:
            key, row = f"cfg {scale:g}{tail}", view_bias(prior, judge, subjects(n), scale, tail)
            log.info("[card] %s %s", key, row)
            yield key, row


def view_bias(
    prior: Sampler, judge: Classifier, wanted: list[tuple[int, int]], scale: float, tail: str
) -> Numbers:
    """Where samples look from, by the oracle, and whether kind and colour are right."""
    seen = judged(judge, prior.sample([phrase(*pair) + tail for pair in wanted], scale))
    turn = seen.azimuth.argmax(1) * (360 / BINS)
    turn = torch.minimum(turn, 360 - turn)
    kind, colour = torch.tensor(wanted, device=turn.device).T
    return {
        "front": share(turn <= 45),
        "side": share((turn > 45) & (turn < 135)),
        "back": share(turn >= 135),
        "kind": share(seen.label.argmax(1) // len(ASPECTS) == kind),
        "colour": share(seen.colour.argmax(1) == colour),
        "n": len(wanted),
    }


# ---- autoencoder ---------------------------------------------------------------------------------------------------


@torch.no_grad()
def latents(vae: AutoencoderKL, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c u v"]:
    """Means of the posteriors, unscaled."""
    return torch.cat([vae.encode(x * 2 - 1).latent_dist.mean for x in images.split(256)])


@torch.no_grad()
def decoded(vae: AutoencoderKL, z: Float[Tensor, "n c u v"]) -> Float[Tensor, "n 3 h w"]:
    """RGB in [0, 1] of unscaled latents."""
    return ((torch.cat([vae.decode(x).sample for x in z.split(256)]) + 1) / 2).clamp(0, 1)


def psnr(error: Float[Tensor, " n"]) -> float:
    """Decibels of the mean of squared errors of colours in [0, 1]."""
    return round(-10 * math.log10(error.mean().item()), 2)


def autoencoder(vae: AutoencoderKL, pool: data.Pool, limit: int = 2048) -> Numbers:
    """PSNR in dB on held-out pictures, colour and normal maps, and the moments of scaled latents."""
    index = torch.arange(0, len(pool), max(1, len(pool) // limit), device=pool.rgba.device)
    images, normals = pool.images(index, "pale"), pool.labels.normals[index]
    z = latents(vae, images)
    error = (decoded(vae, z) - images).square().mean((1, 2, 3))
    scaled = z * vae.config.scaling_factor
    return {
        "n": len(index),
        "psnr_rgb": psnr(error[~normals]),
        "psnr_normals": psnr(error[normals]),
        "latent_mean": round(scaled.mean().item(), 4),
        "latent_std": round(scaled.std().item(), 4),
        "scaling_factor": round(vae.config.scaling_factor, 5),
    }


# ---- judges --------------------------------------------------------------------------------------------------------


def off(azimuth: Float[Tensor, " n"], seen: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Degrees between true azimuths (radians) and the centres of the oracle's bins, in [0, 180]."""
    apart = torch.rad2deg(azimuth) - seen * (360 / BINS)
    return (torch.remainder(apart + 180, 360) - 180).abs()


def accuracy(judge: Classifier, labels: data.Labels, images: Tensor) -> Numbers:
    """Label, kind, aspect, colour and azimuth on some held-out pictures."""
    seen = judged(judge, images)
    label, side = seen.label.argmax(1), aspect(labels.azimuth, labels.elevation)
    n = len(ASPECTS)
    level = torch.rad2deg(labels.elevation).abs() < 60
    error = off(labels.azimuth, seen.azimuth.argmax(1))[level]
    tinted = ~labels.normals
    numbers = {
        "n": len(labels),
        "label": share(label == labels.kind * n + side),
        "kind": share(label // n == labels.kind),
        "aspect": share(label % n == side),
        "azimuth_median_degrees": round(error.median().item(), 2),
        "azimuth_within_22.5": share(error < 22.5),
    }
    if tinted.any():
        numbers["colour"] = share((seen.colour.argmax(1) == labels.colour)[tinted])
    return numbers


class Retrieval:
    """open_clip's own model and tokenizer from a folder, and pictures it has seen."""

    def __init__(self, folder: Path, images: Float[Tensor, "n 3 h w"]) -> None:
        import open_clip

        self.device = images.device
        self.model = open_clip.create_model(f"local-dir:{folder}", device=self.device).eval()
        self.tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
        pixels = networks.clip_pixels(images)
        with torch.no_grad():
            pieces = [self.model.encode_image(x, normalize=True) for x in pixels.split(512)]
        self.seen = torch.cat(pieces)

    @torch.no_grad()
    def nearest(self, texts: Sequence[str], top: int = 1) -> Int[Tensor, "n k"]:
        """Indices of the texts nearest to each picture."""
        words = self.model.encode_text(self.tokenizer(list(texts)).to(self.device), normalize=True)
        return (self.seen @ words.T).topk(top, dim=1).indices


def retrieval(folder: Path, labels: data.Labels, images: Tensor) -> Numbers:
    """Which text open_clip finds nearest to each held-out picture."""
    clip = Retrieval(folder, images)
    number = {subject.phrase(): i for i, subject in enumerate(captions.subjects())}
    truth = torch.tensor([number[p.subject.phrase()] for p in labels.pictures()])[:, None]
    kinds = clip.nearest([captions.Subject(kind).phrase() for kind in NAMES])[:, 0]
    plain = [phrase(k, c) for k in range(len(NAMES)) for c in range(len(COLOURS))]
    views = clip.nearest([f"{text}, {word} view" for text in plain for word in COMPASS])[:, 0]
    full = clip.nearest(list(number), 5)
    truth = truth.to(full.device)
    return {
        "n": len(labels),
        f"kind_of_{len(NAMES)}": share(kinds == labels.kind),
        f"prompt_top1_of_{len(number)}": share(full[:, 0] == truth[:, 0]),
        "prompt_top5": share((full == truth).any(1)),
        "view_word": share(views % len(COMPASS) == labels.compass),
    }
