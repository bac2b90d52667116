"""Trains the open_clip model; its text tower becomes Stable Diffusion's text encoder."""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esd_bench.embedded import captions, data, networks, tokens
from esd_bench.embedded.fitting import Fit
from esd_bench.embedded.training.augment import augment
from esd_bench.embedded.training.job import RATE, Job, finish, pick
from esd_bench.embedded.training.texts import Texts, distinct

REPEATS = 4
"""Captions per picture."""


def clip(job: Job, option: str = "") -> None:
    """Contrastive training; pictures whose captions are equal count as each other's positives."""
    if (job.weights / "clip").exists():
        return
    pool, rng = job.pool("sphere"), random.Random(job.seed)
    said = [captions.caption(p, rng) for p in pool.labels.pictures() for _ in range(REPEATS)]
    texts = distinct(said, (len(pool), REPEATS), job.device)
    model = networks.clip(len(tokens.tokenizer())).to(job.device)
    objective = contrast(job, model, pool, texts)
    report = Fit("clip", model, objective, RATE["clip"], job.budget("clip")).run()
    save(model, job.weights)
    job.note("clip", report, distinct_captions=len(texts.distinct))


def contrast(job: Job, model: nn.Module, pool: data.Pool, texts: Texts) -> Callable[[], Tensor]:
    """The objective: cross-entropy both ways."""
    table = tokens.ids(texts.distinct).to(job.device)

    def objective() -> Tensor:
        i = pick(len(pool), job.batch("clip"), job.device)
        text = texts.index[i, pick(REPEATS, len(i), job.device)]
        pixels = networks.clip_pixels(augment(pool.images(i)))
        image, words, scale = model(pixels, table[text])
        logits = scale.clamp(max=100) * image.float() @ words.float().T
        same = (text[:, None] == text[None]).float()
        wanted = same / same.sum(1, keepdim=True)
        return (cross_entropy(logits, wanted) + cross_entropy(logits.T, wanted)) / 2

    return objective


def save(model: nn.Module, weights: Path) -> None:
    """Writes tokenizer and text encoder of the prior, then the open_clip folder, which marks the stage as done."""
    state = {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}
    words = tokens.tokenizer()
    encoder = networks.text_encoder({k: v.float() for k, v in state.items()}, words)
    finish(words.save_pretrained, weights / "embedded" / "tokenizer")
    finish(partial(save_text_encoder, encoder), weights / "embedded" / "text_encoder")
    finish(partial(save_open_clip, state), weights / "clip")


def save_open_clip(state: dict[str, Tensor], folder: Path) -> None:
    """What ``open_clip.create_model("local-dir:...")`` reads."""
    words = tokens.tokenizer()
    config = {
        "model_cfg": networks.clip_config(len(words)),
        "preprocess_cfg": networks.preprocess_config(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    words.save_pretrained(folder)
    save_file(state, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1))


def save_text_encoder(encoder: networks.CLIPTextModel, folder: Path) -> None:
    """Half-precision weights that load as float32: transformers obeys ``dtype`` of the config, diffusers does not."""
    encoder.half().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
