"""The command line: ``esd-bench generate | plan | score | report | sheet | export | illustrate | demo | doctor | list | ...``.

Commands import what they need when they run, so that ``--help`` and ``report`` answer at once.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from esd_bench.illustrate import STUDIES, Figure

app = typer.Typer(
    name="esd-bench",
    help="Measure mode collapse in score distillation for text-to-3D (arXiv 2401.00909).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
err = Console(stderr=True)
out = Console()


def main() -> None:
    """Run the command line; bad input is one clear line and exit code 2."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries would bury that line
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *rest: _aside(f"warning: {message}")
            sys.exit(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        _aside("stopped; run the same command again to go on")
        sys.exit(130)
    except Exception as error:
        sys.exit(_refuse(error))


def _refuse(error: Exception) -> int:
    """One line for what a user can mend; a traceback only for what we must."""
    format_message = getattr(error, "format_message", None)
    if format_message is not None:
        said = format_message()
        _aside(f"error: {said}" if said else "say what to do; --help explains")
        return 2
    known = (ValueError, OSError, ImportError, NotImplementedError)
    if isinstance(error, known) and not os.environ.get("ESD_BENCH_DEBUG"):
        _aside(f"error: {' '.join(str(error).split())}")
        return 2
    if type(error).__name__ == "OutOfMemoryError":
        _aside("error: the GPU's memory is full; use a smaller --pack, or prior.dtype=float16")
        return 2
    raise error


def _say(line: object) -> None:
    """A line of the answer, as it is."""
    out.print(str(line), highlight=False, markup=False, soft_wrap=True)


def _aside(line: object) -> None:
    """A line beside the answer, on stderr."""
    err.print(str(line), highlight=False, markup=False, soft_wrap=True)


def _pairs(items: Sequence[str] | None) -> dict[str, str]:
    """``key=value`` items as a mapping."""
    pairs = [item.split("=", 1) for item in items or ()]
    for pair in pairs:
        if len(pair) != 2 or not pair[0]:
            raise ValueError(f"{'='.join(pair)!r} is not of the form option=value")
    return {key.strip(): value.strip() for key, value in pairs}


def _choices(items: Sequence[str] | None) -> dict[str, list[str]]:
    """``key=value`` items as key -> values: of one key any, of several keys all."""
    found: dict[str, list[str]] = {}
    for item in items or ():
        for key, value in _pairs([item]).items():
            found.setdefault(key, []).append(value)
    return found


def _grouped(pairs: dict[str, str]) -> dict[str, dict[str, str]]:
    """``--set`` values by plugin kind: ``student.rank=8`` is the student's, ``entropy=0.5`` the method's."""
    groups: dict[str, dict[str, str]] = {}
    for key, value in pairs.items():
        kind, _, option = key.rpartition(".")
        groups.setdefault(kind or "method", {})[option] = value
    known = ("method", "student", "scene", "geometry", "texture", "prior", "schedule", "engine")
    unknown = set(groups) - set(known)
    if unknown:
        raise ValueError(
            f"--set {sorted(unknown)[0]}.…: use {', '.join(known[:-1])} or {known[-1]}"
        )
    return groups


def _seeds(text: str) -> list[int]:
    """``0``, ``0-2`` or ``0,3,5``."""
    try:
        ends = [part.partition("-")[::2] for part in text.split(",")]
        spans = [(int(first), int(last or first)) for first, last in ends]
    except ValueError:
        raise ValueError(f"seeds are 0, 0-2 or 0,3,5, not {text!r}") from None
    count = sum(last - first + 1 for first, last in spans)
    if count > 10**6 or any(last < first or last >= 2**62 for first, last in spans):
        raise ValueError(f"seeds go up, are below 2^62, and at most a million, not {text!r}")
    return [seed for first, last in spans for seed in range(first, last + 1)]


def _whole(text: str | None) -> tuple[int, ...]:
    """``900,200`` as numbers."""
    try:
        numbers = tuple(int(x) for x in text.split(",")) if text else ()
    except ValueError:
        numbers = (0,)
    if any(n < 1 for n in numbers):
        raise ValueError(f"steps are whole numbers from 1 joined by commas, not {text!r}")
    return numbers


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("no CUDA device here; use --device cpu")
    if name != "cpu" and not name.startswith("cuda"):
        raise ValueError(f"no device {name!r}; use cpu or cuda")
    return name


Out = Annotated[Path, typer.Option("--out", "-o", help="The folder of runs.")]
EngineName = Annotated[str, typer.Option("--engine", help="native, or threestudio.")]
Threestudio = Annotated[
    Path | None, typer.Option("--threestudio", help="A checkout of threestudio.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: the GPU if there is one.")]


@app.command()
def generate(
    method: Annotated[
        list[str],
        typer.Option("--method", "-m", help="A method, or a file of your own (./mine.py); repeat."),
    ] = ["esd"],  # noqa: B006
    prompts: Annotated[
        str | None, typer.Option(help="A suite by name, or a .toml or .txt file.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A text of your own; repeat.")] = None,
    seeds: Annotated[str, typer.Option(help="0, 0-2 or 0,3,5.")] = "0",
    preset: Annotated[
        str, typer.Option(help="embedded, embedded-gpu, paper, threestudio or author.")
    ] = "embedded",
    prior: Annotated[
        str | None, typer.Option(help="embedded, embedded-biased, a hub id or a folder.")
    ] = None,
    scene: Annotated[str | None, typer.Option(help="voxels or hashgrid.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Timestep schedule.")] = None,
    student: Annotated[str | None, typer.Option(help="lora or exact.")] = None,
    particles: Annotated[
        int, typer.Option(min=1, help="Scenes of a run that share its student.")
    ] = 1,
    stages: Annotated[
        str, typer.Option(help="coarse, or full: then geometry and texture of a mesh.")
    ] = "coarse",
    steps: Annotated[
        str | None, typer.Option(help="Steps of the last stage, or of all: 900,200.")
    ] = None,
    views: Annotated[int | None, typer.Option(min=1, help="Training views per step.")] = None,
    view_words: Annotated[
        bool | None,
        typer.Option("--view-words/--no-view-words", help='Add ", back view" and so on.'),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="entropy=0.5, student.rank=8, scene.… ; repeat."),
    ] = None,
    debias: Annotated[
        str | None,
        typer.Option(help="A BERT, folder or hub id: leave out words that contradict a view."),
    ] = None,
    pack: Annotated[int, typer.Option(min=1, help="Scenes side by side (GPU).")] = 1,
    shard: Annotated[str | None, typer.Option(help="I/N: every N-th run, from the I-th.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes side by side (CPU).")] = 1,
    ray: Annotated[
        str, typer.Option(help="Work on a Ray cluster: its address, auto, or local.")
    ] = "",
    checkpoint: Annotated[
        int | None, typer.Option(min=1, help="Steps between checkpoints; 100, by threestudio 2500.")
    ] = None,
    pin: Annotated[
        Path | None, typer.Option(help="JSON of file name to SHA-256; others are refused.")
    ] = None,
    engine: EngineName = "native",
    threestudio: Threestudio = None,
    device: Device = "auto",
    output: Out = Path("runs"),
) -> None:
    """Make assets by score distillation; running again resumes.

    Examples:

        esd-bench generate                                  a small suite by ESD on the embedded prior

        esd-bench generate -m sds -m vsd -m esd --seeds 0-2

        esd-bench generate -m esd --set entropy=1 --prompt "a red cat"

        esd-bench generate --preset embedded-gpu --pack 64 --prompts benchmark

        esd-bench generate --engine threestudio --threestudio ~/threestudio --prompt "a plush dragon"
    """
    from esd_bench.generate import generate as run
    from esd_bench.prompts import ad_hoc, load_suite
    from esd_bench.spec import expand
    from esd_bench.spec import shard as part
    from esd_bench.store import RunStore, read_json

    if prompt and prompts:
        raise ValueError("--prompt or --prompts, not both")
    suite = ad_hoc(prompt) if prompt else load_suite(prompts or "demo")
    with_ = _engine(engine, threestudio, settings)
    chosen = _variants(
        method,
        preset,
        settings,
        prior=prior,
        scene=scene,
        schedule=schedule,
        student=student,
        particles=particles,
        stages=stages,
        steps=_whole(steps),
        views=views,
        view_words=view_words,
        engine=engine,
    )
    from dataclasses import replace

    texts = _debiased(suite.prompts, debias) if debias else suite.prompts
    specs = expand([replace(v, suite=suite.name) for v in chosen], texts, _seeds(seeds))
    specs = part(specs, shard) if shard else specs
    store = RunStore(output)
    missing = store.missing(specs)
    if not missing:
        _say(f"nothing is missing: {len(specs)} runs are finished in {output}")
        return
    place = _device(device)
    output.mkdir(parents=True, exist_ok=True)
    with _bars(missing) as (watch, finished):
        making = run(
            specs,
            store,
            device=place,
            pack=pack,
            workers=workers,
            ray=ray,
            checkpoint=checkpoint or 0,
            engine=engine,
            engine_options=with_,
            pins=read_json(pin) if pin else {},
            watch=watch,
        )
        for done in making:
            finished(done)
    _say(f"{len(missing)} runs finished in {output}; next: esd-bench score {output}")


