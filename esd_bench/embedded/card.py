"""Measures the trained models and writes ``MODEL_CARD.md``, ``card.json`` and the picture sheets beside the weights."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from esd_bench.cameras import COMPASS, DISTANCE, FOV, orbit
from esd_bench.embedded import captions, data, networks, raycast, weights
from esd_bench.embedded.objects import COLOURS, EXTRAS, NAMES, assemble, extras

Numbers = dict[str, Any]
TAILS = ("", ", front view", ", side view", ", back view")
SCALES = (1.0, 7.5)


# ---- priors --------------------------------------------------------------------------------------------------------


class Prior:
    """A diffusers folder loaded part by part, with a DDIM sampler."""

    def __init__(self, parts: dict[str, Path], device: str, steps: int = 25):
        self.device, self.steps = device, steps
        self.vae = AutoencoderKL.from_pretrained(parts["vae"]).float().to(device).eval()
        self.unet = UNet2DConditionModel.from_pretrained(parts["unet"]).float().to(device).eval()
        self.text = CLIPTextModel.from_pretrained(parts["text_encoder"]).float().to(device).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(parts["tokenizer"])
        self.scheduler = DDIMScheduler.from_pretrained(parts["scheduler"])

    @torch.no_grad()
    def words(self, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
        """Hidden states of the text encoder."""
        rows = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=captions.CONTEXT,
            return_tensors="pt",
        )
        return self.text(rows.input_ids.to(self.device)).last_hidden_state

    @torch.no_grad()
    def sample(self, texts: Sequence[str], scale: float, seed: int = 0) -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1] by DDIM with classifier-free guidance."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(len(texts), 4, networks.LATENT, networks.LATENT, generator=generator).to(
            self.device
        )
        context = torch.cat([self.words(texts), self.words([""]).expand(len(texts), -1, -1)])
        self.scheduler.set_timesteps(self.steps)
        for t in self.scheduler.timesteps:
            with torch.autocast(
                self.device.split(":")[0], torch.bfloat16, enabled=self.device.startswith("cuda")
            ):
                guess = self.unet(torch.cat([z, z]), t.to(self.device), context).sample
            text, null = guess.float().chunk(2)
            z = self.scheduler.step(torch.lerp(null, text, scale), t, z).prev_sample
        return ((self.vae.decode(z / self.vae.config.scaling_factor).sample + 1) / 2).clamp(0, 1)


def prompts(repeats: int) -> list[tuple[int, int]]:
    """(kind, colour) of the plain prompts."""
    return [(k, c) for _ in range(repeats) for k in range(len(NAMES)) for c in range(len(COLOURS))]


def phrase(kind: int, colour: int, extra: str = "") -> str:
    """The suite's wording."""
    return captions.Subject(NAMES[kind], list(COLOURS)[colour], extra).phrase()


def view_bias(
    prior: Prior, judge: networks.Classifier, wanted: list[tuple[int, int]], scale: float, tail: str
) -> Numbers:
    """Where samples look from, by the oracle, and whether kind and colour are right."""
    texts = [phrase(*pair) + tail for pair in wanted]
    seen = judged(judge, prior.sample(texts, scale))
    turn = seen.azimuth.argmax(1) * (360 / networks.BINS)
    turn = torch.minimum(turn, 360 - turn)
    target = torch.tensor(wanted, device=turn.device)
    kind = seen.label.argmax(1) // len(networks.ASPECTS)
    return {
        "front": share(turn <= 45),
        "side": share((turn > 45) & (turn < 135)),
        "back": share(turn >= 135),
        "kind": share(kind == target[:, 0]),
        "colour": share(seen.colour.argmax(1) == target[:, 1]),
        "n": len(texts),
    }


def share(x: Tensor) -> float:
    """Mean of a mask, to four digits."""
    return round(x.float().mean().item(), 4)


@torch.no_grad()
def judged(judge: networks.Classifier, images: Tensor) -> networks.Judgement:
    """The classifier in pieces."""
    pieces = [judge(x) for x in images.split(1024)]
    return networks.Judgement(*(torch.cat(column) for column in zip(*pieces, strict=True)))


