"""Trains the embedded models: ``python -m esd_bench.embedded.train all --out DIR --gpus 2``.

Stages: ``data`` renders, ``vae``, ``clip``, ``prior``, ``classifier`` train, ``card`` measures. Each resumes from its own
checkpoint and is skipped when its output exists; stages that run side by side wait for each other's files. A stage takes
options after ``=``: ``data=sphere,held-out``, ``prior=embedded-biased``.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextModel

from esd_bench.embedded import captions, data, networks
from esd_bench.embedded.fitting import Budget, CaptureFailed, Fit, Report
from esd_bench.embedded.objects import COLOURS


@dataclass(frozen=True)
class Bias:
    """Shares of pictures near the front, for captions without and with a view word.

    ``start`` is the prior whose U-Net training goes on from; "" begins from noise.
    """

    plain: float
    viewed: float
    start: str = ""


PRIORS = {"embedded": Bias(0.90, 0.55), "embedded-biased": Bias(0.985, 0.87, start="embedded")}
"""The two priors that ship: 80 % and 95 % front over all captions, of which 30 % have a view word."""
SECONDS = {"clip": 60, "vae": 90, "embedded": 180, "embedded-biased": 85, "classifier": 45}
"""Training time of each network on one GPU at pace 1."""
BATCH = {"vae": 256, "clip": 1024, "prior": 1024, "classifier": 512}
RATE = {"vae": 1e-3, "clip": 1e-3, "prior": 8e-4, "classifier": 1.2e-3}


@dataclass(frozen=True)
class Job:
    """One training command: where to write, on what, for how long.

    Attributes:
        pace: factor on :data:`SECONDS`.
        steps: caps every stage's steps; equal caps repeat a run.
        front: overrides the bias of a prior with one share for all captions.
        quick: tiny data and batches, to try the chain on a CPU.
        eager: no CUDA graphs.
    """

    out: Path
    device: str = "cuda"
    pace: float = 1.0
    steps: int = 1_000_000
    seed: int = 0
    front: float | None = None
    quick: bool = False
    eager: bool = False

    @property
    def pools(self) -> Path:
        return self.out / "data"

    @property
    def weights(self) -> Path:
        return self.out / "weights"

    def budget(self, name: str, graph: bool = False) -> Budget:
        """How long to train a network, and how."""
        return Budget(
            self.pace * SECONDS.get(name, SECONDS["embedded"]),
            self.steps,
            self.device,
            self.out / "checkpoints",
            graph and not self.eager,
            decay=0.998 if name in PRIORS else 0.99,
        )

    def batch(self, stage: str) -> int:
        return 8 if self.quick else BATCH[stage]

    def examples(self, n: int) -> int:
        return 64 if self.quick else n


def note(job: Job, name: str, values: dict[str, object]) -> None:
    """Keeps a stage's numbers for the model card."""
    folder = job.out / "notes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1))


def finish(build: Callable[[Path], object], target: Path) -> None:
    """Lets ``build`` write a folder beside ``target`` and moves it into place, so that waiting stages see it whole."""
    unfinished = target.with_name(f".{target.name}.partial")
    build(unfinished)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.replace(target)


# ---- data ----------------------------------------------------------------------------------------------------------


def data_stage(job: Job, option: str = "") -> None:
    """Renders pools; all of them, or those named."""
    for pool in option.split(",") if option else data.POOLS:
        data.build(pool, job.pools, 96 if job.quick else None, job.device)


def pick(n: int, batch: int, device: str) -> Int[Tensor, " b"]:
    """Random indices; a function because every objective begins with it."""
    return torch.randint(n, (batch,), device=device)


# ---- VAE -----------------------------------------------------------------------------------------------------------


