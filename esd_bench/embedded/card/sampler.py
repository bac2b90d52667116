"""Draws pictures from a diffusers folder: DDIM with classifier-free guidance."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from jaxtyping import Float
from torch import Tensor

from esd_bench.embedded import networks, tokens


class Sampler:
    """The parts of a prior, and ``steps`` of DDIM."""

    def __init__(self, parts: dict[str, Path], device: str, steps: int = 25) -> None:
        self.device, self.steps = device, steps
        self.batch = 48 if device == "cpu" else 1024
        self.vae = networks.pretrained("vae", parts["vae"], device)
        self.unet = networks.pretrained("unet", parts["unet"], device)
        self.text = networks.pretrained("text_encoder", parts["text_encoder"], device)
        self.scheduler = DDIMScheduler.from_pretrained(parts["scheduler"])

    @torch.no_grad()
    def words(self, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
        """Hidden states of the text encoder."""
        return self.text(tokens.ids(texts).to(self.device)).last_hidden_state

    def sample(self, texts: Sequence[str], scale: float, seed: int = 0) -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1]; the same seed starts from the same noise whatever the texts and the scale."""
        generator = torch.Generator().manual_seed(seed)
        side = networks.LATENT
        noise = torch.randn(len(texts), 4, side, side, generator=generator).to(self.device)
        words, null = self.words(texts), self.words([""])
        pieces = zip(noise.split(self.batch), words.split(self.batch), strict=True)
        return torch.cat([self._denoised(z, text, null, scale) for z, text in pieces])

    @torch.no_grad()
    def _denoised(self, z: Tensor, text: Tensor, null: Tensor, scale: float) -> Tensor:
        context = text if scale == 1 else torch.cat([text, null.expand_as(text)])
        self.scheduler.set_timesteps(self.steps)
        for t in self.scheduler.timesteps:
            guess = self._eps(z if scale == 1 else torch.cat([z, z]), t.to(self.device), context)
            if scale != 1:
                guess, empty = guess.chunk(2)
                guess = torch.lerp(empty, guess, scale)
            z = self.scheduler.step(guess, t, z).prev_sample
        return ((self.vae.decode(z / self.vae.config.scaling_factor).sample + 1) / 2).clamp(0, 1)

    def _eps(self, z: Tensor, t: Tensor, context: Tensor) -> Tensor:
        cuda = self.device.startswith("cuda")
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=cuda):
            return self.unet(z, t, context).sample.float()
