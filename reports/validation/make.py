"""Which scores see a Janus: fixtures with a known number of fronts.

python reports/validation/make.py [--device cuda] [--jobs 6]      everything; running it again resumes
python reports/validation/make.py --stored                        tables and figure from the stored scores, no torch
python reports/validation/make.py --sizes 64 --backgrounds white --metrics janus,view_words --out FOLDER    a part, on a CPU
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
PRIOR, REFERENCES = "embedded-biased", 48
"""Whose pictures FID and KID compare with, and how many."""
GOLDEN = 2.399963
"""Radians from one kind's front to the next one's, so that no azimuth is special."""
SHOWN = (
    "front_elsewhere",
    "self_similarity",
    "self_similarity_clip",
    "clip_distance",
    "fid",
    "janus_rate",
    "ig",
)


def fixtures(suite: str, only: Sequence[str] | None) -> Iterator[dict]:
    """Arguments of the fixtures; all that a kind has share colour, turn and proportions."""
    from esd_bench.embedded import fixtures as made
    from esd_bench.embedded.parts import COLOURS

    kinds = (*made.FIGURES, *made.FLAT) if suite == "figures" else tuple(made.SYMMETRIC)
    for index, kind in enumerate(kinds):
        if only is not None and kind not in only:
            continue
        colour = list(COLOURS)[index % len(COLOURS)]
        same = {"kind": kind, "colour": colour, "turn": round(GOLDEN * index % 6.283, 4)}
        if suite == "symmetric":
            yield same
        else:
            yield from ({**same, "fronts": k} for k in made.counts(kind))


def protocols(metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The views that the metrics read: without those of the sphere a CPU is done four times sooner."""
    from esd_bench import plugins

    kinds = {plugins.load("metrics", x)().views for x in metrics or plugins.names("metrics")}
    return tuple(x for x in ("sphere:120", "ring:15:36") if x.partition(":")[0] in kinds)


def build(a: argparse.Namespace, folder: Path, suite: str, size: int) -> int:
    """Fixtures as finished runs, which are scored as any other; those that are there are kept. Returns how many."""
    import torch

    from esd_bench.embedded.fixtures import faced, symmetric
    from esd_bench.prompts import Prompt
    from esd_bench.spec import Choice, RunSpec, Stage
    from esd_bench.store import RunRecord, RunStore

    store, none = RunStore(folder), Choice("none")
    wanted = list(fixtures(suite, a.kinds))
    for done, how in enumerate(wanted):
        made = (faced if suite == "figures" else symmetric)(**how, device=a.device)
        truth = {**how, "fronts": made.fronts, "fold": made.fold}
        stage = Stage(Choice("fixture", tuple(sorted(truth.items()))), none, none, steps=0)
        source = Choice.of("priors", "stable-diffusion", {"folder": PRIOR})
        spec = RunSpec(
            suite,
            Prompt(made.text),
            source,
            none,
            (stage,),
            0,
            views=protocols(a.metrics),
            view_size=size,
        )
        if not store.missing([spec]):
            continue
        told(f"{suite} {size} px: {done + 1} of {len(wanted)}, {made.text}, {made.fronts} fronts")
        with store.begin([spec]):
            digests = {}
            for protocol in spec.views:
                views = made.views(protocol, size)
                views.save(store.working(spec) / "views" / protocol.replace(":", "-"))
                digests[protocol] = views.digest
            record = RunRecord("finished", label=f"fronts: {made.fronts}", views=digests)
            store.finish(spec, record, {"none": torch.zeros(1)})
    return len(wanted)


def scored(folder: Path, metrics: Sequence[str] | None, device: str, **how) -> None:
    """Scores of all runs in a folder, problems told."""
    from esd_bench.score import Settings, score

    settings = Settings(device=device, **how)
    found = score(
        folder, metrics, settings, lambda done, total, what: told(f"{done}/{total} {what}")
    )
    for problem, count in (found.problems + found.skipped).items():
        print(f"not scored ({count}): {problem}", file=sys.stderr)


