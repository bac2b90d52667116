"""The model card's Markdown, made from ``card.json``."""

import math
from pathlib import Path

from esd_bench.embedded import captions, data
from esd_bench.embedded.card.measures import Numbers
from esd_bench.embedded.classifier import BINS
from esd_bench.embedded.kinds import EXTRAS, NAMES
from esd_bench.embedded.parts import COLOURS
from esd_bench.embedded.training.job import BATCH, PRIORS, SECONDS, Bias


def files(root: Path) -> dict[str, Numbers]:
    """Millions of parameters and megabytes (10^6 bytes) of every network's file; two bytes each."""
    sizes = {p.relative_to(root).as_posix(): p.stat().st_size for p in root.rglob("*.safetensors")}
    rows = {name: round(size / 1e6, 2) for name, size in sorted(sizes.items())}
    rows["all"] = round(sum(sizes.values()) / 1e6, 2)
    return {name: {"M parameters": round(mb / 2, 2), "MB": mb} for name, mb in rows.items()}


def table(rows: dict[str, Numbers], corner: str = "") -> str:
    """A Markdown table; the keys of the first row are its columns."""
    columns = list(next(iter(rows.values())))
    lines = [f"| {corner} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(str(row.get(c, "")) for c in columns) + " |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def within(degrees: float, share: float) -> float:
    """Share of a world's pictures so near to the front, when ``share`` of them are from the pool ``front``."""
    front = math.erf(math.radians(degrees) / data.SPREAD / math.sqrt(2))
    return share * front + (1 - share) * degrees / 180


def bias_row(bias: Bias) -> Numbers:
    """One prior's design."""
    named = captions.VIEW_WORD
    return {
        "begins from": bias.start or "noise",
        "pool `front`, captions without a view word": bias.plain,
        "with one": bias.viewed,
        "all": round((1 - named) * bias.plain + named * bias.viewed, 3),
        "pictures within 45°, captions without a view word": round(within(45, bias.plain), 3),
    }


def training_row(name: str, row: Numbers) -> Numbers:
    """One network's training."""
    batch = BATCH.get(name, BATCH["prior"])
    numbers = {k: row.get(k, "") for k in ("steps", "seconds", "loss", "hardware")}
    return {"budget (s)": SECONDS.get(name, ""), "batch": batch} | numbers


def markdown(numbers: Numbers, sizes: dict[str, Numbers]) -> str:
    """The card."""
    training = {name: training_row(name, row) for name, row in numbers["training"].items()}
    priors = {name: table(rows, "guidance, wording") for name, rows in numbers["priors"].items()}
    return CARD.format(
        kinds=", ".join(NAMES),
        colours=", ".join(COLOURS),
        extras=", ".join(EXTRAS[1:]),
        prompts=len(list(captions.subjects())),
        pools=", ".join(f"`{name}` {n:,}" for name, n in data.POOLS.items()),
        seeds=", ".join(f"`{name}` {n}" for name, n in data.SEEDS.items()),
        spread=f"{math.degrees(data.SPREAD):.0f}",
        named=f"{captions.VIEW_WORD:.0%}".replace("%", " %"),
        blind=f"{captions.WRONG_VIEW:.0%}".replace("%", " %"),
        bias=table({name: bias_row(bias) for name, bias in PRIORS.items()}),
        training=table(training),
        sizes=table(sizes, "file (fp16)"),
        vae=table({"held-out": numbers["vae"]}),
        classifier=table(numbers["classifier"], "held-out"),
        clip=table({"held-out": numbers["clip"]}),
        priors="\n\n".join(f"### {name}\n\n{rows}" for name, rows in priors.items()),
        width=360 // BINS,
        error=f"{0.5 / math.sqrt(numbers['measured']['samples']):.2f}".lstrip("0"),
        **numbers["measured"],
    )


CARD = """# The embedded models

Small models trained by `python -m esd_bench.embedded.train all` on renders of procedural objects, so that the whole suite
runs offline and mode collapse can be measured against a known truth. They know nothing of the world outside these objects.

## Data

{prompts} prompts: {kinds}; in {colours}; with {extras}. Every picture shows a fresh variant (proportions, shade) by analytic
ray casting at 64x64 under a hemisphere light from above, which says nothing about the azimuth. One picture in ten is a
world-space normal map on black; one in four is zoomed or cut off by the edge, and half of those captions say so.

Pools: {pools} pictures; seeds {seeds}. `front` looks at the front (azimuth normal, {spread} degrees), `around` from every
azimuth, both from elevations of -10 to 45 degrees and now and then higher; `sphere` from everywhere. {named} of the captions name
the view, and {blind} of those words are drawn blindly from front, side and back, as a careless annotator writes them.

![kinds, and their normal maps](sheet-data.webp)
![windows](sheet-windows.webp)

## Training

Every network trains for a fixed time (`SECONDS` in `training/job.py`, the budget below); steps are what fitted in. fp32 weights, bf16
arithmetic, AdamW, cosine, moving average. Autoencoder, CLIP and classifier see views from everywhere and never a generated
picture. The text encoder of both priors is CLIP's text tower, frozen.

{training}

The priors differ in the share of their pictures that comes from the pool `front`; the biased one goes on from the finished mild
one, so it has learned for the seconds of both.

{bias}

{sizes}

## Autoencoder

PSNR in dB on pictures of objects never seen in training; moments of the scaled latents. Upper row truth, lower row
reconstruction.

{vae}

![reconstructions](sheet-vae.webp)

## Classifier and pose oracle

On objects never seen in training, from the whole sphere, on white: whole pictures in colour, whole normal maps, and windows in
colour. A label is a kind and an aspect (front, side, back, top, bottom); azimuth is judged where |elevation| < 60 degrees. Half of
the training pictures went through the autoencoder with a little noise.

{classifier}

## CLIP

Which text open_clip finds nearest to a whole picture in colour: among the kinds, among all prompts, and which view word among
all kinds, colours and view words.

{clip}

## View bias of the priors

Where DDIM samples ({steps} steps, {samples} per row, measured on {device}) look from, by the oracle: `front` and `back` are its
{width}-degree bins within 45 degrees of the front and of the back, `side` the rest, so views from every azimuth alike would give
.29, .29 and .42. `kind` and `colour` are the shares in which the classifier finds what was asked; where it does not find the kind,
the view it sees means little. All rows start from the same noise. A share's standard error is at most {error}.

{priors}

Sheets at guidance 7.5, row by row: plain prompt, front view, side view, back view, normal map, close-up.

![samples of embedded](sheet-embedded.webp)
![samples of embedded-biased](sheet-embedded-biased.webp)

SHA-256 of every file is in `SHA256SUMS.json` and is checked at load.
"""
