"""Pictures beside the card: data, windows, reconstructions, samples. A sheet that exists is not drawn again."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from esd_bench.cameras import DISTANCE, FOV, orbit
from esd_bench.embedded import data, raycast
from esd_bench.embedded.card.measures import TAILS, decoded, latents, phrase
from esd_bench.embedded.card.sampler import Sampler
from esd_bench.embedded.kinds import EXTRAS, NAMES, extras
from esd_bench.embedded.networks import AutoencoderKL
from esd_bench.embedded.objects import assemble
from esd_bench.embedded.parts import COLOURS


def save(images: Float[Tensor, "n 3 h w"], columns: int, path: Path) -> None:
    """A contact sheet, in WebP."""
    rows = images.cpu().unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)
    pixels = (rows.flatten(0, 1).flatten(1, 2) * 255).round().clamp(0, 255).to(torch.uint8)
    Image.fromarray(np.ascontiguousarray(pixels.numpy())).save(path, quality=90, method=6)


def of_data(root: Path, device: str) -> None:
    """Every kind from the front, side and back, in colour and as a normal map, with extras in turn."""
    path, views, n = root / "sheet-data.webp", (0.0, 0.6, math.pi / 2, math.pi), len(NAMES)
    if path.exists():
        return
    kind = torch.arange(n).repeat_interleave(8)
    worn = torch.tensor([EXTRAS.index(extras(k)[i % len(extras(k))]) for i, k in enumerate(NAMES)])
    seed = torch.Generator().manual_seed(5)
    things = assemble(kind, kind % 8, worn.repeat_interleave(8), seed, device=device)
    azimuth = torch.tensor(views * 2 * n)
    cameras = orbit(azimuth, torch.full_like(azimuth, 0.25), DISTANCE, FOV, data.SIZE).to(device)
    normals = torch.tensor([False] * 4 + [True] * 4).repeat(n).to(device)
    rgba = raycast.cast(things, cameras, as_normals=normals)
    ground = torch.where(normals[:, None], 0.0, torch.full((len(kind), 3), 0.92, device=device))
    save(raycast.over(rgba, ground), 16, path)


def evenly(index: Tensor, n: int) -> Tensor:
    """At most ``n`` of some indices, from first to last."""
    return index[torch.linspace(0, len(index) - 1, min(len(index), n)).long()]


def of_windows(root: Path, pool: data.Pool) -> None:
    """Zooms and cut-off objects as the networks see them."""
    path, index = root / "sheet-windows.webp", evenly(pool.labels.window.nonzero()[:, 0], 32)
    if not path.exists():
        columns = min(16, len(index))
        save(pool.images(index[: len(index) // columns * columns], "pale"), columns, path)


def of_autoencoder(root: Path, pool: data.Pool, vae: AutoencoderKL) -> None:
    """Held-out pictures above, their reconstructions below."""
    path, index = (
        root / "sheet-vae.webp",
        evenly(torch.arange(len(pool), device=pool.rgba.device), 16),
    )
    if not path.exists():
        truth = pool.images(index, "pale")
        save(torch.cat([truth, decoded(vae, latents(vae, truth))]), len(truth), path)


def of_samples(path: Path, prior: Sampler, kinds: int) -> None:
    """One row per wording at guidance 7.5: plain, front, side, back, normal map, close-up; varied extras."""
    if path.exists():
        return
    worn = [extras(name)[k % len(extras(name))] for k, name in enumerate(NAMES[:kinds])]
    plain = [phrase(k, (3 * k + 1) % len(COLOURS), extra) for k, extra in enumerate(worn)]
    texts = [text + tail for tail in (*TAILS, ", normal map") for text in plain]
    texts += [f"close-up of {text}" for text in plain]
    save(prior.sample(texts, 7.5, seed=1), len(plain), path)