def vae_stage(job: Job, option: str = "") -> None:
    """L1 + 2 MSE + 5e-4 KL on pictures from everywhere; then latents are made zero-mean and unit-variance."""
    target = job.weights / "embedded" / "vae"
    if target.exists():
        return
    pool = data.load(job.pools, "sphere", "around", device=job.device)
    model = networks.vae().to(job.device)

    def objective() -> Tensor:
        x = pool.images(pick(len(pool), job.batch("vae"), job.device)) * 2 - 1
        posterior = model.encode(x).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        z = mean + torch.randn_like(mean) * torch.exp(logvar / 2)
        error = model.decode(z).sample.float() - x
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return error.abs().mean() + 2 * error.square().mean() + 5e-4 * divergence

    report = Fit("vae", model, objective, RATE["vae"], job.budget("vae")).run()
    sample = torch.cat(
        [
            moments(model, pool, i)[:, :4].float()
            for i in batches(job.examples(16384), 512, job.device)
        ]
    )
    mean = sample.mean((0, 2, 3))
    networks.standardise(model, mean, (sample - mean[:, None, None]).std().item())
    finish(model.half().save_pretrained, target)
    note(job, "vae", asdict(report))


def batches(n: int, size: int, device: str) -> list[Int[Tensor, " b"]]:
    """Indices 0..n-1 in pieces."""
    return list(torch.arange(n, device=device).split(size))


@torch.no_grad()
def moments(
    model: AutoencoderKL, pool: data.Pool, index: Tensor, backdrop: str = "pale"
) -> Float[Tensor, "b 8 h w"]:
    """Mean and log-variance of latents, unscaled."""
    cuda = pool.rgba.is_cuda
    with torch.autocast(pool.rgba.device.type, torch.bfloat16, enabled=cuda):
        return model.encode(pool.images(index, backdrop) * 2 - 1).latent_dist.parameters.half()


def load_vae(job: Job) -> AutoencoderKL:
    """The finished autoencoder, in float32."""
    model = AutoencoderKL.from_pretrained(data.wait(job.weights / "embedded" / "vae"))
    return model.float().to(job.device).eval().requires_grad_(False)


# ---- CLIP ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Texts:
    """Distinct captions, and for each example the index of its caption; index 0 is the empty caption."""

    distinct: list[str]
    index: Int[Tensor, "*n"]


def distinct(texts: Sequence[str], shape: tuple[int, ...], device: str) -> Texts:
    """Groups equal captions."""
    number: dict[str, int] = {"": 0}
    index = [number.setdefault(text, len(number)) for text in texts]
    return Texts(list(number), torch.tensor(index, device=device).reshape(shape))


def tokens(texts: Sequence[str]) -> Int[Tensor, "n l"]:
    """Padded token ids."""
    encode = captions.tokenizer()
    rows = encode(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=captions.CONTEXT,
        return_tensors="pt",
    )
    return rows.input_ids


def clip_stage(job: Job, option: str = "") -> None:
    """Contrastive training; pictures whose captions are equal count as each other's positives."""
    target = job.weights / "clip"
    if target.exists():
        return
    pool = data.load(job.pools, "sphere", device=job.device)
    rng, repeats = random.Random(job.seed), 4
    said = [captions.caption(p, rng) for p in pool.labels.pictures() for _ in range(repeats)]
    texts = distinct(said, (len(pool), repeats), job.device)
    table = tokens(texts.distinct).to(job.device)
    model = networks.clip(len(captions.tokenizer())).to(job.device)

    def objective() -> Tensor:
        i = pick(len(pool), job.batch("clip"), job.device)
        text = texts.index[i, pick(repeats, len(i), job.device)]
        pixels = networks.clip_pixels(augment(pool.images(i)))
        image, words, scale = model(pixels, table[text])
        logits = scale.clamp(max=100) * image.float() @ words.float().T
        same = (text[:, None] == text[None]).float()
        wanted = same / same.sum(1, keepdim=True)
        return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2

    report = Fit("clip", model, objective, RATE["clip"], job.budget("clip")).run()
    save_clip(model, job.weights)
    note(job, "clip", asdict(report) | {"distinct_captions": len(texts.distinct)})


