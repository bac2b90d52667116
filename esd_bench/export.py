"""export: every finished asset as a GLB file, a triangle mesh with a baked texture, beside its run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from esd_bench.gather import gather
from esd_bench.glb import load_trimesh, read_extras, write_glb
from esd_bench.store import Run, read_run
from esd_bench.stored import stored_scene
from esd_bench.surfaces import colours, surface
from esd_bench.textures import bake, load_xatlas, unwrap

NAME = "asset.glb"
VERSION = 2
"""Of how assets are made; files of another one are made again."""


@dataclass(frozen=True)
class Settings:
    """How assets become files.

    Attributes:
        resolution: cells along each side of the cube in which a surface is sought.
        texture: side of the texture in texels.
        device: where fields are evaluated.
        again: make also what is there already.
    """

    resolution: int = 96
    texture: int = 512
    device: str = "cpu"
    again: bool = False


@dataclass
class Summary:
    """What an export did.

    Attributes:
        made, kept: files that were written, and that were there already, made in the same way.
        without: folders of runs that have no file, and why.
    """

    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    without: list[tuple[Path, str]] = field(default_factory=list)


def export(
    root: Path | str,
    only: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Summary:
    """Write ``asset.glb`` into the folder of each finished run; failed ones are left out unless ``only`` asks for them.

    Equal runs, settings and versions of the packages give equal bytes.

    Args:
        root: a folder of runs, of one suite, or of one prompt.
        only: values that columns of :data:`esd_bench.gather.FILTERS` must have.
        settings: how; None is all defaults.
        progress: told how many runs are done, of how many, and the present one's name.

    Raises:
        ImportError: without trimesh or xatlas.
        ValueError: when no finished run is left, or one can't be read.
    """
    load_trimesh()
    load_xatlas()
    if Path(root).is_file():
        raise ValueError(f"{root} is a file; assets are exported from a folder of runs")
    with_, summary = settings or Settings(), Summary()
    tell = progress or (lambda done, total, what: None)
    frame = gather(root, {"status": "finished", **(only or {})})
    runs = [read_run(Path(folder)) for folder in frame["run"].unique()]
    for done, run in enumerate(runs):
        tell(done, len(runs), f"{run.spec.prompt.id} {run.id}")
        _export(run, with_, summary)
    tell(len(runs), len(runs), "")
    return summary


def _export(run: Run, with_: Settings, summary: Summary) -> None:
    path, extras = run.folder / NAME, _extras(run, with_)
    if not with_.again and read_extras(path) == extras:
        summary.kept.append(path)
        return
    try:
        scene = stored_scene(run, with_.device)
        atlas = unwrap(surface(scene, with_.resolution), with_.texture)
        texture = bake(atlas, with_.texture, partial(colours, scene))
    except ValueError as error:
        summary.without.append((run.folder, str(error)))
        return
    write_glb(atlas, texture, path, extras)
    summary.made.append(path)


def _extras(run: Run, with_: Settings) -> dict[str, Any]:
    """What a file says of itself."""
    how = {"resolution": with_.resolution, "texture": with_.texture, "version": VERSION}
    told = {"prompt": run.spec.prompt.text, "method": run.record.label, "run": run.id}
    return {**told, "export": how}
