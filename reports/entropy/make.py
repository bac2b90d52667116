"""What does the entropy of the views do about the Janus problem? Arms on the tuning prompts, each a handful of runs.

    python reports/entropy/make.py --even FOLDER --device cuda [--shard I/N] [--seconds 540]     runs, scores and films of what is missing
    python reports/entropy/table.py figure                                                        entropy.png, of what is stored
    make tables                                                                                   the tables of README.md

FOLDER is a prior trained on all sides alike:

    mkdir -p EVEN && cp -r esd_bench/embedded/weights EVEN/ && rm -r EVEN/weights/embedded/unet EVEN/weights/embedded-biased
    esd-bench embedded train data=front,around prior=embedded --front 0 --out EVEN                FOLDER is EVEN/weights/embedded

Every arm's numbers are stored as it ends, in ``scores/`` and ``along/``, and an arm that is stored is not made again. Beside
its scores a JSON says what made them; arms from before there was one have none.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
from reports import shards  # noqa: E402

PROMPTS, STEPS, FILM = 12, 1200, 60
GUIDANCE = (1.0, 3.0, 7.5)
SAMPLES = 48
"""Pictures of each prompt that tell how often a prior shows each side."""
BATCH = 12
STUDENTS: dict[str, dict[str, Any]] = {
    "rank64": {"rank": 64},
    "fits4": {"fits": 4},
    "rate.003": {"learning_rate": 3e-3},
}
"""Notes -> options of the LoRA, where the preset has rank 16, one fit a step and a rate of .001."""


@dataclass(frozen=True)
class Arm:
    """One setting: a prior, a student, lambda, and what else differs from the preset ``embedded-gpu``."""

    prior: str
    student: str
    entropy: float
    scale: float = 7.5
    note: str = ""
    student_options: dict[str, Any] = field(default_factory=dict)
    schedule: tuple[str, dict[str, Any]] | None = None
    background: str = "shared"
    words: bool = False
    views: int | None = None

    @property
    def name(self) -> str:
        """Of its files."""
        more = f"-{self.note}" if self.note else ""
        return f"{self.prior}-{self.student}-lambda{self.entropy:g}-cfg{self.scale:g}{more}"


def arms() -> Iterator[Arm]:
    """In the order in which they are made."""
    high = ("annealed", {"low": 0.5, "end": 0.7, "length": 0.8})
    yield from grid(("exact", "lora"), (0, 1, 4, 16))
    yield from grid(("kernel",), (4, 16))
    yield from grid(("exact",), (0, 4), schedule=high, note="high")
    for note, options in STUDENTS.items():
        yield from grid(("lora",), (0, 16), ("biased",), student_options=options, note=note)
    yield from grid(("lora",), (0, 16), ("biased",), views=8, note="views8")
    yield from grid(("lora",), (0, 16), ("biased",), scale=3.0)
    yield from grid(("exact", "lora"), (64,))
    yield from grid(("exact",), (0, 4, 16), scale=1.0)
    yield Arm("biased", "exact", 4, background="random", note="backgrounds")
    yield from grid(("kernel",), (0.25, 1), ("biased",))
    yield from grid(("lora",), (0, 16), ("mild",))


def grid(
    students: tuple[str, ...],
    entropies: tuple[float, ...],
    priors: tuple[str, ...] = ("biased", "even"),
    **more: Any,
) -> Iterator[Arm]:
    """Every lambda with every student on every prior."""
    for entropy, student, prior in product(entropies, students, priors):
        yield Arm(prior, student, entropy, **more)


def template(arm: Arm, even: Path) -> Any:
    """The runs' spec, but for the prompt."""
    from esd_bench.presets import Settings, preset

    priors = {"biased": "embedded-biased", "mild": "embedded", "even": str(even)}
    schedule, options = arm.schedule or (None, None)
    settings = Settings(
        "esd",
        {"entropy": arm.entropy, "scale": arm.scale},
        prior=priors[arm.prior],
        schedule=schedule,
        schedule_options=options,
        student=arm.student,
        student_options=arm.student_options or None,
        steps=(STEPS,),
        background=arm.background,
        views=arm.views,
        view_words=arm.words,
    )
    return preset("embedded-gpu", settings)