def told(line: str) -> None:
    """A line on the screen that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def frame_of(folder: Path, background: str) -> pd.DataFrame:
    """Scores of fixtures, with their truth as scores; kinds are the prompts, size and background the wording."""
    from esd_bench.gather import gather
    from esd_bench.store import RunStore

    frame, rows = gather(folder), []
    specs = {str(run.folder): run.spec for run in RunStore(folder).find()}
    for run, one in frame.groupby("run", sort=False):
        spec = specs[str(run)]
        truth = dict(spec.method.options)
        same = {
            "prompt": truth["kind"],
            "label": f"fronts: {truth['fronts']}",
            "wording": f"{spec.view_size} px, {background}",
            "run": f"{run}@{background}",
        }
        facts = [{**one.iloc[0], "score": x, "value": float(truth[x]), "unit": "", "better": "", "n": 0, "network": "",
                  "key": "", "note": ""} for x in ("fronts", "fold")]  # fmt: skip
        rows.append(pd.concat([one, pd.DataFrame(facts)]).assign(**same))
    return pd.concat(rows)


def measure(a: argparse.Namespace) -> int:
    """Renders, scores and stores the fixtures; with several jobs a process for each suite and size. Returns how many tables of scores there are."""
    from concurrent.futures import ProcessPoolExecutor
    from itertools import product
    from multiprocessing import get_context

    from esd_bench.gather import write_scores

    parts = list(product(("figures", "symmetric"), a.sizes))
    each = ([a] * len(parts), *zip(*parts, strict=True))
    if a.jobs == 1:
        made = [*map(part, *each)]
    else:
        with ProcessPoolExecutor(a.jobs, get_context("spawn")) as pool:
            made = [*pool.map(part, *each)]
    frames = [x for own in made for x in own]
    if frames:
        write_scores(pd.concat(frames), a.out / "fixtures.csv.gz")
    return len(frames)


def part(a: argparse.Namespace, suite: str, size: int) -> list[pd.DataFrame]:
    """One suite at one size: at the first one on each background, at the others on the first."""
    from esd_bench import plugins

    folder, frames = a.work / f"{suite}-{size}", []
    if build(a, folder, suite, size):
        for background in a.backgrounds if size == a.sizes[0] else a.backgrounds[:1]:
            references = REFERENCES if suite == "figures" else 0
            # The two suites have other prompts to tell a fixture from, so their R-precision is no one number.
            metrics = a.metrics or [x for x in plugins.names("metrics") if x != "r_precision"]
            scored(folder, metrics, a.device, background=background, references=references)
            frames.append(frame_of(folder, background))
    return frames


def report(folder: Path) -> None:
    """Tables in three formats and the figure, of the stored scores."""
    from esd_bench.formats import render
    from esd_bench.gather import gather
    from esd_bench.validation import assets, body

    frame = gather(folder / "fixtures.csv.gz")
    made = body(frame)
    for format, ending in (("csv", "csv"), ("latex", "tex"), ("markdown", "md")):
        text = render(format, made)
        (folder / f"fixtures.{ending}").write_text(text.rstrip("\n") + "\n")
    curves(assets(frame), folder / "roc.png")


def curves(wide: pd.DataFrame, path: Path) -> None:
    """ROC curves of the scores that are shown."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from esd_bench.agreement import auc, roc

    figure, panel = pyplot.subplots(figsize=(5, 5))
    known = wide[wide["truth"].notna()]
    truth = known["truth"].to_numpy() == 1
    for score in (x for x in SHOWN if x in known):
        values = known[score].to_numpy(float)
        area = auc(values, truth, known["prompt"]).value
        if area is not None:
            panel.plot(*roc(values, truth), label=f"{score} {area:.2f}", linewidth=1.5)
    panel.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    title = f"{truth.sum()} figures with several fronts, {(~truth).sum()} with one"
    panel.set(title=title, aspect="equal")
    panel.set(xlabel="false positive rate", ylabel="true positive rate")
    panel.legend(title="score, AUC", fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def words(text: str) -> list[str]:
    """A list as the command line gives it: a,b,c."""
    return text.split(",")


def sizes(text: str) -> list[int]:
    """A list of sizes: 64,32."""
    return [int(x) for x in text.split(",")]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    how = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    add = made.add_argument
    add("--stored", action="store_true", help="tables and figure only")
    add("--work", type=Path, default="runs/validation", help="where the fixtures' pictures go")
    add("--out", type=Path, default=HERE, help="where scores, tables and figure go")
    add("--device", default="cpu")
    add("--jobs", type=int, default=1, help="processes side by side")
    add("--sizes", type=sizes, default="64,32,128", help="of pictures, in pixels")
    add("--backgrounds", type=words, default="white,grey,black", help="at the first size")
    add("--kinds", type=words, help="of the fixtures; default: all")
    add("--metrics", type=words, help="default: all")
    return made


PARTS = ("sizes", "backgrounds", "kinds", "metrics")
"""Options with which less than everything is made."""


def main() -> None:
    """Measure, unless it is stored, then report."""
    line = parser()
    a, whole = line.parse_args(), line.parse_args([])
    if a.out == HERE and any(getattr(a, x) != getattr(whole, x) for x in PARTS):
        line.error("a part is not the result: say where its numbers go with --out")
    if not a.stored:
        a.out.mkdir(parents=True, exist_ok=True)
        if not measure(a):
            line.error(f"no fixture is of the kinds {', '.join(a.kinds)}")
    if not (a.out / "fixtures.csv.gz").is_file():
        line.error(f"{a.out} has no fixtures.csv.gz: run this without --stored first")
    report(a.out)


if __name__ == "__main__":
    main()
