"""A tiny random diffusers folder in Stable Diffusion's format: 32 pixels, latents 4 x 16 x 16, a byte vocabulary."""

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch

from esd_bench.priors.stable_diffusion import StableDiffusion, stable_diffusion

LENGTH = 16
"""Tokens of a text."""


def _vocabulary() -> dict[str, int]:
    """CLIP's byte characters, plain and at the end of a word, and its two marks."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in kept] + [chr(256 + i) for i in range(256 - len(kept))]
    names = [*letters, *(x + "</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    return {name: i for i, name in enumerate(names)}


def _unet(**changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        **{
            "sample_size": 16,
            "block_out_channels": (16, 32),
            "layers_per_block": 1,
            "norm_num_groups": 8,
            "attention_head_dim": 2,
            "cross_attention_dim": 16,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        }
        | changes
    )


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
        scaling_factor=0.5,
    )


def _text_encoder(size: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
    )


def write(folder: Path, prediction: str = "epsilon", seed: int = 0, **unet: Any) -> Path:
    """Writes the folder; ``unet`` changes the U-Net's configuration. The global random state is kept."""
    from diffusers import DDIMScheduler
    from transformers import CLIPTokenizer

    vocabulary = _vocabulary()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _unet(**unet).save_pretrained(folder / "unet")
        _vae().save_pretrained(folder / "vae")
        _text_encoder(len(vocabulary)).save_pretrained(folder / "text_encoder")
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=LENGTH).save_pretrained(
        folder / "tokenizer"
    )
    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type=prediction,
    ).save_pretrained(folder / "scheduler")
    return folder


@lru_cache
def folder(prediction: str = "epsilon", seed: int = 0) -> Path:
    """The folder, written once per process."""
    return write(Path(mkdtemp(prefix="tiny-prior-")), prediction, seed)


@lru_cache
def tiny_prior(prediction: str = "epsilon", dtype: str = "float32") -> StableDiffusion:
    """The prior of :func:`folder` on the CPU, loaded once per process."""
    return stable_diffusion(torch.device("cpu"), folder=str(folder(prediction)), dtype=dtype)  # type: ignore[arg-type]
