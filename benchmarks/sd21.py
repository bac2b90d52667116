"""A prior of Stable Diffusion 2.1's size with random weights, and what the preset ``paper`` distils with it.

Speed and memory do not depend on the weights. ``tiny`` is the same code in a size for a CPU.

python benchmarks/sd21.py FOLDER [SIZE]       writes it as a folder, for ``generate --preset paper --prior FOLDER``
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from esd_bench import plugins
from esd_bench.distill import Parts, Plan
from esd_bench.presets import Settings, preset
from esd_bench.prompts import TEXTS, Prompt
from esd_bench.spec import RunSpec

DOWN, UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
PROMPT = Prompt("a rabbit, animated movie character, high detail 3d model")


@dataclass(frozen=True)
class Size:
    """Configurations of the three networks, their numbers of parameters, and how much smaller the scene is."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    parameters: tuple[int, int, int] | None = None
    scene: tuple[tuple[str, Any], ...] = ()


SD21 = Size(
    unet={
        "sample_size": 64,
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "block_out_channels": [320, 640, 1280, 1280],
        "layers_per_block": 2,
        "use_linear_projection": True,
    },
    vae={"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 768},
    text={
        "vocab_size": 49408,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
        "max_position_embeddings": 77,
    },
    parameters=(865_910_724, 83_653_863, 340_387_840),
)
TINY = Size(
    unet={
        "sample_size": 8,
        "cross_attention_dim": 32,
        "attention_head_dim": [1, 2],
        "block_out_channels": [16, 32],
        "down_block_types": (DOWN, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", UP),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "use_linear_projection": True,
    },
    vae={"block_out_channels": (8, 8), "norm_num_groups": 4, "sample_size": 16},
    text={
        "vocab_size": 600,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
    },
    scene=(("levels", 4), ("log2_rows", 10), ("samples", 8), ("evaluation_samples", 8)),
)
SIZES = {"sd21": SD21, "tiny": TINY}


def networks(size: Size) -> tuple[Any, Any, Any]:
    """U-Net, VAE and text encoder, where and in which precision torch makes tensors at present.

    Raises:
        AssertionError: when a number of parameters is not the published one.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    blocks = len(size.vae["block_out_channels"])
    vae = AutoencoderKL(
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        **size.vae,
    )
    made = UNet2DConditionModel(**size.unet), vae, CLIPTextModel(CLIPTextConfig(**size.text))
    counts = tuple(sum(x.numel() for x in network.parameters()) for network in made)
    assert size.parameters in (None, counts), f"{counts} parameters, published {size.parameters}"
    return made


def tokenizer() -> Any:
    """CLIP's, with a vocabulary of bytes: what the words are makes no difference here."""
    from transformers import CLIPTokenizer

    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in kept] + [chr(256 + i) for i in range(256 - len(kept))]
    names = [*letters, *(x + "</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: i for i, name in enumerate(names)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def write(folder: Path, size: str = "sd21") -> None:
    """A Stable Diffusion folder of a size, in bfloat16."""
    from diffusers import DDIMScheduler

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        unet, vae, text_encoder = networks(SIZES[size])
    finally:
        torch.set_default_dtype(usual)
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    named = {"unet": unet, "vae": vae, "text_encoder": text_encoder, "scheduler": scheduler}
    for name, part in {**named, "tokenizer": tokenizer()}.items():
        part.save_pretrained(folder / name)


def prior(size: str, device: torch.device, dtype: torch.dtype, channels_last: bool = False) -> Any:
    """The real adapter round random networks."""
    from esd_bench.priors._denoiser import Denoiser
    from esd_bench.priors.stable_diffusion import StableDiffusion

    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            unet, vae, text_encoder = networks(SIZES[size])
    finally:
        torch.set_default_dtype(usual)
    if channels_last:
        unet, vae = (x.to(memory_format=torch.channels_last) for x in (unet, vae))
    abar = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0)
    made = StableDiffusion(
        Denoiser(unet, abar),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer(),
        name=f"random {size}",
        posterior="sample",
    )
    made.words([""])  # the text encoder then waits on the CPU, before anybody measures memory
    return made


def spec(method: str, size: str = "sd21", **scene: Any) -> RunSpec:
    """The first stage of the preset ``paper``, with a smaller scene where the networks are small."""
    options = {**dict(SIZES[size].scene), **scene}
    made = preset("paper", Settings(method, {}, scene_options=options))
    return replace(made, prompt=PROMPT, stages=made.stages[:1])


def parts(made: RunSpec, prior: Any, **student: Any) -> Parts:
    """A fresh scene, a fresh student and the method, as the engine makes them; one member."""
    stage, device = made.stages[0], prior.device
    seeds = torch.zeros(1, dtype=torch.long, device=device)
    options = tuple({**dict(stage.student.options), **student}.items())
    return Parts(
        method=stage.method.make("methods"),
        schedule=stage.schedule.make("schedules"),
        prior=prior,
        scene=made.scene.make("scenes", seeds.cpu()).to(device),
        student=replace(stage.student, options=options).make("students", prior, seeds),
        texts=prior.words([made.prompt.facing(x) for x in TEXTS])[None],
        seeds=seeds,
    )


def plan(made: RunSpec, render: int, batch: int) -> Plan:
    """The stage's own numbers at one size of pictures and one number of views, without an end."""
    stage = made.stages[0]
    return Plan(
        steps=10**6,
        views=batch,
        size=render,
        cameras=made.cameras,
        wording=made.wording,
        regularisers=dict(stage.regularisers),
        background=stage.background,
        learning_rate=stage.learning_rate,
        warmup=stage.warmup,
        decay=stage.decay,
        floor=stage.floor,
    )


def known(methods: str) -> list[str]:
    """The methods of a comma-separated list that there are; the others are named and left out."""
    wanted = methods.split(",")
    there = {name.replace("-", "_") for name in plugins.names("methods")}
    for name in wanted:
        if name not in there:
            print(f"skipped: there is no method {name}", file=sys.stderr)
    return [name for name in wanted if name in there]


def numbers(text: str) -> tuple[int, ...]:
    """``64,256``."""
    return tuple(map(int, text.split(",")))


def gib(count: float) -> float:
    """Bytes in GiB."""
    return round(count / 2**30, 3)


def allocated(work: Callable[[], Any]) -> tuple[Any, int]:
    """What some work gives, and by how many bytes the GPU's memory rose at most; 0 on a CPU."""
    if not torch.cuda.is_available():
        return work(), 0
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    answer = work()
    torch.cuda.synchronize()
    return answer, torch.cuda.max_memory_allocated() - before


def weight(*modules: Any) -> int:
    """Bytes of the parameters of some networks."""
    return sum(x.numel() * x.element_size() for m in modules for x in m.parameters())


if __name__ == "__main__":
    write(Path(sys.argv[1]), *sys.argv[2:3])
