"""sheet: the assets of a study on one page, a row for each prompt, wording and seed, some views by each method."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from esd_bench.cameras import Cameras
from esd_bench.gather import gather
from esd_bench.pictures import sheet
from esd_bench.store import read_run
from esd_bench.tables import labels
from esd_bench.types import Images
from esd_bench.views import ViewSet


def contact_sheet(
    root: Path | str,
    path: Path,
    only: Mapping[str, Any] | None = None,
    count: int = 6,
    azimuths: Sequence[float] = (),
    scale: int = 1,
) -> int:
    """Draw finished runs side by side, methods in the order of the tables.

    Args:
        root: a folder of runs, of one suite, or of one prompt.
        path: the file to write; its ending names the format.
        only: values that columns of :data:`esd_bench.gather.FILTERS` must have.
        count: views of each asset, equally spaced around it.
        azimuths: degrees; the views nearest to them instead, with a caption over each.
        scale: enlargement of the views by an integer.

    Returns:
        how many assets are on the page.

    Raises:
        ValueError: when there is nothing to show, or a run can't be read.
    """
    if Path(root).is_file():
        raise ValueError(f"{root} is a file; a contact sheet is made from a folder of runs")
    runs = gather(root, only).drop_duplicates("run")
    runs = runs[[_was_seen(Path(x)) for x in runs["run"]]]
    if runs.empty:
        raise ValueError(f"no run in {root} has views: all failed before there were any")
    bare = [x.removesuffix(f", {y}") for x, y in zip(runs["label"], runs["wording"], strict=True)]
    runs = runs.assign(label=bare)
    heads = labels(runs)
    around = tuple(azimuths) or tuple(360 * i / count for i in range(count))
    columns = [f"{x:g}°" for x in azimuths] * len(heads)
    sheet(list(_rows(runs, heads, around)), path, scale, heads=heads, columns=columns)
    return len(runs)


def _rows(
    runs: pd.DataFrame, heads: list[str], azimuths: tuple[float, ...]
) -> Iterator[tuple[str, Images]]:
    several = [name for name in ("wording", "seed") if runs[name].nunique() > 1]
    # With view words before without, as in the tables.
    runs = runs.sort_values(["prompt", "wording", "seed"], ascending=[True, False, True])
    for (_, wording, seed), group in runs.groupby(["prompt", "wording", "seed"], sort=False):
        places = dict(zip(group["label"], group["run"], strict=True))
        seen = {label: _around(Path(place), azimuths) for label, place in places.items()}
        blank = torch.ones_like(next(iter(seen.values())))
        how = {"wording": str(wording), "seed": f"seed {seed}"}
        caption = "\n".join([str(group["text"].iloc[0]), *(how[x] for x in several)])
        yield caption, torch.cat([seen.get(label, blank) for label in heads])


def _was_seen(folder: Path) -> bool:
    """Whether a run has views; one that failed early may have none."""
    run = read_run(folder)
    return run.record.status != "failed" or run.views_folder(run.spec.views[-1]).is_dir()


def _around(folder: Path, azimuths: tuple[float, ...]) -> Images:
    """Views of a run's last view set, which is the ring, on white."""
    run = read_run(folder)
    views = ViewSet.load(run.views_folder(run.spec.views[-1]))
    return views.over("white")[nearest(views.cameras, azimuths)]


def nearest(cameras: Cameras, azimuths: Sequence[float]) -> list[int]:
    """For each azimuth in degrees the camera that looks from nearest to it, the first of equals."""
    wanted = torch.tensor(azimuths)[:, None]
    apart = (cameras.azimuth.rad2deg() - wanted + 180).remainder(360) - 180
    # Rounded, so that two cameras at one distance tie.
    return [int(row.argmin()) for row in apart.abs().mul(1000).round()]
