"""The study of docs/protocol.md: every arm on 48 held-out prompts and three seeds, scored as it is made.

    python reports/embedded/study.py --device cuda [--shard I/N] [--seconds 540]     what is missing; one or two processes a GPU
    python reports/embedded/study.py --list                                          the units in their order
    python reports/embedded/study.py --steps 30 --prompts 2 --out /tmp/try           a trial, not to be stored here
    python reports/embedded/study.py --describe      arms.json: what the paper is to find, so that it needs no torch

Needs the extra ``study``.

A unit is an arm at one seed, a pack of 48 scenes. Its numbers are stored as it ends, in ``units/``: the scores of all passes as CSV, of every view
the pose, the probability of a front and the likeliest labels as Parquet, and what they were made by as JSON. A unit that is stored is not made again.
Matrix products are made in TF32, as torch makes convolutions unasked.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from traceback import print_exc
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
from reports import shards  # noqa: E402
from reports.embedded import wide  # noqa: E402

SUITE, PRIOR, SEEDS, STEPS = "study", "embedded-biased", (0, 1, 2), 1200
LONGER = 2635
"""Steps of SDS that take the GPU as long as ESD's 1200 (``benchmarks/results/pack48_*.json``)."""
LABELS = 2
"""Labels of a view that are kept."""
SHOWN, AZIMUTHS = 16, (0, 90, 180, 270)
"""Prompts on an arm's contact sheet, and from where each is seen."""
SCORED: dict[str, tuple[tuple[str, ...] | None, dict[str, Any]]] = {
    "main": (None, {}),
    "ring": (("inception", "clip_distance", "fid", "kid"), {"views": ("sphere=ring:15:36",)}),
    "sphere12": (("inception", "clip_distance", "fid", "kid"), {"views": ("sphere:12",)}),
    "sphere36": (("inception", "clip_distance", "fid", "kid"), {"views": ("sphere:36",)}),
    "sphere60": (("inception", "clip_distance", "fid", "kid"), {"views": ("sphere:60",)}),
    "imagenet": (("inception",), {"classifier": "imagenet"}),
}
"""Pass -> metrics (None is all) and settings: how the numbers depend on n, on the views and on the classifier."""


@dataclass(frozen=True)
class Arm:
    """A method with its options, and what else differs from the preset."""

    method: str
    options: dict[str, Any] = field(default_factory=dict)
    words: bool = True
    student: str | None = None
    schedule: str | None = None
    steps: int = STEPS

    @property
    def name(self) -> str:
        """Of its files."""
        parts = [self.method, *(f"{k}{v:g}" for k, v in self.options.items())]
        parts += [x for x in (self.student, self.schedule) if x]
        parts += [f"steps{self.steps}"] * (self.steps != STEPS) + ["plain"] * (not self.words)
        return "-".join(parts)


def title(arm: Arm, label: str) -> str:
    """What tables call an arm: its method's label, and what else it differs by."""
    own, comma, wording = label.partition(", no view words")
    bound = (
        [f" ({arm.options['low']:g} to {arm.options['high']:g})"] if "low" in arm.options else []
    )
    more = [
        *bound,
        *[", exact"] * (arm.student == "exact") + [" + DreamTime"] * (arm.schedule == "dreamtime"),
    ]
    more += [f", {arm.steps} steps"] * (arm.steps != STEPS)
    return own + "".join(more) + comma + wording


def arms() -> Iterator[Arm]:
    """In the order of the protocol, from whose end arms are cut."""
    none, half, one = (Arm("esd", {"entropy": x}) for x in (0.0, 0.5, 1.0))
    vsd, sds, perp = Arm("vsd"), Arm("sds"), Arm("perp_neg")
    debiased = [
        Arm("debiased_sds", {"low": low, "high": high, "until": until})
        for low, high, until in ((0.5, 2.0, 1.0), (2.0, 8.0, 0.4))
    ]
    more = [Arm("esd", {"entropy": x}) for x in (0.25, 0.75, 2.0)]
    falling = [replace(x, schedule="dreamtime") for x in (vsd, half)]
    exact = [replace(x, student="exact") for x in (none, half, one)]
    large = [Arm("esd", {"entropy": x}) for x in (4.0, 16.0)]
    yield from _both(none, half, one)
    yield from _both(vsd, sds)
    yield from (perp, *debiased, *exact, *large, *falling, *more, Arm("sds", steps=LONGER))
    yield from (replace(x, words=False) for x in (*exact, *debiased, *large, *falling, *more))


def _both(*some: Arm) -> Iterator[Arm]:
    """With view words, and without."""
    yield from some
    yield from (replace(x, words=False) for x in some)


def units() -> dict[str, tuple[Arm, int]]:
    """Name -> arm and seed; all seeds of an arm come before the next arm."""
    return {f"{arm.name}-s{seed}": (arm, seed) for arm in arms() for seed in SEEDS}


