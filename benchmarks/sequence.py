"""The sequence of one step that threestudio runs for VSD (and ESD), as a baseline; SDS and its kin are its first half.

What differs from ours is the sequence alone: hash grid, renderer, cameras, schedule and the method's equation are shared.
Read from threestudio's ``stable_diffusion_vsd_guidance.py`` and ``prolificdreamer.yaml``, diffusers 0.19.3:

- the student is a U-Net of its own, with LoRA of rank 4 in float32 on every attention and a camera network in its class slot;
- teacher rows in one forward, camera and null student rows in another (both, whatever the method reads), both without grad;
- ``0.5 mse(latent, latent - gradient)``, a third forward with fresh t and noise, and one backward for everything;
- one AdamW over scene and student;
- the student's attention writes its probabilities down (``LoRAAttnProcessor``, not the variant with SDPA).

Left out: the conversion from v, two element-wise operations. bfloat16 in place of float16, as on our side.
"""

import copy
import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from esd_bench.distill import Parts, Plan
from esd_bench.draws import Draws
from esd_bench.methods import Predictions, View


class LowRankLinear(nn.Module):
    """diffusers' ``LoRALinearLayer``: float32 whatever comes in."""

    def __init__(self, wide: int, out: int, rank: int = 4) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(wide, rank, bias=False), nn.Linear(rank, out, bias=False)
        nn.init.normal_(self.down.weight, std=1 / rank)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x.to(self.down.weight.dtype))).to(x.dtype)


