"""A frozen diffusers U-Net asked for eps, all rows of a pack in one forward."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esd_bench.methods import State
from esd_bench.priors._lowrank import Injector, LowRank, Targets

Prediction: TypeAlias = Literal["epsilon", "v_prediction", "sample"]
"""What a network was trained to predict, in diffusers' words: eps, v = alpha eps - sigma x, or x itself."""


class Denoiser:
    """A ready-made U-Net with its noise schedule.

    Args:
        unet: a diffusers ``UNet2DConditionModel``, on its device and in its precision; frozen here.
        abar: alpha_t^2 of every t.
        prediction: what the network predicts.

    Attributes:
        alpha, sigma: float32, on the U-Net's device.
    """

    def __init__(
        self, unet: Any, abar: Float[Tensor, " t"], prediction: Prediction = "epsilon"
    ) -> None:
        if prediction not in ("epsilon", "v_prediction", "sample"):
            raise ValueError(f"can't turn a prediction of {prediction!r} into eps")
        self.unet = unet.requires_grad_(False).eval()
        self.prediction = prediction
        weight = next(unet.parameters())
        self.device, self.precision = weight.device, weight.dtype
        self.alpha = abar.double().sqrt().float().to(self.device)
        self.sigma = (1 - abar.double()).sqrt().float().to(self.device)
        self._injector = Injector(unet)

    def eps(
        self,
        noised: Float[Tensor, "p v k c h w"],
        t: Int[Tensor, "p v"],
        text: Float[Tensor, "p v k l d"],
        states: Sequence[State],
        adapter: LowRank | None = None,
        camera: Float[Tensor, "p v 16"] | None = None,
    ) -> Float[Tensor, "p v k c h w"]:
        """Noise predictions of all rows in one forward, in the precision of ``noised``; student rows last.

        Raises:
            ValueError: for rows out of order or an adapter of another width.
        """
        p, v, k = noised.shape[:3]
        with self._injector.active(adapter, states, camera, (p, v, k)):
            answer = self.unet(
                noised.flatten(0, 2).to(self.precision),
                t[:, :, None].expand(p, v, k).reshape(-1),
                text.flatten(0, 2).to(self.precision),
                return_dict=False,
            )[0]
        answer = answer.to(noised.dtype).unflatten(0, (p, v, k))
        return self._as_eps(answer, noised, t)

    def _as_eps(self, answer: Tensor, noised: Tensor, t: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return answer
        alpha, sigma = (
            x[t][:, :, None, None, None, None].to(noised.dtype) for x in (self.alpha, self.sigma)
        )
        if self.prediction == "v_prediction":
            return alpha * answer + sigma * noised
        return (noised - alpha * answer) / sigma

    def error_scale(self, t: Int[Tensor, "p v"]) -> Float[Tensor, "p v"]:
        """Error of the network's own prediction per error of eps: 1 for eps, 1/alpha for v, sigma/alpha for x."""
        alpha, sigma = self.alpha[t].clamp_min(1e-4), self.sigma[t]
        scales = {
            "epsilon": torch.ones_like(alpha),
            "v_prediction": 1 / alpha,
            "sample": sigma / alpha,
        }
        return scales[self.prediction]

    def adapter(
        self,
        seeds: Int[Tensor, " p"],
        rank: int = 8,
        targets: Targets = "all",
        camera_width: int = 0,
    ) -> LowRank:
        """A fresh adapter, one member per seed; its first answers equal the base's."""
        return LowRank(self.unet, seeds.to(self.device), rank, targets, camera_width)