def make(arm: Arm, a: argparse.Namespace) -> None:
    """Runs, scores and films of an arm."""
    from dataclasses import replace

    from esd_bench.engines.native import FILMED
    from esd_bench.gather import gather
    from esd_bench.generate import generate
    from esd_bench.illustrate.faces import along
    from esd_bench.prompts import load_suite
    from esd_bench.score import Settings, score
    from esd_bench.spec import expand
    from esd_bench.store import RunStore, write_json

    suite = load_suite("embedded")
    spec = replace(template(arm, a.even), suite=suite.name)
    specs = expand([spec], suite.prompts[: a.prompts], [0])
    if a.steps != STEPS:
        stage = replace(spec.stages[-1], steps=a.steps)
        specs = [replace(x, stages=(*x.stages[:-1], stage)) for x in specs]
    store = RunStore(a.runs / arm.name)
    film = {"film": max(1, a.steps * FILM // STEPS)}
    options = {**film, "compile": a.compile}
    for _ in generate(specs, store, device=a.device, pack=a.prompts, engine_options=options):
        pass
    score(store.root, ["janus", "inception"], Settings(device=a.device, references=0, band=None))
    how = {"arm": asdict(arm), "steps": a.steps, "film": FILMED}
    told = how | {"compiled": a.compile} | made_by(store.find())
    told["commits"] = [x or a.commit for x in told["commits"]]
    write_json(a.out / "scores" / f"{arm.name}.json", told)
    # The scores come last: an arm that has them is not made again.
    for kind, frame in (("along", along(store.root, a.device)), ("scores", gather(store.root))):
        (a.out / kind).mkdir(parents=True, exist_ok=True)
        if kind == "scores":
            kept = frame[["prompt", "seed", "status", "score", "value"]]
            kept.to_csv(a.out / kind / f"{arm.name}.csv", index=False)
        else:
            means = frame.drop(columns=["prompt", "label", "seed"]).groupby("step").mean()
            means.to_csv(a.out / kind / f"{arm.name}.csv", float_format="%.5g")


def made_by(runs: Iterable[Any]) -> dict[str, Any]:
    """What made an arm's runs: how many, how many failed and why, by which code, and the digests of the priors' files."""
    records = [run.record for run in runs]
    return {
        "runs": len(records),
        "failed": Counter(x.reason for x in records if x.status != "finished"),
        "commits": sorted({x.commit for x in records}),
        "devices": sorted({x.device for x in records}),
        "versions": [dict(x) for x in sorted({tuple(x.versions.items()) for x in records})],
        "priors": {x.prior: dict(x.files) for x in records},
    }


def sides(a: argparse.Namespace) -> None:
    """How often each prior shows each azimuth, by the oracle's 24 bins, at several guidances."""
    import torch

    from esd_bench.features import Features, defaults
    from esd_bench.prompts import load_suite

    lines = []
    texts = [prompt.text for prompt in load_suite("embedded").prompts]
    for prior in ("biased", "mild", "even"):
        spec = template(Arm(prior, "exact", 0), a.even)
        sampler = spec.prior.make("priors", torch.device(a.device))
        judge = Features(a.runs / ".features", a.device).network(defaults(spec.prior)["oracle"])
        for scale in GUIDANCE:
            counts = torch.zeros(24)
            for start in range(0, a.samples, BATCH):
                seeds = range(start, min(start + BATCH, a.samples))
                pairs = list(product(texts, seeds))
                rgb = sampler.sample([x for x, _ in pairs], [x for _, x in pairs], scale, 25)
                pose = judge.images(rgb.float().cpu().clamp(0, 1))["azimuth"].argmax(1)
                counts += torch.bincount(pose.cpu(), minlength=24)
            lines.append(
                {
                    "prior": prior,
                    "guidance": scale,
                    **{f"bin{i}": int(n) for i, n in enumerate(counts)},
                }
            )
    a.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(lines).to_csv(a.out / "sides.csv", index=False)


def main() -> None:
    """Make what is missing."""
    parser = shards.parser(__doc__, "runs/entropy", HERE)
    parser.add_argument("--even", type=Path, required=True, help="the prior of all sides alike")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    a = parser.parse_args()
    if a.shard.startswith("0/") and not (a.out / "sides.csv").exists():
        sides(a)
    known = {arm.name: arm for arm in arms()}
    for name in shards.missing(list(known), lambda x: (a.out / "scores" / f"{x}.csv").exists(), a):
        make(known[name], a)


if __name__ == "__main__":
    main()
