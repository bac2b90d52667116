"""How much entropy the exact student sees in latents of two sizes: ``python reports/entropy/sizes.py`` (CPU, minutes).

Objects of the embedded world, with one front and with four, from 16 views of the band that training sees, on white; at 64 and
256 pixels the shipped autoencoder makes latents of 4 x 16 x 16 and 4 x 64 x 64 of them. The student ``exact`` then says how
many of the views a noised one may have been made of (exp of its entropy), and its answers differ by the entropy term at
lambda 1, whose root mean square is given in that of the noise. Beside both stand the mean squared distance between two views'
latents, and how well the autoencoder gives the first pictures back (PSNR), for it was trained on 64 pixels only. The U-Net, which knows the small size only, is not asked, so
that there is no residual to compare with.
"""

from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import pdist

from esd_bench.draws import Draws
from esd_bench.embedded.fixtures import FIGURES, faced
from esd_bench.methods import ANYWHERE, CAMERA
from esd_bench.priors.stable_diffusion import stable_diffusion
from esd_bench.students import Noised
from esd_bench.students.exact import exact

KINDS, FRONTS, SIZES = FIGURES[:6], (1, 4), (64, 256)
VIEWS, BAND = 16, "band:-10:45:16"
LEVELS = (100, 200, 300, 400, 500, 600, 700, 800, 900, 980)
DRAWS = 4
"""Noises of each view."""
JUDGED = 4
"""Pictures that are decoded again."""


def step(prior, latent, level: int, draw: int) -> Noised:
    """All views of an object at one noise level, as a pack of one."""
    t = torch.full((1, len(latent)), level)
    alpha, sigma = prior.alpha[level], prior.sigma[level]
    draws = Draws(torch.tensor([draw]), torch.tensor(level))
    noise = draws.normal("noise", *latent.shape)
    return Noised(
        latent=latent[None],
        noised=alpha * latent + sigma * noise,
        noise=noise,
        t=t,
        camera=torch.zeros(1, len(latent), 16),
        texts=torch.zeros(1, 1, 1, 1),
        mixes=torch.zeros(1, len(latent), 2, 1),
        draws=draws,
        others=lambda _: latent[None, :0],
    )


def measure(prior, latent, level: int) -> dict[str, float]:
    """Confusable views, and the entropy term at lambda 1 beside the noise."""
    learner, entropies, terms = exact(prior, torch.zeros(1, dtype=torch.long), views=VIEWS), [], []
    for draw in range(DRAWS):
        noised = step(prior, latent, level, draw)
        camera, anywhere = learner.predict(noised, (CAMERA, ANYWHERE)).unbind(2)
        entropies.append(float(learner.entropy))
        terms.append(float((camera - anywhere).square().mean() / noised.noise.square().mean()))
    entropy, term = (torch.tensor(x).mean() for x in (entropies, terms))
    return {"confusable": float(entropy.exp()), "term": float(term.sqrt())}


@torch.no_grad()
def main() -> None:
    """A line for each object, size and noise level."""
    torch.set_num_threads(1)
    prior, lines = stable_diffusion(torch.device("cpu")), []
    for size, kind, fronts in product(SIZES, KINDS, FRONTS):
        # Else it would make pictures as small as those that the U-Net knows.
        prior.resolution = size
        pictures = faced(kind, fronts).views(BAND, size).over("white")
        latent = prior.encode(pictures)
        again = (prior.decode(latent[:JUDGED]) - pictures[:JUDGED]).square().mean()
        known = {
            "kind": kind,
            "fronts": fronts,
            "pixels": size,
            "side": latent.shape[-1],
            "psnr": -10 * float(again.log10()),
            "apart": float(pdist(latent.flatten(1)).square().mean()),
        }
        lines += [{**known, "t": t, **measure(prior, latent, t)} for t in LEVELS]
        print(*known.values(), flush=True)
    path = Path(__file__).with_name("sizes.csv")
    pd.DataFrame(lines).to_csv(path, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
