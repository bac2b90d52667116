"""Copied into threestudio's folder ``custom/``: its VSD guidance with the camera dropout as a parameter.

There the share of LoRA fits without the camera is the number .1 inside ``train_lora``; ESD (arXiv 2401.00909, appendix C)
takes .5. The camera is dropped here, before the original is called with its own dropout (``lora_cfg_training``) off.
"""

from dataclasses import dataclass
from typing import Any

import threestudio
import torch
from threestudio.models.guidance.stable_diffusion_vsd_guidance import StableDiffusionVSDGuidance


@threestudio.register("esd-bench-vsd-guidance")
class CameraDropoutGuidance(StableDiffusionVSDGuidance):  # type: ignore[misc]
    """VSD, and ESD by ``guidance_scale_lora``, with any camera dropout."""

    @dataclass
    class Config(StableDiffusionVSDGuidance.Config):  # type: ignore[misc]
        """One field more."""

        camera_dropout: float = 0.5
        lora_cfg_training: bool = False

    cfg: Config

    def train_lora(self, latents: Any, text_embeddings: Any, camera_condition: Any) -> Any:
        """The LoRA's loss, without the camera in a share of the steps, for the whole batch as in the original."""
        if float(torch.rand(())) < self.cfg.camera_dropout:
            camera_condition = torch.zeros_like(camera_condition)
        return super().train_lora(latents, text_embeddings, camera_condition)