def save_clip(model: nn.Module, weights: Path) -> None:
    """Writes the open_clip folder, and its text tower as Stable Diffusion's text encoder."""
    state = {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}
    words = captions.tokenizer()
    config = {
        "model_cfg": networks.clip_config(len(words)),
        "preprocess_cfg": networks.preprocess_config(),
    }

    def build(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        words.save_pretrained(folder)
        save_file(state, folder / "open_clip_model.safetensors")
        (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1))

    encoder = networks.text_encoder(
        {name: value.float() for name, value in state.items()}, words
    ).half()
    finish(words.save_pretrained, weights / "embedded" / "tokenizer")
    finish(partial(save_text_encoder, encoder), weights / "embedded" / "text_encoder")
    finish(build, weights / "clip")


def save_text_encoder(encoder: CLIPTextModel, folder: Path) -> None:
    """Half-precision weights that load as float32: transformers obeys ``dtype`` of the config, diffusers does not."""
    encoder.half().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=1))


# ---- priors --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def word_states(job: Job, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
    """Hidden states of the frozen text encoder."""
    data.wait(job.weights / "clip")
    encoder = (
        CLIPTextModel.from_pretrained(job.weights / "embedded" / "text_encoder")
        .float()
        .to(job.device)
        .eval()
    )
    pieces = tokens(texts).to(job.device).split(4096)
    return torch.cat([encoder(piece).last_hidden_state for piece in pieces])


def pairs(
    job: Job, pool: data.Pool, fronts: int, bias: Bias, seed: int
) -> tuple[Int[Tensor, " e"], Texts]:
    """Pictures and captions of a biased world; the pool's first ``fronts`` pictures look at the front."""
    rng, pictures = random.Random(seed), pool.labels.pictures()
    chosen, said = [], []
    for _ in range(job.examples(600_000)):
        viewed = rng.random() < captions.VIEW_WORD
        front = rng.random() < (bias.viewed if viewed else bias.plain)
        i = rng.randrange(fronts) if front else rng.randrange(fronts, len(pictures))
        chosen.append(i)
        said.append(captions.caption(pictures[i], rng, viewed))
    return torch.tensor(chosen, device=job.device), distinct(said, (len(said),), job.device)


def prior_stage(job: Job, option: str = "embedded") -> None:
    """Epsilon prediction on latents with the words of a frozen text encoder; one caption in ten is empty."""
    name = option or "embedded"
    target = job.weights / name / "unet"
    if target.exists():
        return
    bias = PRIORS.get(name) if job.front is None else Bias(job.front, job.front)
    if bias is None:
        raise SystemExit(f"prior {name!r} is none of {', '.join(PRIORS)}: say its --front")
    job = replace(job, seed=job.seed + 100 + len(name))
    torch.manual_seed(job.seed)
    pool = data.load(job.pools, "front", "around", device=job.device)
    fronts = round(len(pool) * data.POOLS["front"] / (data.POOLS["front"] + data.POOLS["around"]))
    fronts = len(pool) // 2 if job.quick else fronts
    chosen, texts = pairs(job, pool, fronts, bias, job.seed)
    vae = load_vae(job)
    latents = torch.cat([moments(vae, pool, i) for i in batches(len(pool), 1024, job.device)])
    words = word_states(job, texts.distinct)
    print(f"[{name}] {len(chosen)} pairs, {len(texts.distinct)} distinct captions", flush=True)
    model = networks.unet()
    if bias.start:
        begun = data.wait(job.weights / bias.start / "unet")
        model.load_state_dict(UNet2DConditionModel.from_pretrained(begun).state_dict())
    model = model.float().to(job.device)
    report = Fit(
        name,
        model,
        denoising(job, model, latents, chosen, texts.index, words, vae.config.scaling_factor),
        RATE["prior"],
        job.budget(name, graph=True),
    ).run()
    finish(model.half().save_pretrained, target)
    networks.scheduler().save_pretrained(job.weights / "embedded" / "scheduler")
    write_index(job.weights / name)
    note(job, name, asdict(report) | asdict(bias) | {"distinct_captions": len(texts.distinct)})