@app.command()
def plan(
    preset: Annotated[
        str, typer.Option(help="embedded, embedded-gpu, paper, threestudio or author.")
    ] = "paper",
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Repeat. Default: all there are.")
    ] = None,
    prompts: Annotated[str, typer.Option(help="A suite by name, or a file.")] = "canonical",
    seeds: Annotated[str, typer.Option(help="0, 0-2 or 0,3,5.")] = "0-2",
    steps: Annotated[
        str | None, typer.Option(help="Steps of the last stage, or of all: 900,200.")
    ] = None,
    views: Annotated[int | None, typer.Option(min=1, help="Training views per step.")] = None,
    scene: Annotated[str | None, typer.Option(help="Instead of the preset's.")] = None,
    stages: Annotated[str, typer.Option(help="coarse, or full.")] = "coarse",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="As for generate; repeat.")
    ] = None,
    pack: Annotated[int, typer.Option(min=1, help="Scenes side by side.")] = 1,
    gpus: Annotated[int, typer.Option(min=1, help="How many share the work.")] = 1,
    machine: Annotated[str, typer.Option(help="Part of a measured machine's name.")] = "",
    output: Out = Path("runs"),
) -> None:
    """Hours, memory and disk of a grid before anything runs, from measurements; says what is extrapolated.

    Examples:

        esd-bench plan --preset paper --gpus 8              the paper's Table 1: 120 prompts, 3 seeds, every method

        esd-bench plan --preset embedded-gpu -m sds -m esd --prompts benchmark --pack 64
    """
    from dataclasses import replace

    from esd_bench import plugins
    from esd_bench.plan import bill, written
    from esd_bench.prompts import load_suite
    from esd_bench.spec import expand
    from esd_bench.store import RunStore

    suite = load_suite(prompts)
    names = method or plugins.names("methods")
    chosen = _variants(
        names, preset, settings, scene=scene, stages=stages, steps=_whole(steps), views=views
    )
    specs = expand([replace(v, suite=suite.name) for v in chosen], suite.prompts, _seeds(seeds))
    for line in written(specs, bill(specs, RunStore(output), pack, machine), gpus):
        _say(line)


