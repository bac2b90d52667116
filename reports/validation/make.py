"""Which scores see a Janus: fixtures with a known number of fronts, and generated runs that the pose oracle has judged.

    python reports/validation/make.py --runs RUNS [--device cuda]     everything, on a GPU; running it again resumes
    python reports/validation/make.py --stored                        tables and figure from the stored scores, no torch
    python reports/validation/make.py --stored --scores NEW.csv.gz    the same, these scores of some of the runs put in first
    python reports/validation/make.py --sizes 64 --seeds 1 --backgrounds white --metrics janus,view_words   a part, on a CPU

RUNS is what ``reports/embedded/make.sh`` makes. Without it the benchmark's stored scores are used, which hold what it was scored by.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
DETECTORS = ("view_words", "front_peaks", "pose_peaks", "self_similarity")
EMBEDDED = HERE.parent / "embedded" / "scores.csv.gz"
GOLDEN = 2.399963
"""Radians from one fixture's front to the next one's, so that no azimuth is special."""
SHOWN = {
    "benchmark": ("front_elsewhere", "self_similarity", "self_similarity_clip", "clip_distance", "fid", "iq", "ig"),
    "fixtures": ("front_elsewhere", "self_similarity", "self_similarity_clip", "clip_distance", "fid", "janus_rate", "ig"),
}  # fmt: skip


def fixtures(suite: str, seeds: int, only: Sequence[str]) -> Iterator[tuple[int, dict]]:
    """Seeds and arguments of the fixtures; all that a kind has share colour, turn and proportions."""
    from esd_bench.embedded import fixtures as made
    from esd_bench.embedded.parts import COLOURS

    kinds = (*made.FIGURES, *made.FLAT) if suite == "figures" else tuple(made.SYMMETRIC)
    chosen = [(i, kind) for i, kind in enumerate(kinds) if not any(only) or kind in only]
    for index, kind in chosen:
        for seed in range(seeds):
            same = {
                "kind": kind,
                "colour": list(COLOURS)[(index + 3 * seed) % len(COLOURS)],
                "turn": round(GOLDEN * (index + len(kinds) * seed) % 6.283, 4),
            }
            if suite == "symmetric":
                yield seed, same
            else:
                yield from ((seed, {**same, "fronts": k}) for k in made.counts(kind))


def protocols(metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The views that the metrics read: without those of the sphere a CPU is done four times sooner."""
    from esd_bench import plugins

    kinds = {plugins.load("metrics", x)().views for x in metrics or plugins.names("metrics")}
    return tuple(x for x in ("sphere:120", "ring:15:36") if x.partition(":")[0] in kinds)


