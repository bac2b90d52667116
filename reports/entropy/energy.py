"""What a right object costs the prior, and what entropy pays for it: ``python reports/entropy/energy.py --even FOLDER``.

ESD goes down -E log p_t(x_t | text) - lambda I(view; x_t), in nats for a view: the prior's part, and what a noised view says
of which of the views it was made of (their entropy, but for constants). Along a cross-fade of the pictures from an object
with two fronts to the right one, both parts are measured at each noise level, without any run:

* ``cost.csv``: the work done against the prior's score, (alpha / sigma) E<eps(x_t) - noise, dz>, a line for each part of the
  way; of the text, the text with view words and no text, so that any guidance follows. CPU, an hour of two cores.
* ``gain.csv``: exp of the entropy of which view it was, by the student ``exact``, at points of the way; beside them the two
  fronts *unlike*: the views of the back half are those of another such object, drawn with another seed.

``--path blur`` goes from one to the other through blurred pictures instead: were the prior's part no potential, the work
would differ. Objects, cameras and noises are the same for every prior. Makes what is missing; FOLDER is that of ``make.py``.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur, to_pil_image

from esd_bench.cameras import COMPASS, compass, protocol
from esd_bench.draws import Draws
from esd_bench.embedded.fixtures import FIGURES, Fixture, faced
from esd_bench.methods import ANYWHERE
from esd_bench.priors.stable_diffusion import StableDiffusion, stable_diffusion
from esd_bench.prompts import Prompt
from esd_bench.students.exact import exact

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from sizes import step  # noqa: E402

RING, VIEWS = "ring:15:16", 16
LEVELS = tuple(range(50, 1000, 100))
PARTS, NOISES = 5, 2
"""Parts of a way; noises of each view at each part and level."""
MORE = 8
"""Noises of each view for the entropy, which needs no network."""
POINTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
BLURS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Pixels."""
SHOWN = "owl"
PRIORS = {"biased": "embedded-biased", "mild": "embedded"}


def pictures(fixture: Fixture) -> Tensor:
    """Its views on white, (16, 3, 64, 64)."""
    return fixture.views(RING).over("white")


