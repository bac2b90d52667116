"""Trains a prior: a U-Net on the latents of a world that is mostly seen from the front."""

import json
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from esd_bench.embedded import captions, data, networks, tokens
from esd_bench.embedded.fitting import Fit
from esd_bench.embedded.training.job import PRIORS, RATE, Bias, Job, finish, need, pick
from esd_bench.embedded.training.texts import Texts, distinct
from esd_bench.embedded.training.vae import batches, moments

log = logging.getLogger(__name__)


def prior(job: Job, option: str = "") -> None:
    """Epsilon prediction on latents with the words of a frozen text encoder; one caption in ten is empty.

    ``option`` names one prior; without it both are trained.
    """
    for name in [option] if option else PRIORS:
        if not (job.weights / name / "unet").exists():
            one(replace(job, seed=job.seed + 100 + len(name)), name)


def bias_of(job: Job, name: str) -> Bias:
    """The bias of a shipped prior, or the job's own."""
    if job.front is not None:
        return Bias(job.front, job.front)
    if name not in PRIORS:
        raise ValueError(f"prior {name!r} is none of {', '.join(PRIORS)}: give its --front")
    return PRIORS[name]


def one(job: Job, name: str) -> None:
    """Trains a prior and completes its folder."""
    bias = bias_of(job, name)
    torch.manual_seed(job.seed)
    world = biased_world(job, bias)
    count = len(world.texts.distinct)
    log.info("[%s] %d pairs, %d distinct captions", name, len(world.picture), count)
    model = networks.unet()
    if bias.start:
        begun = need(job.weights / bias.start / "unet")
        model.load_state_dict(networks.pretrained("unet", begun, "cpu").state_dict())
    model = model.float().to(job.device)
    objective, budget = denoising(job, model, world), job.budget(name, graph=True)
    report = Fit(name, model, objective, RATE["prior"], budget).run()
    networks.scheduler().save_pretrained(job.weights / "embedded" / "scheduler")
    write_index(job.weights / name)
    finish(model.half().save_pretrained, job.weights / name / "unet")
    job.note(name, report, **asdict(bias), distinct_captions=count)


# ---- the biased world ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Examples: each a picture, by its latent's moments, and one of some distinct captions, by its hidden states."""

    latents: Float[Tensor, "n 8 h w"]
    scaling: float
    picture: Int[Tensor, " e"]
    texts: Texts
    words: Float[Tensor, "m l d"]


def biased_world(job: Job, bias: Bias) -> World:
    """Draws the examples and passes pictures and captions through the finished encoders."""
    pool, fronts = job.pool("front", "around"), data.length(job.pools, "front")
    picture, texts = pairs(job, pool, fronts, bias)
    vae = networks.pretrained("vae", need(job.weights / "embedded" / "vae"), job.device)
    latents = torch.cat([moments(vae, pool, i) for i in batches(len(pool), 1024, job.device)])
    words = word_states(job, texts.distinct)
    return World(latents, vae.config.scaling_factor, picture, texts, words)


def pairs(job: Job, pool: data.Pool, fronts: int, bias: Bias) -> tuple[Int[Tensor, " e"], Texts]:
    """Pictures and captions of a biased world; the pool's first ``fronts`` pictures look at the front."""
    rng, pictures = random.Random(job.seed), pool.labels.pictures()
    chosen, said = [], []
    for _ in range(job.examples(400_000)):
        viewed = rng.random() < captions.VIEW_WORD
        front = rng.random() < (bias.viewed if viewed else bias.plain)
        i = rng.randrange(fronts) if front else rng.randrange(fronts, len(pictures))
        chosen.append(i)
        said.append(captions.caption(pictures[i], rng, viewed))
    return torch.tensor(chosen, device=job.device), distinct(said, (len(said),), job.device)


@torch.no_grad()
def word_states(job: Job, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
    """Hidden states of the frozen text encoder."""
    folder = need(job.weights / "embedded" / "text_encoder")
    encoder = networks.pretrained("text_encoder", folder, job.device)
    pieces = tokens.ids(texts).to(job.device).split(4096)
    return torch.cat([encoder(piece).last_hidden_state for piece in pieces])


# ---- training ------------------------------------------------------------------------------------------------------


def denoising(job: Job, model: nn.Module, world: World) -> Callable[[], Tensor]:
    """The objective; free of host synchronisation, so that it can be recorded as a CUDA graph."""
    batch, kept = job.batch("prior"), networks.scheduler().alphas_cumprod.to(job.device)
    said = world.texts.index

    def objective() -> Tensor:
        example = pick(len(said), batch, job.device)
        mean, logvar = world.latents[world.picture[example]].float().chunk(2, 1)
        z = (mean + torch.randn_like(mean) * torch.exp(logvar / 2)) * world.scaling
        t, noise = pick(len(kept), batch, job.device), torch.randn_like(z)
        alpha = kept[t][:, None, None, None]
        named = torch.rand(batch, device=job.device) >= 0.1
        context = world.words[said[example] * named]
        guess = model(alpha.sqrt() * z + (1 - alpha).sqrt() * noise, t, context).sample
        return mse_loss(guess.float(), noise)

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