def _debiased(prompts: Sequence[Any], model: str) -> list[Any]:
    """The prompts with the words that a language model finds to contradict a view, which are shown."""
    from esd_bench.debias import bert, leave_out

    viewpoints, origin = bert(model)
    found = [leave_out(prompt, viewpoints, origin) for prompt in prompts]
    for prompt in found:
        said = "; ".join(f"{view}: {', '.join(words)}" for view, words in prompt.leave_out)
        _aside(f"{prompt.text}: leaves out {said or 'nothing'}")
    return found


def _engine(name: str, home: Path | None, given: Sequence[str] | None) -> dict[str, Any]:
    """An engine's options: ``--set engine.…`` and, of threestudio, where it is."""
    from esd_bench import plugins

    if home and name != "threestudio":
        raise ValueError("--threestudio is for --engine threestudio")
    place = {"folder": str(home)} if home else {}
    return plugins.bind(
        plugins.load("engines", name), {**_grouped(_pairs(given)).get("engine", {}), **place}
    )


def _variants(
    methods: Sequence[str], preset: str, given: Sequence[str] | None, **words: Any
) -> list[Any]:
    """A run template per method; a method option goes to the methods that have it."""
    from esd_bench import plugins
    from esd_bench.presets import Settings
    from esd_bench.presets import preset as make

    groups = _grouped(_pairs(given))
    options = groups.get("method", {})
    functions = {name: plugins.load("methods", name) for name in methods}
    accepted = {
        name: {*plugins.options(f), *(s.alias for s in plugins.symbols(f).values())}
        for name, f in functions.items()
    }
    for key in options:
        if not any(key.replace("-", "_") in names for names in accepted.values()):
            plugins.bind(next(iter(functions.values())), {key: options[key]})
    return [
        make(
            preset,
            Settings(
                method=name,
                options={k: v for k, v in options.items() if k.replace("-", "_") in accepted[name]},
                prior_options=groups.get("prior"),
                scene_options=groups.get("scene"),
                schedule_options=groups.get("schedule"),
                student_options=groups.get("student"),
                geometry_options=groups.get("geometry"),
                texture_options=groups.get("texture"),
                **words,
            ),
        )
        for name in methods
    ]