def template(arm: Arm, steps: int | None = None) -> Any:
    """The runs' spec, but for prompt and seed; ``steps`` are a trial's."""
    from esd_bench.presets import Settings, preset

    settings = Settings(
        arm.method,
        arm.options,
        prior=PRIOR,
        schedule=arm.schedule,
        student=arm.student,
        steps=(steps or arm.steps,),
        view_words=arm.words,
    )
    return replace(preset("embedded-gpu", settings), suite=SUITE)


def prompts(a: argparse.Namespace) -> Any:
    """Those of the suite, or a trial's first ones."""
    from esd_bench.prompts import load_suite

    return load_suite(SUITE).prompts[: a.prompts]


def recipe(arm: Arm, a: argparse.Namespace) -> dict[str, Any]:
    """What a stored unit must have been made by: the digest of :func:`template`, and the prompts' texts."""
    return {"spec": template(arm, a.steps).digest, "prompts": [x.text for x in prompts(a)]}


def described() -> dict[str, Any]:
    """Prompts, seeds, and of every arm what it is, what tables call it and the digest of its spec."""
    from esd_bench.prompts import load_suite

    specs = [(arm, template(arm)) for arm in arms()]
    told = {
        arm.name: {**asdict(arm), "label": title(arm, spec.label), "spec": spec.digest}
        for arm, spec in specs
    }
    prompts = {x.id: x.text for x in load_suite(SUITE).prompts}
    return {"prompts": prompts, "seeds": SEEDS, "arms": told}


def stored(name: str, a: argparse.Namespace) -> bool:
    """Whether a unit is there.

    Raises:
        SystemExit: when it was made of other settings.
    """
    path = _path(a, name, "json")
    if not path.exists():
        return False
    found, wanted = json.loads(path.read_text()), recipe(units()[name][0], a)
    for what in ("spec", "prompts"):
        if found[what] != wanted[what]:
            raise SystemExit(
                f"{path} was made of another {what}; move it away, or give another --out"
            )
    return True


@contextmanager
def tf32() -> Iterator[None]:
    """Matrix products of float32 in TF32, in here; scores are made without."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def make(name: str, arm: Arm, seed: int, a: argparse.Namespace) -> float:
    """The runs of a unit; how many seconds it took."""
    from esd_bench.generate import generate
    from esd_bench.spec import expand
    from esd_bench.store import RunStore

    start = time.time()
    specs = expand([template(arm, a.steps)], prompts(a), [seed])
    # An interrupted unit is begun anew: checkpoints of 48 scenes take longer than that is worth.
    with tf32():
        made = generate(
            specs,
            RunStore(a.runs / name),
            device=a.device,
            pack=len(specs),
            checkpoint=10**9,
            engine_options={"compile": a.compile},
        )
        for _ in made:
            pass
    return time.time() - start


def measure(name: str, arm: Arm, seed: int, a: argparse.Namespace, made: float) -> float:
    """Score and look at the runs of a unit, and store it; how many seconds it took."""
    from esd_bench.store import RunStore

    store, start = RunStore(a.runs / name), time.time()
    runs = store.find()
    for run in runs:  # of a unit that was interrupted; networks are not asked again
        rmtree(run.folder / "scores", ignore_errors=True)
    frames: list[pd.DataFrame] = []
    known: set[tuple[str, str, str]] = set()
    for scoring in SCORED:
        frame = scored(scoring, store, a)
        rows = list(zip(frame["run"], frame["score"], frame["key"], strict=True))
        frame, known = frame[[row not in known for row in rows]], known | set(rows)
        places = [Path(x).relative_to(store.root).as_posix() for x in frame["run"]]
        names = [title(arm, x) for x in frame["label"]]
        frames.append(frame.assign(label=names, run=places, **{"pass": scoring}))
    told = wide.write(pd.concat(frames), _path(a, name, "csv.xz"))
    seen(store, a).to_parquet(
        _path(a, name, "views.parquet"), compression="zstd", compression_level=19
    )
    if seed == SEEDS[0]:
        sheet(store, runs, _path(a, name, "sheet.webp"))
    seconds = time.time() - start
    facts: dict[str, Any] = {
        "name": name,
        **recipe(arm, a),
        "matrix products": "TF32",
        "compiled": a.compile,
        "rays": "kernel" if a.device.startswith("cuda") and find_spec("triton") else "points",
        "seconds": {"generate": round(made, 1), "score": round(seconds, 1)},
        "record": {k: v for k, v in asdict(runs[0].record).items() if k in KEPT},
        "views": {run.spec.prompt.id: dict(run.record.views) for run in runs},
        **told,
    }
    facts["record"]["commit"] = facts["record"]["commit"] or a.commit
    lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in facts.items()]
    text = "{" + ",\n".join(lines) + "}\n"
    _path(a, name, "json").write_text(text, encoding="utf-8")  # the last: it is stored
    return seconds


KEPT = ("device", "width", "peak_memory", "versions", "commit", "prior", "files")


def sheet(store: Any, runs: list[Any], path: Path) -> None:
    """Front, sides and back of the first prompts' assets."""
    from esd_bench.sheets import contact_sheet

    shown = {run.spec.prompt.id: None for run in runs}
    contact_sheet(store.root, path, {"prompt": [*shown][:SHOWN]}, azimuths=AZIMUTHS)