def build(a: argparse.Namespace, folder: Path, suite: str, seeds: int, size: int) -> int:
    """Fixtures as finished runs, which are scored as any other; those that are there are kept. Returns how many."""
    import torch

    from esd_bench.embedded.fixtures import faced, symmetric
    from esd_bench.prompts import Prompt
    from esd_bench.spec import Choice, RunSpec, Stage
    from esd_bench.store import RunRecord, RunStore

    store, none = RunStore(folder), Choice("none")
    wanted = list(fixtures(suite, seeds, a.kinds))
    for done, (seed, how) in enumerate(wanted):
        if suite == "figures":
            made = faced(**how, seed=seed, device=a.device)
        else:
            made = symmetric(**how, device=a.device)
        truth = {**how, "fronts": made.fronts, "fold": made.fold}
        stage = Stage(Choice("fixture", tuple(sorted(truth.items()))), none, none, steps=0)
        source = Choice.of("priors", "stable-diffusion", {"folder": a.prior})
        spec = RunSpec(
            suite,
            Prompt(made.text),
            source,
            none,
            (stage,),
            seed,
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


def measure_fixtures(a: argparse.Namespace) -> None:
    """Renders, scores and stores the fixtures, a process for each suite and size, so many at once."""
    from concurrent.futures import ProcessPoolExecutor
    from itertools import product
    from multiprocessing import get_context

    from esd_bench.gather import write_scores

    parts = list(product(("figures", "symmetric"), map(int, a.sizes)))
    with ProcessPoolExecutor(a.jobs, get_context("spawn")) as pool:
        made = pool.map(part, [a] * len(parts), *zip(*parts, strict=True))
        write_scores(pd.concat([x for frames in made for x in frames]), a.out / "fixtures.csv.gz")


def part(a: argparse.Namespace, suite: str, size: int) -> list[pd.DataFrame]:
    """One suite at one size, on each background. Size and background are varied one at a time, with the first seed only."""
    from esd_bench import plugins

    plain = size == int(a.sizes[0])
    folder, frames = a.work / f"{suite}-{size}", []
    if build(a, folder, suite, a.seeds if plain else 1, size):
        for background in a.backgrounds if plain else a.backgrounds[:1]:
            references = a.references if suite == "figures" else 0
            # The two suites have other prompts to tell a fixture from, so their R-precision is no one number.
            metrics = a.metrics or [x for x in plugins.names("metrics") if x != "r_precision"]
            scored(folder, metrics, a.device, background=background, references=references)
            frames.append(frame_of(folder, background))
    return frames


def measure_runs(a: argparse.Namespace) -> None:
    """Adds the detectors' scores to generated runs and stores all that they have."""
    from esd_bench.gather import gather, write_scores

    if a.runs:
        scored(a.runs, DETECTORS, a.device)
    write_scores(gather(a.runs or EMBEDDED), a.out / "benchmark.csv.gz")


def put_in(a: argparse.Namespace) -> None:
    """Puts the scores of a CSV, such as `esd-bench report RUNS --scores` writes, in the place of those of the same runs."""
    from esd_bench.gather import gather, write_scores

    new, stored = gather(a.scores), gather(a.out / "benchmark.csv.gz")
    rest = stored[~stored["run"].isin(new["run"])]
    write_scores(pd.concat([rest, new]), a.out / "benchmark.csv.gz")


def report(a: argparse.Namespace) -> None:
    """Tables in three formats and the figure, of whatever is stored."""
    from esd_bench.formats import render
    from esd_bench.gather import gather
    from esd_bench.validation import body

    there = [x for x in ("fixtures", "benchmark") if (a.out / f"{x}.csv.gz").is_file()]
    for name in there:
        made = body(gather(a.out / f"{name}.csv.gz"))
        for format, ending in (("csv", "csv"), ("latex", "tex"), ("markdown", "md")):
            text = render(format, made)
            (a.out / f"{name}.{ending}").write_text(text.rstrip("\n") + "\n")
    curves({name: a.out / f"{name}.csv.gz" for name in there}, a.out / "roc.png")


def curves(stored: dict[str, Path], path: Path) -> None:
    """ROC curves, a panel for each set of assets."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from esd_bench.agreement import auc, roc
    from esd_bench.gather import gather
    from esd_bench.validation import assets

    figure, panels = pyplot.subplots(1, len(stored), figsize=(5 * len(stored), 5), squeeze=False)
    for panel, (name, source) in zip(panels[0], stored.items(), strict=True):
        wide = assets(gather(source))
        known = wide[wide["truth"].notna()]
        truth = known["truth"].to_numpy() == 1
        for score in (x for x in SHOWN[name] if x in known):
            values = known[score].to_numpy(float)
            area = auc(values, truth, known["prompt"]).value
            if area is not None:
                panel.plot(*roc(values, truth), label=f"{score} {area:.2f}", linewidth=1.5)
        panel.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
        what = "several fronts" if name == "fixtures" else "Janus by the oracle"
        panel.set(title=f"{name}: {truth.sum()} of {len(truth)} with {what}", aspect="equal")
        panel.set(xlabel="false positive rate", ylabel="true positive rate")
        panel.legend(title="score, AUC", fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def words(text: str) -> list[str]:
    """A list as the command line gives it: a,b,c."""
    return text.split(",")


def arguments() -> argparse.Namespace:
    """The command line."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    add = parser.add_argument
    add("--runs", type=Path, help="runs of reports/embedded/make.sh, to be scored by the detectors")
    add("--stored", action="store_true", help="tables and figure only")
    add("--work", type=Path, default="runs/validation", help="where the fixtures' pictures go")
    add("--scores", type=Path, help="a CSV of scores of some of the runs, to replace theirs")
    add("--device", default="cpu")
    add("--prior", default="embedded-biased", help="whose pictures FID and KID compare with")
    add("--references", type=int, default=48, help="of them; 0 leaves FID and KID out")
    add("--seeds", type=int, default=3, help="colours, proportions and turns of each kind")
    add("--sizes", type=words, default="64,32,128", help="of pictures, in pixels")
    add("--backgrounds", type=words, default="white,grey,black")
    add("--kinds", type=words, default="", help="of the fixtures; default: all")
    add("--metrics", type=words, help="of the fixtures; default: all")
    add("--jobs", type=int, default=1, help="processes side by side")
    add("--out", type=Path, default=HERE)
    return parser.parse_args()


def main() -> None:
    """Measure, unless it is stored, then report."""
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    if a.runs and not a.runs.is_dir():
        sys.exit(f"no folder {a.runs}")
    if not a.stored:
        measure_runs(a)
        measure_fixtures(a)
    if a.scores:
        put_in(a)
    report(a)


if __name__ == "__main__":
    main()