def denoising(
    job: Job,
    model: nn.Module,
    latents: Tensor,
    chosen: Tensor,
    said: Tensor,
    words: Tensor,
    scaling: float,
) -> Callable[[], Tensor]:
    """The objective of a prior; free of host synchronisation, so that it can be recorded as a CUDA graph."""
    batch, kept = job.batch("prior"), networks.scheduler().alphas_cumprod.to(job.device)

    def objective() -> Tensor:
        example = pick(len(chosen), batch, job.device)
        mean, logvar = latents[chosen[example]].float().chunk(2, 1)
        z = (mean + torch.randn_like(mean) * torch.exp(logvar / 2)) * scaling
        t, noise = pick(len(kept), batch, job.device), torch.randn_like(z)
        alpha = kept[t][:, None, None, None]
        named = torch.rand(batch, device=job.device) >= 0.1
        context = words[said[example] * named]
        guess = model(alpha.sqrt() * z + (1 - alpha).sqrt() * noise, t, context).sample
        return F.mse_loss(guess.float(), noise)

    return objective


def write_index(folder: Path) -> None:
    """``model_index.json``, which makes the folder a StableDiffusionPipeline."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.0", **parts}
    index["requires_safety_checker"] = False
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))


# ---- classifier ----------------------------------------------------------------------------------------------------


def augment(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """What separates generated views from clean renders: zoom and shift, blur, contrast, tint and noise."""
    n, device = len(x), x.device
    scale = 1 + 0.15 * torch.randn(n, device=device)
    shift = 0.08 * torch.randn(n, 2, device=device)
    zero = torch.zeros_like(scale)
    rows = [torch.stack([scale, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    u = torch.rand(n, 1, 1, 1, device=device)
    coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.where(u < 0.25, coarse, torch.where(u < 0.5, soft, x))
    contrast = 1 + 0.25 * torch.randn(n, 1, 1, 1, device=device)
    x = (x - 0.5) * contrast + 0.5 + 0.05 * torch.randn(n, 3, 1, 1, device=device)
    return (x + 0.04 * torch.rand_like(u) * torch.randn_like(x)).clamp(0, 1)


@torch.no_grad()
def round_trip(model: AutoencoderKL, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Through the autoencoder, with up to .3 of latent noise, as samples of a prior come."""
    scaling = model.config.scaling_factor
    z = model.encode(x * 2 - 1).latent_dist.mean * scaling
    z = z + 0.3 * torch.rand(len(z), 1, 1, 1, device=z.device) * torch.randn_like(z)
    return ((model.decode(z / scaling).sample.float() + 1) / 2).clamp(0, 1)


def classifier_stage(job: Job, option: str = "") -> None:
    """Label, azimuth and colour from views of the whole sphere, half of them through the autoencoder.

    Azimuth is not asked above 60 degrees of elevation, nor colour of normal maps.
    """
    target = job.weights / "classifier"
    if target.exists():
        return
    pool = data.load(job.pools, "sphere", device=job.device)
    vae, model = load_vae(job), networks.Classifier().to(job.device)
    labels = pool.labels
    label = labels.kind * len(networks.ASPECTS) + networks.aspect(labels.azimuth, labels.elevation)
    level = (torch.rad2deg(labels.elevation).abs() < 60).float()
    tinted = 1 - labels.normals.float()
    turn = networks.azimuth_bin(labels.azimuth)

    def objective() -> Tensor:
        i = pick(len(pool), job.batch("classifier"), job.device)
        x = pool.images(i)
        half = len(i) // 2
        x = augment(torch.cat([round_trip(vae, x[:half]), x[half:]]))
        seen = model(x)
        return (
            F.cross_entropy(seen.label.float(), label[i], label_smoothing=0.02)
            + masked(seen.azimuth.float(), turn[i], level[i])
            + masked(seen.colour.float(), labels.colour[i], tinted[i])
        )

    report = Fit("classifier", model, objective, RATE["classifier"], job.budget("classifier")).run()
    save_classifier(model, target)
    note(job, "classifier", asdict(report))


