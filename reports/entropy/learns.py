"""How much of the entropy term does the LoRA know, of objects that stand still? ``python reports/entropy/learns.py [--threads 2]``.

ESD moves views by lambda (q(x_t) - q(x_t | camera)), two answers of one student. Of an object that does not change both are
known: q(x_t | camera) is the noise itself, and q(x_t) follows from the mixture over the object's views. Here a LoRA is fitted
to 64 views of each object as in a run (four of them a step, fresh t and noise, the camera dropped from half), and after some
hundreds of steps its term is laid beside the exact one, at the same noised views. Makes what is missing (half an hour of one core a setting).
"""

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from esd_bench.cameras import protocol
from esd_bench.draws import Draws
from esd_bench.embedded.fixtures import faced
from esd_bench.methods import ANYWHERE, CAMERA
from esd_bench.priors.stable_diffusion import StableDiffusion, stable_diffusion
from esd_bench.students import Noised
from esd_bench.students.exact import exact
from esd_bench.students.lora import lora

HERE = Path(__file__).parent
PRIOR, VIEWS, STEP = "embedded-biased", "band:-10:45:64", 4
KINDS, FRONTS = ("owl", "cat"), (1, 2)
SETTINGS: dict[str, dict[str, Any]] = {
    "preset": {"rank": 16},
    "rank64": {"rank": 64},
    "rate.003": {"rank": 16, "learning_rate": 3e-3},
    "rank4 rate.0001": {
        "rank": 4,
        "targets": "attention",
        "learning_rate": 1e-4,
        "weight_decay": 0.01,
    },
}
"""``preset`` is that of ``embedded-gpu``; ``threestudio`` the authors'."""
LOOKS = (100, 300, 600)
"""Fits after which a student is asked."""
LEVELS = (450, 650, 750, 850, 950)
ASKED, NOISES, DROPOUT = 8, 4, 0.5


def objects(prior: StableDiffusion) -> tuple[list[tuple[str, int]], Tensor, Tensor]:
    """Which they are, the latents of their views (p, 64, c, h, w), and their texts (p, 1, l, d)."""
    which = list(product(KINDS, FRONTS))
    things = [faced(*x) for x in which]
    pictures = [x.views(VIEWS).over("white").to(prior.device) for x in things]
    latents = [prior.encode(x) for x in pictures]
    return which, torch.stack(latents), prior.words([x.text for x in things])[:, None]


def numbers(members: int, step: int, device: torch.device) -> Draws:
    """Random numbers of a step, other ones for each object."""
    return Draws(torch.arange(members, device=device), torch.tensor(step, device=device))


def noised(
    prior: StableDiffusion, latent: Tensor, camera: Tensor, text: Tensor, level: int, draw: int
) -> Noised:
    """Some views of every object at one noise level."""
    members, views = latent.shape[:2]
    draws = numbers(members, draw, latent.device)
    noise = draws.normal(f"asked {level}", *latent.shape[1:])
    alpha, sigma = prior.alpha[level], prior.sigma[level]
    return Noised(
        latent=latent,
        noised=alpha * latent + sigma * noise,
        noise=noise,
        t=torch.full((members, views), level, device=latent.device),
        camera=camera,
        texts=text,
        mixes=torch.ones(members, views, 2, 1, device=latent.device),
        draws=draws,
        others=lambda _: latent[:, :0],
    )


@torch.no_grad()
def asked(
    prior: StableDiffusion, student: Any, latent: Tensor, camera: Tensor, text: Tensor
) -> Iterator[dict[str, Any]]:
    """For each object and t, in the noise's mean square: those of both terms and of the answers' errors, and the terms' product."""
    few = slice(None, None, latent.shape[1] // ASKED)
    rest = [k for k in range(latent.shape[1]) if k % (latent.shape[1] // ASKED)]
    for level in LEVELS:
        sums = torch.zeros(len(latent), 6, device=latent.device)
        for draw in range(NOISES):
            step = noised(prior, latent[:, few], camera[:, few], text, level, draw)
            known = exact(prior, step.draws.seeds, views=latent.shape[1])
            bank = latent[:, rest]
            there = Noised(**{**vars(step), "others": lambda n, bank=bank: bank[:, :n]})
            own, true = (
                x.predict(y, (CAMERA, ANYWHERE)) for x, y in ((student, step), (known, there))
            )
            term, right = own[:, :, 1] - own[:, :, 0], true[:, :, 1] - true[:, :, 0]
            apart = [own[:, :, k] - true[:, :, k] for k in (0, 1)]
            pairs = ((term, term), (right, right), (term, right), *((x, x) for x in apart))
            sums[:, :5] += torch.stack([(a * b).flatten(1).mean(1) for a, b in pairs], 1)
            sums[:, 5] += step.noise.square().flatten(1).mean(1)
        for member, found in enumerate(sums / NOISES):
            terms = [float(x / found[5]) for x in found[:5]]
            names = ("term", "exact", "both", "camera error", "anywhere error")
            yield {"member": member, "t": level, **dict(zip(names, terms, strict=True))}


def fitted(prior: StableDiffusion, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Lines of a student's looks."""
    with torch.no_grad():
        which, latent, text = objects(prior)
    camera = protocol(VIEWS, 64).c2w.reshape(1, -1, 16).expand(len(which), -1, -1)
    camera, alive = camera.to(latent.device), torch.ones(len(which), device=latent.device)
    rows = torch.arange(len(which), device=latent.device)
    student, rows = lora(prior, rows, **options), rows[:, None]
    for fit in range(max(LOOKS)):
        draws = numbers(len(which), fit, latent.device)
        some = (draws.uniform("views", STEP) * latent.shape[1]).long()
        step = noised(prior, latent[rows, some], camera[rows, some], text, 500, fit)
        step = Noised(**{**vars(step), "draws": draws})
        student.fit(step, DROPOUT, alive)
        if fit + 1 in LOOKS:
            for line in asked(prior, student, latent, camera, text):
                kind, fronts = which[line.pop("member")]
                yield {"fits": fit + 1, "kind": kind, "fronts": fronts, **line}


def main() -> None:
    """A file for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--out", type=Path, default=HERE / "learns")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    a.out.mkdir(exist_ok=True)
    prior = stable_diffusion(torch.device(a.device), folder=PRIOR)
    for name in a.only:
        path, start = a.out / f"{name}.csv", time.time()
        if not path.exists():
            found = pd.DataFrame(fitted(prior, SETTINGS[name]))
            found.to_csv(path, index=False, float_format="%.5g")
            print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