def scored(name: str, store: Any, a: argparse.Namespace) -> pd.DataFrame:
    """The tidy scores of the runs after one pass; those of the passes before are among them."""
    from esd_bench.gather import gather
    from esd_bench.score import Settings, score
    from esd_bench.spec import Choice

    metrics, how = SCORED[name]
    judge = how.get("classifier")
    networks = {"classifier": Choice.of("embedders", judge)} if judge else {}
    settings = Settings(device=a.device, views=how.get("views", ()), embedders=networks)
    found = score(store.root, metrics, settings)
    if found.problems:
        raise RuntimeError(f"{store.root}, {name}: {dict(found.problems)}")
    return gather(store.root)


def seen(store: Any, a: argparse.Namespace) -> pd.DataFrame:
    """A row for each stored view: what the oracle and the classifier see."""
    from esd_bench.features import Features, defaults
    from esd_bench.measure import Seen
    from esd_bench.metrics.janus import front_probability
    from esd_bench.stored import views_of

    networks, frames = Features(store.root / ".features", a.device), []
    for run in store.find(status="finished"):
        judge = defaults(run.spec.prior)["oracle"]
        for protocol in run.spec.views:
            views = Seen.of(views_of(run, protocol), "white")
            found = networks.of(judge, views.pictures)
            likely = found["probs"].topk(LABELS)
            azimuth = found["azimuth"]
            front = front_probability(azimuth)
            columns = {
                "pose": azimuth.argmax(1).numpy().astype("int8"),
                "front": front.astype("float32").round(2),
                **{
                    f"label{k}": likely.indices[:, k].numpy().astype("int16") for k in range(LABELS)
                },
                **{f"p{k}": likely.values[:, k].numpy().round(2) for k in range(LABELS)},
            }
            facts = {"prompt": run.spec.prompt.id, "run": run.id, "protocol": protocol}
            numbers = np.arange(len(front), dtype=np.int16)
            frames.append(pd.DataFrame(columns).assign(**facts, view=numbers))
    return pd.concat(frames, ignore_index=True)


def _path(a: argparse.Namespace, name: str, ending: str) -> Path:
    folder: Path = a.out / "units"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.{ending}"


def main() -> None:
    """Make what is missing."""
    parser = shards.parser(__doc__, "runs/study", HERE)
    parser.add_argument("--list", action="store_true", help="the units, and which are stored")
    parser.add_argument("--describe", action="store_true", help="write arms.json for the paper")
    parser.add_argument("--prompts", type=int, help="only so many, to try it")
    parser.add_argument("--steps", type=int, help="only so many, to try it")
    a = parser.parse_args()
    if (a.prompts or a.steps) and a.out == HERE:
        parser.error("a trial is no result: say where its numbers go with --out")
    if a.describe:
        text = json.dumps(described(), indent=1, ensure_ascii=False)
        (a.out / "arms.json").write_text(text + "\n", encoding="utf-8")
        return
    known = units()
    if a.list:
        for name in known:
            print(name, "stored" if _path(a, name, "json").exists() else "")
        return
    ready(a.device)
    if lost := work(known, a):
        raise SystemExit(f"not made: {', '.join(lost)}")


def ready(device: str) -> None:
    """Find out before the first unit is made what its scoring lacks.

    Raises:
        SystemExit: in one line.
    """
    import torch

    from esd_bench.features import defaults
    from esd_bench.measure import versions
    from esd_bench.spec import Choice

    others = {how["classifier"] for _, how in SCORED.values() if "classifier" in how}
    networks = {*defaults(template(next(arms())).prior).values()}
    try:
        import pyarrow  # noqa: F401

        versions()
        for network in networks | {Choice.of("embedders", x) for x in others}:
            network.make("embedders", torch.device(device))
    except ImportError as error:
        raise SystemExit(f"scoring would fail: {error}; pip install -e '.[study]'") from None
    except (ValueError, OSError, RuntimeError, AssertionError) as error:
        raise SystemExit(f"scoring would fail: {str(error).splitlines()[0]}") from None


def work(known: dict[str, tuple[Arm, int]], a: argparse.Namespace) -> list[str]:
    """Make what is missing, while a process beside this one scores what was made before; names of what failed."""
    lost: list[str] = []
    behind: dict[str, Future[float]] = {}
    longest = [0.0]

    def catch_up(left: int) -> None:
        """Wait until no more than so many units are being scored."""
        while len(behind) > left:
            name = next(iter(behind))
            try:
                longest.append(behind.pop(name).result())
                print(f"{name}: stored", flush=True)
            except Exception:  # the units after it are not to be lost with it
                print_exc()
                lost.append(name)

    with ProcessPoolExecutor(1, get_context("spawn")) as beside:
        for name in shards.missing([*known], lambda x: stored(x, a), a, lambda: max(longest)):
            try:
                seconds = make(name, *known[name], a)
                catch_up(1)
                behind[name] = beside.submit(measure, name, *known[name], a, seconds)
            except Exception:
                print_exc()
                lost.append(name)
        catch_up(0)
    return lost


if __name__ == "__main__":
    main()