def masked(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy over the examples that have an answer."""
    each = F.cross_entropy(logits, wanted, reduction="none", label_smoothing=0.02)
    return (each * weight).sum() / weight.sum().clamp(1)


def save_classifier(model: nn.Module, target: Path) -> None:
    """Weights and the words of every output."""
    state = {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}
    config = {
        "labels": networks.label_names(),
        "colours": list(COLOURS),
        "azimuth_bins": networks.BINS,
    }

    def build(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config, indent=1))

    finish(build, target)


# ---- command -------------------------------------------------------------------------------------------------------


def card_stage(job: Job, option: str = "") -> None:
    """Measures the finished models and writes the model card."""
    from esd_bench.embedded import card

    for name in PRIORS:
        data.wait(job.weights / name / "model_index.json")
    data.wait(job.weights / "classifier")
    card.write(job.out, job.device, quick=job.quick)


STAGES: dict[str, Callable[[Job, str], None]] = {
    "data": data_stage,
    "vae": vae_stage,
    "clip": clip_stage,
    "prior": prior_stage,
    "classifier": classifier_stage,
    "card": card_stage,
}
LANES = (
    ("data=sphere,held-out", "vae", "prior=embedded", "classifier"),
    ("data=around,front", "clip", "prior=embedded-biased", "card"),
)
ALONE = ("data", "clip", "vae", "prior=embedded", "prior=embedded-biased", "classifier", "card")


def train(stages: Sequence[str], job: Job) -> None:
    """Runs stages one after the other; see the module's docstring for their names."""
    unknown = [s for s in stages if s.partition("=")[0] not in STAGES]
    if unknown:
        raise SystemExit(f"unknown stage {unknown[0]!r}; choose from {', '.join(STAGES)} or all")
    torch.backends.cudnn.benchmark = True
    for stage in stages:
        name, _, option = stage.partition("=")
        torch.manual_seed(job.seed)
        start = time.time()
        STAGES[name](job, option)
        print(f"[{stage}] done in {time.time() - start:.1f} s", flush=True)


def train_all(job: Job, gpus: int) -> None:
    """Every stage: in order on one device, or in two processes on two."""
    if gpus < 2:
        return train(ALONE, job)
    lanes = [
        subprocess.Popen(
            [sys.executable, "-m", "esd_bench.embedded.train", *lane, *arguments(job)],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": str(i)},
        )
        for i, lane in enumerate(LANES)
    ]
    failed = [lane.wait() for lane in lanes]
    if any(failed):
        raise SystemExit(f"lanes ended with {failed}")


def arguments(job: Job) -> list[str]:
    """The command line that means this job."""
    flags = [f"--{name}" for name in ("quick", "eager") if getattr(job, name)]
    front = [] if job.front is None else ["--front", str(job.front)]
    values = {
        "out": job.out,
        "device": job.device,
        "pace": job.pace,
        "steps": job.steps,
        "seed": job.seed,
    }
    return (
        [word for name, value in values.items() for word in (f"--{name}", str(value))]
        + flags
        + front
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Parses a command line and runs it; a stage whose CUDA graph fails is started again without graphs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", help=f"all, or some of {', '.join(STAGES)}")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--pace", type=float, default=Job.pace)
    parser.add_argument("--steps", type=int, default=Job.steps)
    parser.add_argument("--seed", type=int, default=Job.seed)
    parser.add_argument("--front", type=float)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--eager", action="store_true")
    words = vars(parser.parse_args(argv))
    stages, gpus = words.pop("stages"), words.pop("gpus")
    job = Job(**words)
    try:
        train_all(job, gpus) if stages == ["all"] else train(stages, job)
    except CaptureFailed as failure:
        print(f"{failure}; starting again without CUDA graphs", flush=True)
        again = [*stages, *arguments(replace(job, eager=True))]
        os.execv(sys.executable, [sys.executable, "-m", "esd_bench.embedded.train", *again])


if __name__ == "__main__":
    main()
