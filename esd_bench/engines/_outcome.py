"""What every engine does with the views of a run: judge them, and show them."""

from collections.abc import Mapping
from pathlib import Path

import torch

from esd_bench.distill import FAULTS
from esd_bench.pictures import sheet, turntable
from esd_bench.spec import RunSpec
from esd_bench.views import ViewSet


def judge(views: ViewSet) -> str:
    """Why an asset that came to its end is still a failure, or ""."""
    opacity = views.rgba[:, 3].float() / 255
    if float(opacity.mean()) < 1e-3:
        return FAULTS[2]
    seen = views.rgba[:, :3].permute(0, 2, 3, 1)[opacity > 0.5]
    extreme = ((seen == 0) | (seen == 255)).all(-1).float().mean() if len(seen) else torch.ones(())
    return f"{FAULTS[3]}: {float(extreme):.0%} of its pixels" if float(extreme) > 0.9 else ""


def show(sets: Mapping[str, ViewSet], spec: RunSpec, folder: Path) -> None:
    """The contact sheet and the turntable, from the ring if there is one."""
    name = next((x for x in sets if x.startswith("ring")), next(iter(sets)))
    rgb = sets[name].over("white")
    picked = rgb[:: max(1, len(rgb) // 12)][:12]
    caption = f"{spec.prompt.text}\n{spec.label}"
    sheet([(caption, picked)], folder / "sheet.png")
    turntable(rgb, folder / "turntable.webp")
