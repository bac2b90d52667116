"""The architectures: Stable-Diffusion-format pieces and an open_clip model.

Everything is small enough to ship (about 11 M parameters in all, with :mod:`classifier`) and wide rather than deep, because on a CPU the number of
modules, not their width, sets the time of a forward.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from esd_bench.embedded.tokens import CONTEXT

LATENT, PIXELS = 16, 64
WORD_WIDTH, WORD_HEADS, WORD_LAYERS = 128, 4, 2


def vae() -> AutoencoderKL:
    """64 pixels to 16x16x4 and back."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        norm_num_groups=16,
        latent_channels=4,
        sample_size=PIXELS,
    )


@torch.no_grad()
def standardise(model: AutoencoderKL, mean: Float[Tensor, " c"], std: float) -> None:
    """Makes latents zero-mean and unit-variance: the mean moves into the 1x1 convolutions beside the latent.

    Stable Diffusion's pipelines apply ``scaling_factor`` but know no shift.
    """
    after = model.post_quant_conv
    model.quant_conv.bias[: len(mean)] -= mean
    after.bias += after.weight[:, :, 0, 0] @ mean
    model.register_to_config(scaling_factor=1 / std)


def unet() -> UNet2DConditionModel:
    """An epsilon predictor on 16x16x4 latents, with text at every level."""
    return UNet2DConditionModel(
        sample_size=LATENT,
        block_out_channels=(64, 80, 96),
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        layers_per_block=1,
        cross_attention_dim=WORD_WIDTH,
        attention_head_dim=(2, 2, 3),
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


KINDS = {"vae": AutoencoderKL, "unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}


def pretrained(part: str, folder: Path, device: str) -> Any:
    """A finished ``vae``, ``unet`` or ``text_encoder``: float32, frozen, in evaluation mode."""
    model = KINDS[part].from_pretrained(folder).float().to(device).eval()
    return model.requires_grad_(False)


# ---- text and CLIP -------------------------------------------------------------------------------------------------


def clip_config(vocabulary: int) -> dict[str, Any]:
    """``model_cfg`` of open_clip; ``hf_tokenizer_name`` makes it read the tokenizer beside the weights."""
    return {
        "embed_dim": WORD_WIDTH,
        "vision_cfg": {
            "image_size": PIXELS, "patch_size": 8, "width": 96, "layers": 4, "head_width": 32, "mlp_ratio": 4.0,
        },
        "text_cfg": {
            "context_length": CONTEXT, "vocab_size": vocabulary, "width": WORD_WIDTH, "heads": WORD_HEADS,
            "layers": WORD_LAYERS, "hf_tokenizer_name": "embedded",
        },
    }  # fmt: skip


MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def preprocess_config() -> dict[str, Any]:
    """``preprocess_cfg`` of open_clip."""
    return {
        "size": PIXELS,
        "mean": MEAN,
        "std": STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }


def clip(vocabulary: int) -> nn.Module:
    """The open_clip model, untrained."""
    from open_clip.model import CLIP  # an optional, slow import

    config = clip_config(vocabulary)
    return CLIP(**config)


def clip_pixels(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """CLIP's normalisation of RGB in [0, 1]."""
    mean, std = (images.new_tensor(x)[:, None, None] for x in (MEAN, STD))
    return (images - mean) / std


def text_encoder(state: dict[str, Tensor], tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """transformers' CLIPTextModel with the weights of the text tower of an open_clip ``CLIP`` state."""
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WORD_WIDTH,
            intermediate_size=4 * WORD_WIDTH,
            projection_dim=WORD_WIDTH,
            num_hidden_layers=WORD_LAYERS,
            num_attention_heads=WORD_HEADS,
            max_position_embeddings=CONTEXT,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    wanted = model.state_dict()
    nested = any(name.startswith("text_model.") for name in wanted)
    converted = {f"text_model.{k}" if nested else k: v for k, v in _renamed(state).items()}
    model.load_state_dict(converted, strict=not any("position_ids" in name for name in wanted))
    return model.eval()


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's names of the text tower's weights to transformers'; q, k and v come fused and are cut apart."""
    out = {
        "embeddings.token_embedding.weight": state["token_embedding.weight"],
        "embeddings.position_embedding.weight": state["positional_embedding"],
        "final_layer_norm.weight": state["ln_final.weight"],
        "final_layer_norm.bias": state["ln_final.bias"],
    }
    pairs = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for i in range(WORD_LAYERS):
        old, new = f"transformer.resblocks.{i}", f"encoder.layers.{i}"
        for kind in ("weight", "bias"):
            for a, b in pairs.items():
                out[f"{new}.{b}.{kind}"] = state[f"{old}.{a}.{kind}"]
            out[f"{new}.self_attn.out_proj.{kind}"] = state[f"{old}.attn.out_proj.{kind}"]
            fused = state[f"{old}.attn.in_proj_{kind}"].chunk(3)
            for name, part in zip(("q_proj", "k_proj", "v_proj"), fused, strict=True):
                out[f"{new}.self_attn.{name}.{kind}"] = part.contiguous()
    return out