class LowRankAttention(nn.Module):
    """diffusers' ``LoRAAttnProcessor`` or, with ``sdpa``, ``LoRAAttnProcessor2_0``."""

    def __init__(self, attention: Any, sdpa: bool) -> None:
        super().__init__()
        self.sdpa, inner = sdpa, attention.to_q.out_features
        wide, told = attention.to_q.in_features, attention.to_k.in_features
        self.q, self.k = LowRankLinear(wide, inner), LowRankLinear(told, inner)
        self.v, self.out = LowRankLinear(told, inner), LowRankLinear(inner, wide)

    def forward(
        self,
        attention: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        **ignored: Any,
    ) -> Tensor:
        text = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attention.to_q(hidden_states) + self.q(hidden_states)
        key = attention.to_k(text) + self.k(text)
        value = attention.to_v(text) + self.v(text)
        mixed = (self._fused if self.sdpa else self._written)(attention, query, key, value)
        return attention.to_out[0](mixed) + self.out(mixed)

    @staticmethod
    def _written(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (attention.head_to_batch_dim(x) for x in (query, key, value))
        shares = attention.get_attention_scores(query, key)
        return attention.batch_to_head_dim(torch.bmm(shares, value))

    @staticmethod
    def _fused(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        heads = (
            x.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for x in (query, key, value)
        )
        return functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


class Camera(nn.Module):
    """``TimestepEmbedding(16, 1280)`` in float32, in the slot of the class embedding."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        self.dtype = dtype

    def forward(self, camera: Tensor) -> Tensor:
        return self.layers(camera).to(self.dtype)


def bare(unet: Any) -> Any:
    """A copy without our hooks."""
    found = copy.deepcopy(unet)
    for module in found.modules():
        module._forward_hooks.clear()
    return found.requires_grad_(False)


def student(unet: Any, sdpa: bool) -> tuple[Any, list[nn.Parameter]]:
    """A U-Net of its own with its adapters, and what of it is trained."""
    found, dtype = bare(unet), next(unet.parameters()).dtype
    with next(unet.parameters()).device:
        adapters = {
            f"{name}.processor": LowRankAttention(module, sdpa)
            for name, module in found.named_modules()
            if name.endswith(("attn1", "attn2"))
        }
        camera = Camera(unet.time_embedding.linear_2.out_features, dtype)
    found.set_attn_processor(dict(adapters))
    found.class_embedding = camera
    trained = [x for module in (*adapters.values(), camera) for x in module.parameters()]
    return found, trained


@dataclass
class Sequence:
    """A step at a time.

    Attributes:
        teacher, student: U-Nets; no student for methods without one.
        tensors: ``captured`` steps draw the camera dropout on the GPU, others on the host, as threestudio does.
    """

    parts: Parts
    plan: Plan
    teacher: Any
    student: Any
    optimiser: torch.optim.Optimizer
    tensors: bool
    count: Tensor

    @classmethod
    def of(cls, parts: Parts, plan: Plan, sdpa: bool, captured: bool) -> "Sequence":
        unet = parts.prior.denoiser.unet
        own, trained = student(unet, sdpa) if parts.method.studies else (None, [])
        groups = [{"params": xs, "lr": rate} for xs, rate in parts.scene.learning_rates()]
        kind = torch.optim.AdamW if trained else torch.optim.Adam
        optimiser = kind(
            [*groups, {"params": trained, "lr": 1e-4}] if trained else groups,
            betas=(0.9, 0.99),
            eps=1e-15,
            capturable=captured and parts.texts.is_cuda,
        )
        count = torch.zeros((), dtype=torch.long, device=parts.texts.device)
        return cls(parts, plan, bare(unet), own, optimiser, captured, count)

    @property
    def networks(self) -> list[Any]:
        """All that is resident."""
        return [x for x in (self.teacher, self.student, self.parts.prior.vae) if x is not None]

    def __call__(self) -> None:
        parts, plan = self.parts, self.plan
        draws = Draws(parts.seeds, self.count)
        progress = self.count / plan.steps
        cameras = plan.cameras.place(draws.uniform("cameras", plan.views, 5), plan.size)
        render = parts.scene.render(cameras, progress, draws)
        latent = self._encode(render.over(torch.ones(1, 3, 1, 1, device=self.count.device)))
        angles = (x.reshape(1, plan.views) for x in (cameras.azimuth, cameras.elevation))
        view = View(*angles, progress, plan.wording)
        camera = cameras.c2w.reshape(plan.views, 16)
        target = (latent - self._gradient(latent, view, camera)).detach()
        loss = 0.5 * functional.mse_loss(latent, target, reduction="sum") / plan.views
        if self.student is not None:
            loss = loss + self._fit(latent.detach(), camera)
        penalties = parts.scene.regularisers(render)
        for name, weight in (plan.regularisers or {}).items():
            loss = loss + weight * penalties[name].sum()
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.count += 1

    def _encode(self, rgb: Tensor) -> Tensor:
        vae, side = self.parts.prior.vae, self.parts.prior.resolution
        rgb = functional.interpolate(rgb, (side, side), mode="bilinear", align_corners=False)
        posterior = vae.encode((rgb * 2 - 1).to(vae.dtype)).latent_dist
        return posterior.sample().float() * vae.config.scaling_factor

    def _noised(self, latent: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        prior, noise = self.parts.prior, torch.randn_like(latent)
        alpha, sigma = (x[t][:, None, None, None] for x in (prior.alpha, prior.sigma))
        return alpha * latent + sigma * noise, noise

    def _ask(self, unet: Any, x: Tensor, t: Tensor, text: Tensor, camera: Any = None) -> Tensor:
        dtype = unet.conv_in.weight.dtype
        return unet(x.to(dtype), t, text.to(dtype), class_labels=camera, return_dict=False)[
            0
        ].float()

    @torch.no_grad()
    def _gradient(self, latent: Tensor, view: View, camera: Tensor) -> Tensor:
        parts, method = self.parts, self.parts.method
        t = parts.schedule(torch.rand_like(view.azimuth), view.progress, parts.prior.alpha**2)[0]
        noised, noise = self._noised(latent, t)
        asked = [row for row in method.rows if row.state == "base"]
        mixes = torch.stack([row.mix(view)[0] for row in asked])
        text = torch.einsum("kvm,mld->kvld", mixes, parts.texts[0]).flatten(0, 1)
        k = len(asked)
        told = self._ask(self.teacher, noised.repeat(k, 1, 1, 1), t.repeat(k), text)
        named = dict(zip((row.name for row in asked), told.chunk(k), strict=True))
        if self.student is not None:
            named |= self._studied(noised, t, camera)
        eps = {name: x[None] for name, x in named.items()}
        residual = method.residual(Predictions(**eps, noise=noise[None], view=view))[0]
        weight = method.weight(parts.prior.alpha[t][None], parts.prior.sigma[t][None])[0]
        gradient = torch.nan_to_num(weight[:, None, None, None] * residual)
        if method.bound is None:
            return gradient
        bound = method.bound(view.progress)
        return torch.maximum(torch.minimum(gradient, bound), -bound)

    def _studied(self, noised: Tensor, t: Tensor, camera: Tensor) -> dict[str, Tensor]:
        both = torch.cat([camera, torch.zeros_like(camera)])
        text = self.parts.texts[0, :1].expand(len(both), -1, -1)
        found = self._ask(self.student, noised.repeat(2, 1, 1, 1), t.repeat(2), text, both)
        return dict(zip(("camera", "anywhere"), found.chunk(2), strict=True))

    def _fit(self, latent: Tensor, camera: Tensor) -> Tensor:
        dropout = self.parts.method.camera_dropout
        if self.tensors:
            camera = camera * (torch.rand((), device=camera.device) >= dropout)
        elif random.random() < dropout:
            camera = torch.zeros_like(camera)
        t = torch.randint(0, len(self.parts.prior.alpha), (len(latent),), device=latent.device)
        noised, noise = self._noised(latent, t)
        text = self.parts.texts[0, :1].expand(len(latent), -1, -1)
        return functional.mse_loss(self._ask(self.student, noised, t, text, camera), noise)
