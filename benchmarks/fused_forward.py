"""The network passes of one ESD step: all four rows in one forward, against two (as threestudio) and four forwards.

``rows`` are the four predictions (text, null, camera, anywhere); ``step`` adds the student's fit, which is the same on all
sides: a forward with gradients on one row per view, backward, and AdamW. ``own row fitted`` is the student's option
``fit=same`` (Algorithm 1 as printed): the prediction's own student row runs with gradients, and no other forward is needed.

python benchmarks/fused_forward.py --size embedded [--members 1] [--views 1]           CPU
python benchmarks/fused_forward.py --size sd21 --device cuda [--out FILE]              random weights, bfloat16
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch
from race import medians, parser, publish, race, ratio
from sd21 import SD21
from torch import Tensor

from esd_bench import plugins
from esd_bench.draws import Draws
from esd_bench.methods import Method, View
from esd_bench.priors._denoiser import Denoiser
from esd_bench.students import Noised

FUSED, PAIRS, SINGLES = ((0, 1, 2, 3),), ((0, 1), (2, 3)), ((0,), (1,), (2,), (3,))


@dataclass
class Bare:
    """As much of a prior as a student asks for: a U-Net and its noise schedule."""

    denoiser: Denoiser
    latent: tuple[int, int, int]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.denoiser, name)


def embedded(device: torch.device) -> tuple[Bare, tuple[int, int], dict[str, Any]]:
    """The prior that ships, the shape of its texts, and its preset's student."""
    prior = plugins.load("priors", "stable_diffusion")(device)
    return Bare(prior.denoiser, prior.latent), tuple(prior.words([""]).shape[1:]), {"rank": 8}


def sd21(device: torch.device) -> tuple[Bare, tuple[int, int], dict[str, Any]]:
    """SD-2.1's size, random weights; threestudio's student."""
    from diffusers import UNet2DConditionModel

    with device:
        unet = UNet2DConditionModel(**SD21.unet).to(torch.bfloat16)
    abar = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0)
    student = {"rank": 4, "targets": "attention", "learning_rate": 1e-4}
    return Bare(Denoiser(unet, abar), (4, 64, 64)), (77, 1024), student


def noised(prior: Bare, method: Method, texts: Tensor, views: int) -> Noised:
    """One step with random latents."""
    members, device = len(texts), texts.device
    draws = Draws(
        torch.arange(members, device=device), torch.zeros((), dtype=torch.long, device=device)
    )
    angles = draws.uniform("angles", views, 2) * 2 - 1
    view = View(angles[..., 0] * 3, angles[..., 1], torch.tensor(0.5, device=device))
    latent = draws.normal("latent", views, *prior.latent)
    return Noised(
        latent=latent,
        noised=latent,
        noise=draws.normal("noise", views, *prior.latent),
        t=(draws.uniform("t", views) * 1000).long(),
        camera=draws.normal("camera", views, 16),
        texts=texts,
        mixes=torch.stack([row.mix(view) for row in method.rows], 2),
        draws=draws,
        others=lambda count: latent[:, :count],
    )


@torch.no_grad()
def predict(prior: Bare, adapter: Any, now: Noised, states: list[str], groups: Any) -> Tensor:
    """The rows, a forward per group of them."""
    text, inputs = now.text, now.rows
    answers = [
        prior.eps(
            inputs[:, :, list(g)],
            now.t,
            text[:, :, list(g)],
            [states[i] for i in g],
            adapter,
            now.camera,
        )
        for g in groups
    ]
    return torch.cat(answers, 2)


def peaks(ways: dict[str, Any]) -> dict[str, float]:
    """GiB that each way needs at most; nothing on a CPU."""
    found = {}
    for name, work in ways.items() if torch.cuda.is_available() else ():
        torch.cuda.reset_peak_memory_stats()
        work()
        found[name] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", default="embedded", choices=("embedded", "sd21"))
    options.add_argument("--members", type=int, default=1)
    options.add_argument("--views", type=int, default=1)
    options.add_argument("--device", default="cpu")
    options.set_defaults(rounds=15)
    a = options.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    device = torch.device(a.device)
    prior, words, options_of_student = {"embedded": embedded, "sd21": sd21}[a.size](device)
    method = plugins.load("methods", "esd")()
    seeds = torch.arange(a.members, device=device)
    student = plugins.load("students", "lora")(prior, seeds, **options_of_student)
    texts = torch.randn(a.members, 6, *words, device=device)
    now, states = noised(prior, method, texts, a.views), [row.state for row in method.rows]
    alive = torch.ones(a.members, device=device)
    groupings = {"one forward": FUSED, "two forwards": PAIRS, "four forwards": SINGLES}
    rows = {
        name: (lambda groups=groups: predict(prior, student.adapter, now, states, groups))
        for name, groups in groupings.items()
    }
    steps = {
        name: (lambda work=work: (work(), student.fit(now, method.camera_dropout, alive)))
        for name, work in rows.items()
    }
    make = plugins.load("students", "lora")
    own = make(prior, seeds, fit="same", **options_of_student)

    def same() -> None:
        own.predict(now, method.rows, method.camera_dropout)
        own.fit(now, method.camera_dropout, alive)

    steps["own row fitted"] = same
    student.fit(now, method.camera_dropout, alive)  # so that the adapter is not nothing
    answers = [work() for work in rows.values()]
    apart = max(float((x - answers[0]).norm() / answers[0].norm()) for x in answers[1:])
    result: dict[str, Any] = {"size": a.size, "members": a.members, "views": a.views}
    result["relative difference of the answers"] = apart
    for what, ways in {"rows": rows, "step": steps}.items():
        print(f"timing {what} ...", file=sys.stderr)
        seconds = race(ways, a.rounds, warmup=2)
        slow = [name for name in ways if name != "one forward"]
        result[what] = {
            "times faster than": {x: round(ratio(seconds, x, "one forward"), 3) for x in slow},
            "milliseconds": {name: round(1e3 * s, 2) for name, s in medians(seconds).items()},
            "peak GiB": peaks(ways),
        }
    publish("fused_forward", result, a.out)


if __name__ == "__main__":
    main()
