"""Writes ``esd_bench/costs.json``, the rates of ``esd-bench plan``, out of the stored results: ``python benchmarks/costs.py``.

Results of ``pack.py`` stand for the shipped priors, those of ``full_step.py`` at SD-2.1's size for every folder whose name
says so. Run it again after a benchmark was stored; a test holds that nothing changes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from esd_bench import plugins
from esd_bench.presets import Settings, preset

RESULTS = Path(__file__).parent / "results"
WRITTEN = Path(__file__).parents[1] / "esd_bench" / "costs.json"
SD21 = "*stable-diffusion-2-1*"


def machine(found: dict[str, Any]) -> str:
    """The GPU's name, or what two cores are."""
    device = found["machine"]["device"]
    return device if device.startswith("NVIDIA") else "CPU, two cores"


def shape(method: str) -> dict[str, Any]:
    """What tells how alike two methods are."""
    made = plugins.load("methods", method)()
    return {"method": method, "student": made.studies, "rows": len(made.rows)}


def packs() -> Iterator[dict[str, Any]]:
    """Of ``pack.py``: each width in a graph where there is one, else eager."""
    for path in sorted(RESULTS.glob("pack_*.json")):
        found = json.loads(path.read_text())
        stage = preset(found["preset"], Settings(found["method"], {})).stages[-1]
        widths = {
            int(k.split(",")[0].removeprefix("pack ")): k for k in found if k.startswith("pack ")
        }
        for width, key in widths.items():  # graphs come after eager
            yield {
                "machine": machine(found),
                "prior": "embedded*",
                "scene": "voxels",
                **shape(found["method"]),
                "size": stage.size,
                "views": stage.views,
                "width": width,
                "milliseconds": round(1e3 / found[key]["scene-steps per second"], 3),
                "gib": found[key]["peak GiB"],
                "source": path.name,
            }


def full_steps() -> Iterator[dict[str, Any]]:
    """Of ``full_step.py``: our side."""
    for path in sorted(RESULTS.glob("full_step*.json")):
        found = json.loads(path.read_text())
        for row in found["rows"] if found["size"] == "sd21" else ():
            yield {
                "machine": machine(found),
                "prior": SD21,
                "scene": "hashgrid",
                **shape(row["method"]),
                "size": row["render"],
                "views": row["batch"],
                "width": 1,
                "milliseconds": row["milliseconds"]["ours"],
                "gib": row["memory"]["ours"]["GiB"],
                "source": path.name,
            }


def meshes() -> Iterator[dict[str, Any]]:
    """Of ``stages.py``: the stages of a mesh, as they run by themselves; what a pack needs of memory is its largest stage's."""
    for path in sorted(RESULTS.glob("stages*.json")):
        found = json.loads(path.read_text())
        graphs = any(row["graph"] for row in found["rows"])
        for row in found["rows"]:
            if row["scene"] in ("tetmesh", "textured") and row["graph"] == graphs:
                yield {
                    "machine": machine(found),
                    "prior": "embedded*",
                    "scene": row["scene"],
                    **shape(row["method"]),
                    "size": row["size"],
                    "views": row["views"],
                    "width": row["width"],
                    "milliseconds": round(row["milliseconds"] / row["width"], 3),
                    "gib": row["GiB"],
                    "source": path.name,
                }


def text() -> str:
    """The file."""
    return json.dumps({"rates": [*packs(), *full_steps(), *meshes()]}, indent=1) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(text())
