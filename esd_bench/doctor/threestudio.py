"""What threestudio lacks here, and why that matters: its checkout, its interpreter's packages, a GPU."""

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from esd_bench.doctor.environment import Fact

CONFIGS = (
    "dreamfusion-sd.yaml",
    "prolificdreamer.yaml",
    "prolificdreamer-geometry.yaml",
    "prolificdreamer-texture.yaml",
)
TETS = "load/tets/128_tets.npz"
SOURCE = "https://github.com/threestudio-project/threestudio"
PACKAGES = {
    "torch": "everything needs it: install a build for your CUDA",
    "lightning": "its training loop: pip install lightning==2.0.0",
    "pytorch_lightning": "launch.py imports this name too; it comes with lightning==2.0.0",
    "omegaconf": "its settings: pip install omegaconf==2.3.0",
    "jaxtyping": "its type hints: pip install jaxtyping",
    "typeguard": "its type hints: pip install typeguard",
    "tinycudann": "imported even where it is not used; needs nvcc: "
    "pip install git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch",
    "nerfacc": "the coarse stage's renderer: pip install git+https://github.com/KAIR-BAIR/nerfacc.git@v0.5.2",
    "nvdiffrast": "the other stages' renderer: pip install git+https://github.com/NVlabs/nvdiffrast.git",
    "diffusers": "the diffusion models: pip install 'diffusers<0.20'",
    "transformers": "the text encoder: pip install transformers==4.28.1",
    "huggingface_hub": "what loads the models: pip install 'huggingface_hub<0.26'",
    "xatlas": "imported by its meshes: pip install xatlas",
    "cv2": "writes its pictures: pip install opencv-python",
}
"""Import name -> why, and what would bring it."""
TOO_NEW = {
    "diffusers": (
        (0, 20),
        "VSD's LoRA classes are gone from 0.20 on: pip install 'diffusers<0.20'",
    ),
    "huggingface_hub": (
        (0, 26),
        "diffusers 0.19 imports what 0.26 has removed: pip install 'huggingface_hub<0.26'",
    ),
}
"""Import name -> the first version that breaks it, and why."""
_ASK = """
import importlib.util, json, sys
from importlib.metadata import PackageNotFoundError, version
names = {"cv2": "opencv-python"}
found = {}
for name in sys.argv[1:]:
    if importlib.util.find_spec(name):
        try:
            found[name] = version(names.get(name, name))
        except PackageNotFoundError:
            found[name] = "found"
gpu = None
if "torch" in found:
    import torch
    if torch.cuda.is_available():
        x = torch.cuda.get_device_properties(0)
        gpu = [x.name, x.total_memory]
print(json.dumps({"python": sys.version.split()[0], "found": found, "gpu": gpu}))
"""


def check_threestudio(folder: str = "", python: str = "python", gpu: str = "") -> list[Fact]:
    """A line for everything that the engine needs; those with advice are missing or won't do. Nothing is written.

    Args:
        folder: threestudio's checkout.
        python: the interpreter that it is installed for.
        gpu: the one that it is to see.
    """
    yaml = (
        Fact("PyYAML", "found")
        if find_spec("yaml")
        else _lacks("PyYAML", "our own: pip install 'esd-bench[threestudio]'")
    )
    if not folder:
        home = _lacks("threestudio", f"say where it is, --threestudio DIR; git clone {SOURCE}")
        return [yaml, home, *_interpreter(python, gpu)]
    return [yaml, *_checkout(Path(folder).expanduser()), *_interpreter(python, gpu)]


def _lacks(name: str, why: str) -> Fact:
    return Fact(name, "missing", why)


def _checkout(home: Path) -> list[Fact]:
    if not (home / "launch.py").is_file():
        return [Fact("threestudio", f"no launch.py in {home}", f"git clone {SOURCE}")]
    needed = {
        **{f"configs/{x}": "a stage starts from it: check threestudio out again" for x in CONFIGS},
        TETS: "the surface is cut out of this grid: check threestudio out again",
    }
    missing = [_lacks(x, why) for x, why in needed.items() if not (home / x).is_file()]
    return [Fact("threestudio", str(home)), *missing, _writable(home / "custom")]


def _writable(custom: Path) -> Fact:
    """The folder for our guidance."""
    place = custom if custom.is_dir() else custom.parent
    if os.access(place, os.W_OK):
        return Fact("custom/", "writable, for the camera dropout")
    return Fact("custom/", "not writable", "our guidance is copied there: allow writing")


def _interpreter(python: str, gpu: str) -> list[Fact]:
    """The packages of threestudio's own interpreter, and its GPU."""
    found = shutil.which(Path(python).expanduser())
    if not found:
        return [_lacks(f"interpreter {python}", "say which: --set engine.python=PATH")]
    asked = [found, "-c", _ASK, *PACKAGES]
    seen = {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}
    done = subprocess.run(
        asked, capture_output=True, text=True, check=False, env={**os.environ, **seen}
    )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        why = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return [Fact(f"interpreter {found}", "does not work", why)]
    packages = [_package(name, told["found"].get(name)) for name in PACKAGES]
    return [Fact("interpreter", f"{found}, Python {told['python']}"), *packages, _gpu(told["gpu"])]


def _package(name: str, version: str | None) -> Fact:
    if version is None:
        return _lacks(name, PACKAGES[name])
    limit, why = TOO_NEW.get(name, ((), ""))
    late = limit and _numbers(version) >= limit
    return Fact(name, version, why if late else "")


def _numbers(version: str) -> tuple[int, ...]:
    """2.6 of ``2.6.0+cu124``; nothing of what has no number."""
    parts = version.split("+")[0].split(".")[:2]
    return tuple(int(x) for x in parts) if all(x.isdigit() for x in parts) else ()


def _gpu(told: Any) -> Fact:
    if not told:
        return _lacks("GPU", "threestudio's torch sees none, and it can't do without")
    name, memory = told[0], told[1] / 2**30
    note = (
        "" if memory >= 30 else "; VSD and ESD at 512 pixels take about 30 (threestudio's README)"
    )
    return Fact("GPU", f"{name}, {memory:.0f} GiB{note}")