# ---- autoencoder, classifier, CLIP ---------------------------------------------------------------------------------


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """There and back, by the posterior mean."""
    pieces = [vae.decode(vae.encode(x * 2 - 1).latent_dist.mean).sample for x in images.split(256)]
    return ((torch.cat(pieces) + 1) / 2).clamp(0, 1)


def autoencoder(vae: AutoencoderKL, pool: data.Pool, n: int) -> Numbers:
    """PSNR in dB on held-out pictures, colour and normal maps, and the moments of scaled latents."""
    index = torch.arange(0, len(pool), max(1, len(pool) // n), device=pool.rgba.device)
    images = pool.images(index, "pale")
    error = (reconstruct(vae, images) - images).square().mean((1, 2, 3))
    normals = pool.labels.normals[index]
    with torch.no_grad():
        z = vae.encode(images[:512] * 2 - 1).latent_dist.mean * vae.config.scaling_factor
    psnr = {"rgb": error[~normals], "normals": error[normals]}
    return {
        f"psnr_{name}": round(-10 * math.log10(x.mean().item()), 2)
        for name, x in psnr.items()
        if len(x)
    } | {
        "latent_mean": round(z.mean().item(), 4),
        "latent_std": round(z.std().item(), 4),
        "scaling_factor": vae.config.scaling_factor,
    }


def accuracy(judge: networks.Classifier, pool: data.Pool, images: Tensor, keep: Tensor) -> Numbers:
    """Label, kind, aspect, colour and azimuth on a part of the held-out pictures."""
    seen, labels = judged(judge, images[keep]), pool.labels[keep]
    label, side = seen.label.argmax(1), networks.aspect(labels.azimuth, labels.elevation)
    n = len(networks.ASPECTS)
    level = torch.rad2deg(labels.elevation).abs() < 60
    off = torch.rad2deg(labels.azimuth) - seen.azimuth.argmax(1) * (360 / networks.BINS)
    off = (torch.remainder(off + 180, 360) - 180).abs()[level]
    return {
        "n": int(keep.sum()),
        "label": share(label == labels.kind * n + side),
        "kind": share(label // n == labels.kind),
        "aspect": share(label % n == side),
        "colour": share((seen.colour.argmax(1) == labels.colour)[~labels.normals]),
        "azimuth_median_degrees": round(off.median().item(), 2),
        "azimuth_within_22.5": share(off < 22.5),
    }


def open_clip_model(folder: Path, device: str) -> tuple[Any, Any]:
    """Model and tokenizer by open_clip's own factory."""
    import open_clip

    model = open_clip.create_model(f"local-dir:{folder}", device=device).eval()
    return model, open_clip.get_tokenizer(f"local-dir:{folder}")


@torch.no_grad()
def retrieval(folder: Path, pool: data.Pool, images: Tensor, keep: Tensor) -> Numbers:
    """Which text open_clip finds nearest to each held-out picture."""
    model, tokenizer = open_clip_model(folder, str(images.device))
    labels = pool.labels[keep]
    pixels = networks.clip_pixels(images[keep])
    seen = torch.cat([model.encode_image(x, normalize=True) for x in pixels.split(512)])

    def nearest(texts: Sequence[str], top: int = 1) -> Tensor:
        words = model.encode_text(tokenizer(list(texts)).to(images.device), normalize=True)
        return (seen @ words.T).topk(top, dim=1).indices

    every = list(captions.subjects())
    number = {subject.phrase(): i for i, subject in enumerate(every)}
    truth = torch.tensor(
        [number[p.subject.phrase()] for p in labels.pictures()], device=images.device
    )
    kinds = nearest([captions.Subject(kind).phrase() for kind in NAMES])[:, 0]
    named = nearest(
        [phrase(k, c) + f", {w} view" for k in range(len(NAMES)) for c in range(8) for w in COMPASS]
    )
    full = nearest(list(number), 5)
    return {
        "n": int(keep.sum()),
        "prompts": len(number),
        "kind_of_18": share(kinds == labels.kind),
        "prompt_top1": share(full[:, 0] == truth),
        "prompt_top5": share((full == truth[:, None]).any(1)),
        "view_word": share(named[:, 0] % len(COMPASS) == labels.compass),
    }


# ---- sheets --------------------------------------------------------------------------------------------------------


def sheet(images: Float[Tensor, "n 3 h w"], columns: int, path: Path) -> None:
    """A contact sheet in 160 colours, which keeps the files small."""
    n = len(images) // columns * columns
    rows = images[:n].cpu().unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)
    pixels = (rows.flatten(0, 1).flatten(1, 2) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).quantize(160, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def kinds_sheet(path: Path, device: str) -> None:
    """Every kind from the front, side and back, in colour and as a normal map, with extras in turn."""
    views, n = (0.0, 0.6, math.pi / 2, math.pi), len(NAMES)
    kind = torch.arange(n).repeat_interleave(8)
    worn = torch.tensor([EXTRAS.index(extras(k)[i % len(extras(k))]) for i, k in enumerate(NAMES)])
    objects = assemble(
        kind, kind % 8, worn.repeat_interleave(8), torch.Generator().manual_seed(5), device=device
    )
    azimuth = torch.tensor(views * 2 * n)
    cameras = orbit(azimuth, torch.full_like(azimuth, 0.25), DISTANCE, FOV, data.SIZE).to(device)
    normals = torch.tensor([False] * 4 + [True] * 4).repeat(n).to(device)
    rgba = raycast.cast(objects, cameras, as_normals=normals, chunk=32)
    ground = torch.where(normals[:, None], 0.0, torch.full((len(kind), 3), 0.92, device=device))
    sheet(raycast.over(rgba, ground), 16, path)


def windows_sheet(pool: data.Pool, path: Path) -> None:
    """Zooms and cut-off objects as the networks see them."""
    index = pool.labels.window.nonzero()[:, 0]
    index = index[
        torch.linspace(0, len(index) - 1, min(len(index), 32), device=index.device).long()
    ]
    sheet(pool.images(index, "pale"), min(16, len(index)), path)


def samples_sheet(prior: Prior, path: Path, kinds: int) -> None:
    """One row per wording at guidance 7.5: plain, front, side, back, normal map, close-up; varied extras."""
    pairs = [
        (k, (3 * k + 1) % 8, extras(NAMES[k])[k % len(extras(NAMES[k]))]) for k in range(kinds)
    ]
    plain = [phrase(*p) for p in pairs]
    texts = [t + tail for tail in (*TAILS, ", normal map") for t in plain] + [
        f"close-up of {t}" for t in plain
    ]
    sheet(prior.sample(texts, 7.5, seed=1), len(plain), path)


# ---- writing -------------------------------------------------------------------------------------------------------


def measure(root: Path, pools: Path, device: str, quick: bool) -> Numbers:
    """All numbers of the card; writes the sheets on the way."""
    pool = data.load(pools, "held-out", device=device)
    torch.manual_seed(0)
    images = pool.images(torch.arange(len(pool), device=device), "white")
    judge = weights.classifier(root).to(device)
    whole = pool.labels.window == 0
    groups = {
        "rgb": whole & ~pool.labels.normals,
        "normals": whole & pool.labels.normals,
        "windows": ~whole & ~pool.labels.normals,
    }
    numbers: Numbers = {
        "classifier": {name: accuracy(judge, pool, images, keep) for name, keep in groups.items()},
        "clip": retrieval(weights.clip_folder(root), pool, images, groups["rgb"]),
        "priors": {},
    }
    kinds_sheet(root / "sheet-data.png", device)
    windows_sheet(pool, root / "sheet-windows.png")
    for name in weights.names(root):
        prior = Prior(weights.components(name, root), device, 2 if quick else 25)
        samples_sheet(prior, root / f"sheet-{name}.png", 2 if quick else len(NAMES))
        numbers["priors"][name] = dict(biases(prior, judge, quick))
    numbers["vae"] = autoencoder(prior.vae, pool, 64 if quick else 2048)
    some = pool.images(torch.arange(0, len(pool), len(pool) // 16, device=device)[:16], "pale")
    sheet(torch.cat([some, reconstruct(prior.vae, some)]), 16, root / "sheet-vae.png")
    return numbers


def biases(prior: Prior, judge: networks.Classifier, quick: bool) -> Iterator[tuple[str, Numbers]]:
    """The view bias of every wording at every guidance scale."""
    wanted = prompts(1)[:2] if quick else prompts(3)
    for scale in SCALES:
        for tail in TAILS:
            key = f"cfg {scale:g}{tail}"
            yield key, view_bias(prior, judge, wanted, scale, tail)
            print(f"[card] {key}", flush=True)


def write(out: Path, device: str, quick: bool = False) -> None:
    """Measures the models in ``out/weights`` and writes card, sheets and digests there."""
    root = out / "weights"
    weights.seal(root)
    forget()
    numbers = measure(root, out / "data", device, quick)
    numbers["training"] = {
        p.stem: json.loads(p.read_text()) for p in sorted((out / "notes").glob("*.json"))
    }
    numbers["megabytes"] = sizes(root)
    (root / "card.json").write_text(json.dumps(numbers, indent=1) + "\n")
    (root / "MODEL_CARD.md").write_text(markdown(numbers))
    weights.seal(root)
    forget()


def forget() -> None:
    """Digests were recorded anew."""
    weights._recorded.cache_clear()
    weights.verified.cache_clear()


def sizes(root: Path) -> dict[str, float]:
    """Megabytes (10^6 bytes) of every network's file."""
    return {
        p.relative_to(root).as_posix(): round(p.stat().st_size / 1e6, 3)
        for p in sorted(root.rglob("*.safetensors"))
    }


def table(rows: dict[str, Numbers]) -> str:
    """A Markdown table; the keys of the first row are its columns."""
    columns = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(str(row.get(c, "")) for c in columns) + " |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def markdown(numbers: Numbers) -> str:
    """The card."""
    priors = "\n\n".join(f"### {name}\n\n{table(rows)}" for name, rows in numbers["priors"].items())
    training = {
        name: {k: row.get(k, "") for k in ("steps", "seconds", "loss")}
        for name, row in numbers["training"].items()
    }
    return CARD.format(
        kinds=", ".join(NAMES),
        colours=", ".join(COLOURS),
        extras=", ".join(EXTRAS[1:]),
        prompts=len(list(captions.subjects())),
        pools=", ".join(f"{name} {n:,}" for name, n in data.POOLS.items()),
        seeds=", ".join(f"{name} {n}" for name, n in data.SEEDS.items()),
        training=table(training),
        sizes="\n".join(f"| {name} | {mb} |" for name, mb in numbers["megabytes"].items()),
        total=round(sum(numbers["megabytes"].values()), 2),
        vae=table({"held-out": numbers["vae"]}),
        classifier=table(numbers["classifier"]),
        clip=table({"held-out": numbers["clip"]}),
        priors=priors,
    )


CARD = """# The embedded models

Small models trained by `esd_bench/embedded/train.py` on renders of procedural objects, so that the whole suite runs offline
and mode collapse can be measured against a known truth. They know nothing of the world outside these objects.

## Data

{prompts} prompts: {kinds}; in {colours}; with {extras}. Every picture shows a fresh variant (proportions, shade) by analytic ray
casting at 64x64 under a hemisphere light from above, which says nothing about the azimuth. One picture in ten is a
world-space normal map on black, one in four looks through a window. Pools: {pools}; seeds {seeds}.

![kinds, and their normal maps](sheet-data.png)
![windows](sheet-windows.png)

## Training

{training}

| file (fp16) | MB |
|---|---|
{sizes}
| total | {total} |

## Autoencoder

PSNR in dB on objects never seen in training. Upper half truth, lower half reconstruction.

{vae}

![reconstructions](sheet-vae.png)

## Classifier and pose oracle

Accuracy on held-out objects seen from the whole sphere, on white; azimuth where |elevation| < 60 degrees.

{classifier}

## CLIP

{clip}

## View bias of the priors

Share of DDIM samples (25 steps) that the oracle sees within 45 degrees of the front, of the back, and between; kind and
colour are right in the shares given. Rows of the sheets at guidance 7.5: plain prompt, front, side, back view, normal map,
close-up.

{priors}

![samples of embedded](sheet-embedded.png)
![samples of embedded-biased](sheet-embedded-biased.png)

SHA-256 of every file is in `SHA256SUMS.json` and is checked at load.
"""
