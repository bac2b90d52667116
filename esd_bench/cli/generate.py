"""``generate`` makes assets; ``plan`` says beforehand what that costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from esd_bench.cli._app import app, aside, say
from esd_bench.cli._bars import run_bars
from esd_bench.cli._options import (
    Address,
    Device,
    EngineName,
    ExecutorName,
    Gpus,
    Out,
    Threestudio,
    Workers,
    device_of,
    engine_options,
    executor_of,
    seeds_of,
    variants,
    whole,
)


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
    background: Annotated[
        str | None,
        typer.Option(help="Behind the object in training: random, shared, white, grey or black."),
    ] = None,
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
    executor: ExecutorName = "",
    workers: Workers = None,
    address: Address = None,
    gpus: Gpus = None,
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

        esd-bench generate --executor ray --gpus 1 --pack 4 --preset paper    every pack a task with a GPU

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
    with_ = engine_options(engine, threestudio, settings)
    chosen = variants(
        method,
        preset,
        settings,
        prior=prior,
        scene=scene,
        schedule=schedule,
        student=student,
        particles=particles,
        stages=stages,
        steps=whole(steps),
        views=views,
        background=background,
        view_words=view_words,
        engine=engine,
    )
    from dataclasses import replace

    texts = _debiased(suite.prompts, debias) if debias else suite.prompts
    specs = expand([replace(v, suite=suite.name) for v in chosen], texts, seeds_of(seeds))
    specs = part(specs, shard) if shard else specs
    store = RunStore(output)
    missing = store.missing(specs)
    if not missing:
        say(f"nothing is missing: {len(specs)} runs are finished in {output}")
        return
    place = device_of(device, executor, gpus)
    where = executor_of(executor, place, workers, address, gpus)
    output.mkdir(parents=True, exist_ok=True)
    with run_bars(missing) as (watch, finished):
        making = run(
            specs,
            store,
            device=place,
            pack=pack,
            executor=where,
            checkpoint=checkpoint or 0,
            engine=engine,
            engine_options=with_,
            pins=read_json(pin) if pin else {},
            watch=watch,
        )
        failed = 0
        for done in making:
            finished(done)
            failed += done.record.status == "failed"
    ill = f", {failed} of them failed" if failed else ""
    say(f"{len(missing)} runs finished in {output}{ill}; next: esd-bench score {output}")


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
    chosen = variants(
        names, preset, settings, scene=scene, stages=stages, steps=whole(steps), views=views
    )
    specs = expand([replace(v, suite=suite.name) for v in chosen], suite.prompts, seeds_of(seeds))
    for line in written(specs, bill(specs, RunStore(output), pack, machine), gpus):
        say(line)


def _debiased(prompts: Sequence[Any], model: str) -> list[Any]:
    """The prompts with the words that a language model finds to contradict a view, which are shown."""
    from esd_bench.debias import bert, leave_out

    viewpoints, origin = bert(model)
    found = [leave_out(prompt, viewpoints, origin) for prompt in prompts]
    for prompt in found:
        said = "; ".join(f"{view}: {', '.join(words)}" for view, words in prompt.leave_out)
        aside(f"{prompt.text}: leaves out {said or 'nothing'}")
    return found