def fade(two: Tensor, one: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Start, middle and end of each part of a cross-fade."""
    ends = [torch.lerp(two, one, k / PARTS) for k in range(PARTS + 1)]
    return [(a, (a + b) / 2, b) for a, b in pairwise(ends)]


def blur(two: Tensor, one: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The same of a way through ever more blurred pictures, a cross-fade of the most blurred, and back."""

    def soft(x: Tensor, pixels: float) -> Tensor:
        size = 2 * int(3 * pixels) + 1
        padded = torch.nn.functional.pad(x, [size] * 4, value=1.0)
        return gaussian_blur(padded, size, pixels)[..., size:-size, size:-size] if pixels else x

    way = [*(soft(two, x) for x in BLURS), *(soft(one, x) for x in reversed(BLURS))]
    return [(a, (a + b) / 2, b) for a, b in pairwise(way)]


WAYS: dict[str, Callable[[Tensor, Tensor], list[tuple[Tensor, Tensor, Tensor]]]] = {
    "fade": fade,
    "blur": blur,
}


def texts(prior: StableDiffusion, fixture: Fixture) -> Tensor:
    """(view, row, l, d): no text, the text, the text that names the view."""
    cameras = protocol(RING, 64)
    prompt = Prompt(fixture.text)
    named = prior.words([prompt.facing(x) for x in COMPASS])
    word = compass(cameras.azimuth, cameras.elevation)
    null, plain = prior.words(["", prompt.text])
    return torch.stack([null.expand(VIEWS, -1, -1), plain.expand(VIEWS, -1, -1), named[word]], 1)


def work(
    prior: StableDiffusion, text: Tensor, part: tuple[Tensor, Tensor, Tensor], level: int
) -> dict[str, float]:
    """Nats for a view of a part of the way at a noise level, by each text."""
    start, middle, end = (prior.encode(x) for x in part)
    moved = end - start
    # The views that stay as they are do no work.
    seen = (moved.flatten(1).abs().amax(1) > 1e-6).nonzero()[:, 0]
    alpha, sigma = prior.alpha[level], prior.sigma[level]
    noise = Draws(torch.arange(NOISES), torch.tensor(level)).normal("energy", *middle.shape)
    noised = (alpha * middle + sigma * noise)[:, seen, None].expand(-1, -1, 3, -1, -1, -1)
    t = torch.full((NOISES, len(seen)), level)
    eps = prior.eps(noised, t, text[None, seen].expand(NOISES, -1, -1, -1, -1), ("base",) * 3)
    pull = ((eps - noise[:, seen, None]) * moved[None, seen, None]).flatten(3).sum(-1)
    found = alpha / sigma * pull.mean(0).sum(0) / VIEWS
    return {"null": float(found[0]), "text": float(found[1]), "words": float(found[2])}


def confusable(prior: StableDiffusion, latent: Tensor, level: int) -> float:
    """Of how many of its 16 views a noised one may have been made: exp of the mean entropy."""
    learner, entropies = exact(prior, torch.zeros(1, dtype=torch.long), views=VIEWS), []
    for draw in range(MORE):
        learner.predict(step(prior, latent, level, draw), (ANYWHERE,))
        entropies.append(float(learner.entropy))
    return float(torch.tensor(entropies).mean().exp())


def variants(kind: str) -> dict[str, Tensor]:
    """Pictures of the objects that are compared."""
    two, one = (pictures(faced(kind, x)) for x in (2, 1))
    other = pictures(faced(kind, 2, seed=1))
    half = (protocol(RING, 64).azimuth.cos() < 0)[:, None, None, None]
    return {"two": two, "unlike": torch.where(half, other, two), "one": one}


def strip(kind: str, path: Path) -> None:
    """A row of eight views for each of the objects."""
    rows = [torch.cat([*seen[::2]], 2) for seen in variants(kind).values()]
    to_pil_image(torch.cat(rows, 1)).save(path, quality=90)


def gains(prior: StableDiffusion, kind: str) -> Iterator[dict[str, Any]]:
    """The entropy along the fade and of unlike fronts."""
    two, unlike, one = variants(kind).values()
    objects = {f"{s:g}": torch.lerp(two, one, s) for s in POINTS} | {"unlike": unlike}
    for name, seen in objects.items():
        latent = prior.encode(seen)
        for level in LEVELS:
            found = confusable(prior, latent, level)
            yield {"kind": kind, "object": name, "t": level, "confusable": found}


def costs(prior: StableDiffusion, kind: str, path: str) -> Iterator[dict[str, Any]]:
    """The work along a way."""
    fixtures = faced(kind, 2), faced(kind, 1)
    way = WAYS[path](*(pictures(x) for x in fixtures))
    text = texts(prior, fixtures[1])
    for level in LEVELS:
        for k, part in enumerate(way):
            yield {"kind": kind, "t": level, "part": k, **work(prior, text, part, level)}


@torch.no_grad()
def main() -> None:
    """What is missing of both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--even", type=Path, help="the prior of all sides alike, for prior even")
    parser.add_argument("--priors", nargs="+", choices=(*PRIORS, "even"), default=PRIORS)
    parser.add_argument("--path", choices=WAYS, default="fade")
    parser.add_argument("--kinds", nargs="+", default=FIGURES)
    parser.add_argument("--out", type=Path, default=HERE / "energy")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    if "even" in a.priors and a.even is None:
        parser.error("prior even needs --even FOLDER")
    for name in a.priors:
        prior = stable_diffusion(torch.device("cpu"), folder=PRIORS.get(name) or str(a.even))
        if name == "biased" and not (a.out / "gain.csv").exists():
            lines = [line for kind in a.kinds for line in gains(prior, kind)]
            store(lines, a.out / "gain.csv")
            strip(SHOWN, a.out / "fronts.webp")
        path = a.out / f"cost-{a.path}-{name}.csv"
        if not path.exists():
            lines = []
            for kind in a.kinds:
                lines += [{"prior": name, **line} for line in costs(prior, kind, a.path)]
                print(name, a.path, kind, flush=True)
            store(lines, path)


def store(lines: list[dict[str, Any]], path: Path) -> None:
    """A CSV of five digits."""
    pd.DataFrame(lines).to_csv(path, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
