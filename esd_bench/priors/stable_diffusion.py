"""Stable Diffusion and everything in its folder format: the prior of the papers."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esd_bench.draws import Draws
from esd_bench.methods import State, cfg
from esd_bench.priors._denoiser import Denoiser, Prediction
from esd_bench.priors._files import combined, digests, locate
from esd_bench.priors._lowrank import LowRank
from esd_bench.types import Images

_BATCH = 16
"""Pictures that are sampled at once."""


def stable_diffusion(
    device: torch.device,
    /,
    *,
    folder: str = "embedded",
    dtype: Literal["float32", "float16", "bfloat16", "auto"] = "float32",
    posterior: Literal["mean", "sample"] = "mean",
    revision: str = "",
) -> "StableDiffusion":
    """A Stable-Diffusion-family prior (SD 1.x, 2.x, the shipped one) from a diffusers folder or a hub id.

    Weights are read from safetensors only. Latents are exchanged in float32 whatever the precision of the networks.

    Args:
        device: where the networks lie.
        folder: ``embedded``, ``embedded-biased``, a local diffusers folder, or a hub id such as ``owner/name``.
        dtype: precision of the networks; ``auto`` is float16 on CUDA and float32 elsewhere.
        posterior: what ``encode`` gives: the mean of the latent's distribution, or a sample (threestudio).
        revision: branch, tag or commit of a hub id; empty is its default branch.

    Raises:
        ValueError: one line, for a missing folder or part, or a file that is damaged.
    """
    parts = locate(folder, revision)
    files = digests(parts)
    wanted = _precision(dtype, torch.device(device))
    unet, abar, prediction = _denoiser_parts(parts, wanted)
    text_encoder, tokenizer = _text_parts(parts, wanted)
    vae = _vae(parts, wanted)
    _fit(unet.config, vae.config, text_encoder.config, folder)
    return StableDiffusion(
        Denoiser(unet.to(device), abar, prediction),
        vae=vae.to(device),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        name=folder.rstrip("/").split("/")[-1],
        files=files,
        posterior=posterior,
    )


class StableDiffusion:
    """A prior out of explicit parts; the contract is :class:`esd_bench.priors.Prior`.

    Args:
        denoiser: the U-Net with its noise schedule.
        vae: a diffusers ``AutoencoderKL``.
        text_encoder, tokenizer: CLIP's.
        name: how reports call it.
        files: file name -> SHA-256 of what was loaded.
        posterior: what ``encode`` gives, its mean or a sample.
    """

    dtype = torch.float32

    def __init__(
        self,
        denoiser: Denoiser,
        *,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        name: str = "stable diffusion",
        files: dict[str, str] | None = None,
        posterior: Literal["mean", "sample"] = "mean",
    ) -> None:
        self.denoiser, self.tokenizer, self.name, self.posterior = (
            denoiser,
            tokenizer,
            name,
            posterior,
        )
        self.vae = vae.requires_grad_(False).eval()
        self.text_encoder = text_encoder.requires_grad_(False).eval()
        self.files = dict(files or {})
        self.digest = combined(self.files, denoiser.prediction)
        self.device, self.alpha, self.sigma = denoiser.device, denoiser.alpha, denoiser.sigma
        config = denoiser.unet.config
        side = config.sample_size if isinstance(config.sample_size, int) else config.sample_size[0]
        self.latent = (config.in_channels, side, side)
        self.resolution = side * 2 ** (len(vae.config.block_out_channels) - 1)
        self._scaling = vae.config.scaling_factor

    def compile(self) -> None:
        """Have torch compile the U-Net, with the adapters' hooks, and the encoder: each new shape, when it first comes.

        A :meth:`sibling` stays as it is.
        """
        for network in (self.denoiser.unet, self.vae.encoder):
            network.compile(dynamic=False)

    def encode(
        self, rgb: Images, noise: Float[Tensor, "n c y x"] | None = None
    ) -> Float[Tensor, "n c y x"]:
        """Differentiable scaled latents of pictures in [0, 1], resized bilinearly.

        The posterior's mean; a sample of it where ``noise`` is given and the option ``posterior`` is ``sample``.
        """
        if rgb.shape[-2:] != (self.resolution, self.resolution):
            rgb = nn.functional.interpolate(
                rgb, (self.resolution, self.resolution), mode="bilinear", align_corners=False
            )
        posterior = self.vae.encode((rgb * 2 - 1).to(self.vae.dtype)).latent_dist
        latent = posterior.mean.to(self.dtype)
        if noise is not None and self.posterior == "sample":
            latent = latent + posterior.std.to(self.dtype) * noise
        return latent * self._scaling

    def decode(self, latent: Float[Tensor, "n c y x"]) -> Images:
        """Pictures of latents, clamped to [0, 1]."""
        picture = self.vae.decode((latent / self._scaling).to(self.vae.dtype), return_dict=False)[0]
        return (picture.to(self.dtype) / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def words(self, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
        """Last hidden states of the text encoder, padded to its length; longer texts are cut off with a warning."""
        length = min(
            self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings
        )
        cut = [text for text in texts if len(self.tokenizer.tokenize(text)) + 2 > length]
        if cut:
            warnings.warn(f"cut off after {length} tokens: {cut[0]!r}", stacklevel=2)
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        )
        found = self.text_encoder.to(self.device)(tokens.input_ids.to(self.device))[0]
        # It is needed once for a pack: in between a GPU's memory has better use for it (SD-2.1's is 0.6 GiB).
        self.text_encoder.cpu()
        return found.to(self.dtype)

    def eps(
        self,
        noised: Float[Tensor, "p v k c h w"],
        t: Int[Tensor, "p v"],
        text: Float[Tensor, "p v k l d"],
        states: Sequence[State],
        adapter: LowRank | None = None,
        camera: Float[Tensor, "p v 16"] | None = None,
    ) -> Float[Tensor, "p v k c h w"]:
        """Noise predictions of all rows in one forward: :meth:`Denoiser.eps`."""
        return self.denoiser.eps(noised, t, text, states, adapter, camera)

    def adapter(self, seeds: Int[Tensor, " p"], **options: Any) -> LowRank:
        """A fresh adapter, one member per seed: :meth:`Denoiser.adapter`."""
        return self.denoiser.adapter(seeds, **options)

    def error_scale(self, t: Int[Tensor, "p v"]) -> Float[Tensor, "p v"]:
        """Error of the network's own prediction per error of eps: :meth:`Denoiser.error_scale`."""
        return self.denoiser.error_scale(t)

    @torch.no_grad()
    def sample(
        self, texts: Sequence[str], seeds: Sequence[int], scale: float = 7.5, steps: int = 25
    ) -> Images:
        """Pictures of texts by DDIM; the first noise of each is a pure function of its seed."""
        if len(texts) != len(seeds):
            raise ValueError(f"{len(texts)} texts need as many seeds, not {len(seeds)}")
        null = self.words([""])
        chunks = range(0, len(texts), _BATCH)
        return torch.cat(
            [
                self._sample(texts[i : i + _BATCH], seeds[i : i + _BATCH], null, scale, steps)
                for i in chunks
            ]
        )

    def _sample(
        self, texts: Sequence[str], seeds: Sequence[int], null: Tensor, scale: float, steps: int
    ) -> Images:
        text = self.words(texts)
        both = torch.stack([text, null.expand_as(text)], 1)[None]
        ddim = _ddim(self.alpha, steps)
        draws = Draws(torch.tensor(seeds, device=self.device), torch.zeros((), dtype=torch.long))
        draws = Draws(draws.seeds, draws.step.to(self.device))
        latent = draws.normal("sample", *self.latent)
        for t in ddim.timesteps.tolist():
            level = torch.full((1, len(seeds)), t, device=self.device)
            noised = latent[None, :, None].expand(-1, -1, 2, -1, -1, -1)
            pos, neg = self.eps(noised, level, both, ("base", "base"))[0].unbind(1)
            latent = ddim.step(cfg(pos, neg, scale), t, latent).prev_sample
        return self.decode(latent)

    def sibling(self, folder: str, revision: str = "") -> "StableDiffusion":
        """The same codec and text encoder round the U-Net and schedule of another folder (a student's own base)."""
        parts = locate(folder, revision)
        unet, abar, prediction = _denoiser_parts(parts, self.denoiser.precision)
        kept = {part: path for part, path in parts.items() if part in ("unet", "scheduler")}
        return StableDiffusion(
            Denoiser(unet.to(self.device), abar, prediction),
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            name=folder.rstrip("/").split("/")[-1],
            files=digests(kept),
            posterior=self.posterior,
        )