@contextmanager
def _bars(missing: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Progress bars of the whole grid and of the present pack; quiet lines where nobody looks."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[news]}"),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        total = bars.add_task("runs", total=len(missing), news="")
        present = bars.add_task("starting", total=None, news="")

        def watch(news: Any) -> None:
            first = news.specs[0]
            more = f" and {len(news.specs) - 1} more" if len(news.specs) > 1 else ""
            numbers = "  ".join(f"{k} {v:.3f}" for k, v in news.numbers.items() if v)
            name = f"{news.stage}: {first.prompt.text}{more}"
            bars.update(
                present, description=name, completed=news.step, total=news.steps, news=numbers
            )

        def finished(run: Any) -> None:
            bars.advance(total)
            why = f" ({run.record.reason})" if run.record.reason else ""
            line = f"{run.record.status}{why}: {run.folder} in {run.record.seconds:.0f} s"
            _aside(line)

        yield watch, finished


@app.command()
def score(
    runs: Annotated[Path, typer.Argument(help="The folder of runs.")] = Path("runs"),
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric or a file; repeat. Default: all.")
    ] = None,
    views: Annotated[
        list[str] | None,
        typer.Option(help="Protocols instead of the run's own: sphere:120, ring:15:36."),
    ] = None,
    background: Annotated[str, typer.Option(help="white, grey or black.")] = "white",
    references: Annotated[
        int, typer.Option(help="Pictures per reference set; 0 leaves FID and KID out.")
    ] = 48,
    embedder: Annotated[
        list[str] | None,
        typer.Option(help="role=network,option=value: clip=clip,model=ViT-B-32; repeat."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Score also what is scored already.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Score finished runs; what is scored already is skipped.

    Examples:

        esd-bench score runs/

        esd-bench score runs/ --metric fid --metric inception --references 96
    """
    from esd_bench.features import override
    from esd_bench.score import Settings
    from esd_bench.score import score as run

    settings = Settings(
        background=background,
        views=tuple(views or ()),
        device=_device(device),
        references=references,
        embedders=dict(override(text) for text in embedder or ()),
        again=again,
    )
    with _bar("scoring") as progress:
        summary = run(runs, metric, settings, progress)
    _say(
        f"{summary.scored} scored, {summary.kept} kept, {summary.failed} failed runs without scores"
    )
    for reason, count in summary.skipped.items():
        _aside(f"skipped ({count}): {reason}")
    for problem, count in summary.problems.items():
        _aside(f"error ({count}): {problem}")
    if summary.problems:
        raise typer.Exit(2)
    _say(f"next: esd-bench report {runs} --table 1")


@app.command()
def report(
    runs: Annotated[
        Path,
        typer.Argument(help="The folder of runs, one suite or prompt of it, or a CSV of scores."),
    ] = Path("runs"),
    table: Annotated[
        str | None, typer.Option(help="1, 2, 3, overview, spread, per_prompt, collapse, or a file.")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="csv, latex, markdown or html.")
    ] = "markdown",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Rows to keep: method=esd, prior=embedded, seed=0; repeat."),
    ] = None,
    show_prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Texts instead of ids.")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published", help="The paper's own tables, flagged.")
    ] = False,
    scores: Annotated[
        Path | None,
        typer.Option(help="Also store the scores as CSV, which stands for the runs later."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file instead of the screen.")
    ] = None,
) -> None:
    """Regenerate the paper's tables from stored scores.

    Examples:

        esd-bench report runs/ --table 1 --format latex

        esd-bench report runs/ --table collapse

        esd-bench report --published --table 3
    """
    from esd_bench.gather import gather, write_scores
    from esd_bench.report import report as run
    from esd_bench.report import report_published

    if published:
        if table not in (None, "1", "2", "3"):
            raise ValueError(f"the paper has tables 1, 2 and 3, not {table!r}")
        text = report_published(int(table) if table else None, format_)
    else:
        if scores:
            write_scores(gather(runs, _choices(only)), scores)
        options = {"texts": True} if show_prompts else None
        text = run(runs, table or "overview", format_, _choices(only), options)
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    _aside(f"written: {output}")


@app.command()
def sheet(
    runs: Annotated[
        Path, typer.Argument(help="The folder of runs, of one suite, or of one prompt.")
    ] = Path("runs"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs to keep: method=esd, wording='view words', seed=0; repeat."),
    ] = None,
    views: Annotated[int, typer.Option(min=1, help="Views of each asset.")] = 6,
    output: Annotated[
        Path, typer.Option("--out", "-o", help="The picture: .png, .webp or .jpg.")
    ] = Path("sheet.png"),
) -> None:
    """Lay the assets side by side: a row for each prompt, some views by each method.

    Examples:

        esd-bench sheet runs/

        esd-bench sheet runs/ --only method=vsd --only method=esd --views 12 --out both.webp
    """
    from esd_bench.sheets import contact_sheet

    if output.suffix not in (".png", ".webp", ".jpg"):
        raise ValueError(f"a sheet is a .png, .webp or .jpg, not {output.name!r}")
    count = contact_sheet(runs, output, _choices(only), views)
    _aside(f"written: {output}, {count} assets")


@app.command()
def export(
    runs: Annotated[
        Path, typer.Argument(help="The folder of runs, of one suite, or of one prompt.")
    ] = Path("runs"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Runs to keep: method=esd, prompt=a-red-cat, seed=0; repeat."),
    ] = None,
    resolution: Annotated[int, typer.Option(min=4, max=512, help="Cells per side.")] = 96,
    texture: Annotated[int, typer.Option(min=16, max=8192, help="Texels per side.")] = 512,
    again: Annotated[bool, typer.Option("--again", help="Also what is there already.")] = False,
    device: Device = "auto",
) -> None:
    """Write each finished asset as asset.glb, a mesh with a texture, beside its run; what is there is skipped.

    Needs the extra "mesh": pip install "esd-bench[mesh]"

    Examples:

        esd-bench export runs/

        esd-bench export runs/ --only method=esd --texture 1024
    """
    from esd_bench.export import Settings
    from esd_bench.export import export as run

    settings = Settings(resolution, texture, _device(device), again)
    with _bar("exporting") as progress:
        summary = run(runs, _choices(only), settings, progress)
    done = [*summary.kept, *summary.made]
    for folder, why in summary.without:
        _aside(f"not exported: {folder}: {why}")
    _say(f"{len(summary.made)} exported, {len(summary.kept)} kept, {len(summary.without)} without")
    if not done:
        raise typer.Exit(2)
    _say(f"for example {done[-1]}")


@contextmanager
def _bar(title: str) -> Iterator[Any]:
    """One progress bar, for calls of (done, total, what)."""
    from rich.progress import Progress

    with Progress(console=err, disable=not err.is_terminal) as bars:
        task = bars.add_task(title, total=None)

        def progress(done: int, total: int, what: str = "") -> None:
            bars.update(task, completed=done, total=total, description=f"{title} {what}")

        yield progress


reference_app = typer.Typer(
    help="Reference pictures sampled from the prior itself.", no_args_is_help=True
)
app.add_typer(reference_app, name="reference")


@reference_app.command("build")
def reference_build(
    prompts: Annotated[str | None, typer.Option(help="A suite by name, or a file.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A text of your own; repeat.")] = None,
    prior: Annotated[
        str, typer.Option(help="embedded, embedded-biased, a hub id or a folder.")
    ] = "embedded",
    n: Annotated[int, typer.Option("--n", min=2, help="Pictures per prompt.")] = 48,
    scale: Annotated[float, typer.Option(help="Guidance.")] = 7.5,
    steps: Annotated[int, typer.Option(min=1, help="DDIM steps.")] = 25,
    root: Annotated[
        Path | None,
        typer.Option(help="The cache; default $ESD_BENCH_REFERENCES or ./reference_cache."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Sample the reference pictures of prompts; interrupted work is taken up again.

    Example: esd-bench reference build --prompts demo --n 48
    """
    import torch

    from esd_bench import plugins
    from esd_bench.prompts import ad_hoc, load_suite
    from esd_bench.reference import build

    suite = ad_hoc(prompt) if prompt and not prompts else load_suite(prompts or "demo")
    made = plugins.load("priors", "stable_diffusion")(torch.device(_device(device)), folder=prior)
    for one in suite.prompts:
        with _bar(one.text) as tell:
            progress = partial(tell, what="")
            found = build(made, one.text, n, scale=scale, steps=steps, root=root, progress=progress)
        _say(f"{one.text}: {found.path}")


@reference_app.command("list")
def reference_list(
    root: Annotated[Path | None, typer.Option(help="The cache.")] = None,
) -> None:
    """List the finished sets."""
    from esd_bench.reference import sets

    for found in sets(_there(root)):
        _say(found.path.name)


@reference_app.command("verify")
def reference_verify(
    root: Annotated[Path | None, typer.Option(help="The cache.")] = None,
) -> None:
    """Check every byte of the cache against its manifests."""
    from esd_bench.reference import sets, verify

    faults = verify(_there(root))
    for fault in faults:
        _aside(fault)
    _say(f"{len(sets(root))} sets, {len(faults)} faults")
    if faults:
        raise typer.Exit(2)


def _there(folder: Path | None) -> Path | None:
    if folder and not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    return folder


prompts_app = typer.Typer(help="Prompt suites.", no_args_is_help=True)
app.add_typer(prompts_app, name="prompts")


@prompts_app.command("list")
def prompts_list(
    suite: Annotated[
        str | None, typer.Argument(help="A suite or a file, to see its prompts.")
    ] = None,
) -> None:
    """List the shipped suites, or the prompts of one."""
    from esd_bench.prompts import load_suite, suite_names

    for name in [suite] if suite else suite_names():
        found = load_suite(name)
        line = f"{found.name}: {len(found.prompts)} prompts, {found.licence or 'no licence stated'}"
        _say(line)
        for prompt in found.prompts if suite else ():
            _say(f"  {prompt.id}  {prompt.text}")


@prompts_app.command("import")
def prompts_import(
    path: Annotated[Path, typer.Argument(help="Your own copy of the list.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="The .toml to write.")],
    format_: Annotated[
        str, typer.Option("--format", help="gpteval3d, t3bench, txt, csv or jsonl.")
    ] = "txt",
    expected: Annotated[int | None, typer.Option(help="How many prompts there should be.")] = None,
    extra: Annotated[Path | None, typer.Option(help="A text file of more prompts.")] = None,
    licence: Annotated[str, typer.Option(help="What you know of its licence.")] = "",
) -> None:
    """Turn somebody's list of prompts into a suite.

    Example: esd-bench prompts import prompts.json --format gpteval3d -o gpteval3d.toml
    """
    from esd_bench.prompt_import import import_suite, write_suite

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        suite = import_suite(path, format_, expected, extra, licence)
    for warning in caught:
        _aside(f"warning: {warning.message}")
    write_suite(suite, output)
    _say(f"{len(suite.prompts)} prompts in {output}")


@app.command()
def demo(
    output: Out = Path("demo"),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes side by side.")] = None,
    steps: Annotated[
        str | None, typer.Option(help="Of the SDS stage and of the one after it.")
    ] = None,
) -> None:
    """Generate, score and report on the embedded prior: some minutes on two cores, with pictures."""
    from esd_bench.demo import grid, summarise
    from esd_bench.generate import generate as make
    from esd_bench.store import RunStore

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False, soft_wrap=True)

    specs, store = grid(_whole(steps)), RunStore(output)
    missing, count = store.missing(specs), workers or min(2, os.cpu_count() or 1)
    say(
        f"{len(missing)} of {len(specs)} assets to make, {count} at a time: SDS, then VSD and ESD from it"
    )
    if missing:
        say(f"{store.preview} shows the present state, renewed every 100 steps")
    with _bars(missing) as (watch, finished):
        for run in make(specs, store, workers=count, watch=watch):
            finished(run)
    done = summarise(output, specs, say)
    for run in done.runs:
        verdict = "right" if run in done.successes else "not right"
        say(f"{verdict} by the oracle's rule: {run.record.label}, {run.spec.prompt.text}")
    say(f"all assets side by side: {done.picture}")


illustrate_app = typer.Typer(help="The paper's figures.", no_args_is_help=True)
app.add_typer(illustrate_app, name="illustrate")
Figures = Annotated[Path, typer.Option("--out", "-o", help="The folder of figures.")]
Azimuths = Annotated[str, typer.Option(help="Degrees joined by commas; the nearest views.")]


def _numbers(text: str) -> tuple[float, ...]:
    """``0,90,180`` as numbers."""
    try:
        return tuple(float(x) for x in text.split(","))
    except ValueError:
        raise ValueError(f"numbers joined by commas, not {text!r}") from None


def _asked() -> str:
    """The command as it was typed, for what it writes."""
    import shlex

    return shlex.join(["esd-bench", *sys.argv[1:]])


def _written(paths: Sequence[Path]) -> None:
    _say(f"written: {', '.join(map(str, paths))}")


@illustrate_app.command("gaussian")
def illustrate_gaussian(
    output: Figures = Path("figures"),
    steps: Annotated[
        int, typer.Option(min=1, help="Optimisation steps; the paper's are 2000.")
    ] = 3000,
) -> None:
    """Figure 3: a Gaussian distilled by SDS, VSD and ESD, beside theory."""
    from esd_bench.illustrate.gaussian import gaussian, table

    _say(table(gaussian(output, steps=steps)))
    _say(f"written: {output / 'gaussian.png'} and .pdf")


@illustrate_app.command("grid")
def illustrate_grid(
    runs: Annotated[Path, typer.Argument(help="The folder of runs.")] = Path("runs"),
    methods: Annotated[
        str | None, typer.Option(help="Names or labels joined by commas; default: all.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Ids or texts joined by commas; default: all.")
    ] = None,
    azimuths: Azimuths = "0,90,180,270",
    output: Figures = Path("figures"),
) -> None:
    """Figures 1, 4 and 9: finished runs side by side, prompts down, methods and views across.

    Example: esd-bench illustrate grid runs/ --methods sds,vsd,esd --azimuths 0,90,180,270
    """
    from esd_bench.illustrate.grid import grid

    chosen, texts = (x.split(",") if x else [] for x in (methods, prompts))
    _written(grid(runs, output, chosen, texts, _numbers(azimuths), _asked()))


def _illustration(name: str, figure: Figure) -> None:
    """Add the command of a figure that is made of runs."""

    @illustrate_app.command(name, help=figure.says)
    def command(
        runs: Annotated[Path, typer.Option(help="The folder of its runs; resumed.")] = Path("runs"),
        output: Figures = Path("figures"),
        prompt: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
        seeds: Annotated[str, typer.Option(help="0, 0-2 or 0,3,5.")] = "0",
        prior: Annotated[str | None, typer.Option(help="Instead of the figure's own.")] = None,
        preset: Annotated[
            str, typer.Option(help="Of its runs; image2d has settings of its own.")
        ] = figure.preset,
        steps: Annotated[
            str | None, typer.Option(help="Steps of the last stage, or of all: 900,200.")
        ] = None,
        azimuths: Azimuths = "0,90,180,270",
        settings: Annotated[
            list[str] | None,
            typer.Option("--set", help="Options of the figure's function; repeat."),
        ] = None,
        pack: Annotated[int, typer.Option(min=1, help="Scenes side by side (GPU).")] = 1,
        workers: Annotated[int, typer.Option(min=1, help="Processes side by side (CPU).")] = 1,
        device: Device = "auto",
    ) -> None:
        from importlib import import_module

        from esd_bench import plugins
        from esd_bench.illustrate.study import Study
        from esd_bench.prompts import ad_hoc

        draw = getattr(import_module(f"esd_bench.illustrate.{figure.module}"), figure.module)
        study = Study(
            runs=runs,
            out=output,
            prompts=ad_hoc(prompt or figure.prompts).prompts,
            seeds=tuple(_seeds(seeds)),
            preset=preset,
            prior=prior,
            steps=_whole(steps),
            azimuths=_numbers(azimuths),
            device=_device(device),
            pack=pack,
            workers=workers,
            command=_asked(),
            bars=_bars,
        )
        _written(draw(study, **plugins.bind(draw, _pairs(settings))))


for _name, _figure in STUDIES.items():
    _illustration(_name, _figure)


@app.command()
def doctor(
    prior: Annotated[
        str | None,
        typer.Option(help="embedded, embedded-biased, a hub id or a folder, to examine."),
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="What to sample instead: two or more; repeat.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="DDIM steps of the samples.")] = 25,
    engine: EngineName = "native",
    threestudio: Threestudio = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="engine.python=…, engine.gpu=….")
    ] = None,
    device: Device = "auto",
) -> None:
    """Say what this machine offers; with --prior, whether a diffusion prior is sound and what is likely wrong.

    Examples:

        esd-bench doctor

        esd-bench doctor --prior embedded

        esd-bench doctor --engine threestudio --threestudio ~/threestudio
    """
    from esd_bench.doctor import check_environment, check_threestudio, diagnose

    options = _engine(engine, threestudio, settings)
    if engine == "threestudio":
        facts = check_threestudio(**options)
        for fact in facts:
            _say(fact)
        if any(fact.advice for fact in facts):
            raise typer.Exit(2)
        return
    if prior is None:
        for fact in check_environment():
            _say(fact)
        return
    import torch

    from esd_bench import plugins

    made = plugins.load("priors", "stable_diffusion")(torch.device(_device(device)), folder=prior)
    found = diagnose(made, prompt, steps=steps)
    for line in found.lines():
        _say(line)
    if found.fault:
        raise typer.Exit(2)


embedded_app = typer.Typer(
    help="The small models that ship with the package.", no_args_is_help=True
)
app.add_typer(embedded_app, name="embedded")


@embedded_app.command("train")
def embedded_train(
    stages: Annotated[
        list[str], typer.Argument(help="all, or data, vae, clip, prior=embedded, classifier, card.")
    ],
    output: Annotated[Path, typer.Option("--out", "-o", help="Checkpoints, data and weights.")],
    front: Annotated[
        float | None, typer.Option(help="Share of front views, instead of the prior's own.")
    ] = None,
    pace: Annotated[float, typer.Option(help="Factor on the training times.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny data, to try the chain.")] = False,
    device: Device = "auto",
) -> None:
    """Train the embedded models anew: under twenty minutes on one H100-class GPU; running it again resumes.

    Example: esd-bench embedded train all --out trained/
    """
    from esd_bench.embedded.train import progress_shown, train
    from esd_bench.embedded.training.job import Job

    with progress_shown():
        train(stages, Job(output, _device(device), pace=pace, seed=seed, front=front, quick=quick))


@embedded_app.command("export")
def embedded_export(
    name: Annotated[str, typer.Argument(help="embedded or embedded-biased")],
    output: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
) -> None:
    """Write a prior as a complete folder that diffusers' StableDiffusionPipeline loads."""
    from esd_bench.embedded.weights import export

    _say(f"written: {export(name, output)}")


@app.command("list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, schedules, students, priors, scenes, metrics, ...")
    ],
) -> None:
    """List the plugins of a kind with their options.

    Example: esd-bench list methods
    """
    from esd_bench import plugins

    if kind not in plugins.KINDS:
        raise ValueError(f"no kind {kind!r}; there are: {', '.join(plugins.KINDS)}")
    for name in plugins.names(kind):
        function = plugins.load(kind, name)
        title = f"[bold]{name}[/bold]  {escape(plugins.summary(function))}"
        out.print(title, highlight=False, soft_wrap=True)
        for option, parameter in plugins.options(function).items():
            _say(f"    {option} = {parameter.default!r}")


if __name__ == "__main__":
    main()