def _fit(unet: Any, vae: Any, text_encoder: Any, folder: str) -> None:
    """Refuse parts of different models: their configurations must agree in width."""
    if text_encoder.hidden_size != unet.cross_attention_dim:
        raise ValueError(
            f"wrong text encoder in {folder}: its words have {text_encoder.hidden_size} numbers, "
            f"the U-Net wants {unet.cross_attention_dim}"
        )
    if vae.latent_channels != unet.in_channels:
        raise ValueError(
            f"{folder} is no text-to-image prior: its U-Net has {unet.in_channels} channels, "
            f"its VAE's latents {vae.latent_channels}"
        )


def _precision(dtype: str, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[dtype]


def _ddim(alpha: Tensor, steps: int) -> Any:
    """Diffusers' DDIM over our own abar, told eps: other schedulers' folders serve as well."""
    from diffusers import DDIMScheduler

    ddim: Any = DDIMScheduler(
        len(alpha),
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="epsilon",
    )
    ddim.alphas_cumprod = alpha.cpu() ** 2
    ddim.final_alpha_cumprod = ddim.alphas_cumprod[0]
    ddim.set_timesteps(steps)
    return ddim


def _denoiser_parts(parts: dict[str, Path], dtype: torch.dtype) -> tuple[Any, Tensor, Prediction]:
    from diffusers import DDIMScheduler, UNet2DConditionModel

    unet = _loaded(UNet2DConditionModel, parts["unet"], torch_dtype=dtype)
    settings = _attempt(parts["scheduler"], lambda: DDIMScheduler.load_config(parts["scheduler"]))
    known = {name: settings[name] for name in _NOISE if name in settings}
    noise: Any = DDIMScheduler(**known, steps_offset=1, clip_sample=False)
    return unet, noise.alphas_cumprod, settings.get("prediction_type", "epsilon")


_NOISE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)
"""The entries of any diffusers scheduler that say what abar is."""


def _vae(parts: dict[str, Path], dtype: torch.dtype) -> Any:
    from diffusers import AutoencoderKL

    return _loaded(AutoencoderKL, parts["vae"], torch_dtype=dtype)


def _text_parts(parts: dict[str, Path], dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import CLIPTextModel, CLIPTokenizer
    from transformers.utils import logging

    path = parts["tokenizer"]
    tokenizer = _attempt(path, lambda: CLIPTokenizer.from_pretrained(path, local_files_only=True))
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return _loaded(CLIPTextModel, parts["text_encoder"], dtype=dtype), tokenizer
    finally:
        if shown:
            logging.enable_progress_bar()


def _loaded(kind: Any, path: Path, **precision: torch.dtype) -> Any:
    """A model from its folder; every weight must be there."""
    model, report = _attempt(
        path,
        lambda: kind.from_pretrained(
            path, use_safetensors=True, local_files_only=True, output_loading_info=True, **precision
        ),
    )
    if report["missing_keys"]:
        raise ValueError(
            f"cannot load {path}: it lacks the weight {sorted(report['missing_keys'])[0]}"
        )
    return model


def _attempt(path: Path, load: Callable[[], Any]) -> Any:
    from safetensors import SafetensorError

    try:
        return load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        why = str(error).strip().split("\n")[0]
        raise ValueError(f"cannot load {path}: {why}") from None
