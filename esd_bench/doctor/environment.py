"""What this machine offers: versions, devices, optional packages, the shipped weights, places and space."""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from esd_bench import __version__
from esd_bench.embedded.weights import ROOT, verified
from esd_bench.reference import default_root

PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "open_clip_torch",
    "torch-fidelity",
)
TOOLS = ("dev", "docs")
"""Extras for those who work on the package itself."""
LITTLE = 2.0
"""GB; a grid of runs with its references fills more than that."""


@dataclass(frozen=True)
class Fact:
    """One line about the machine.

    Attributes:
        name: what it is about.
        value: what was found.
        advice: what to do about it, or "" where all is well.
    """

    name: str
    value: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.value}" + (f"; {self.advice}" if self.advice else "")


def check_environment() -> list[Fact]:
    """The machine and the installation; nothing is loaded but torch, nothing is written."""
    return [
        Fact("esd-bench", f"{__version__}, Python {platform.python_version()}"),
        *map(_installed, PACKAGES),
        *_devices(),
        *_extras(),
        _weights(),
        _references(),
        _space(),
    ]


def _installed(package: str) -> Fact:
    found = _version(package)
    return Fact(package, found or "missing", "" if found else "install esd-bench again")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _devices() -> list[Fact]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpu = Fact("cores", f"{cores}, torch uses {torch.get_num_threads()} threads")
    if not torch.cuda.is_available():
        built = (
            f"none (torch is built for CUDA {torch.version.cuda})" if torch.version.cuda else "none"
        )
        return [cpu, Fact("GPU", built)]
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    memory = [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for gpu in gpus]
    return [cpu, Fact("GPU", f"{'; '.join(memory)}; CUDA {torch.version.cuda}")]


def _extras() -> list[Fact]:
    """The package's own extras: what is there, and what would bring the rest."""
    wanted: dict[str, list[str]] = {}
    for line in _requirements():
        package, marker = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)", line)
        if package and marker and marker[1] not in TOOLS:
            wanted.setdefault(marker[1], []).append(package[0])
    return [_extra(name, packages) for name, packages in sorted(wanted.items())]


def _requirements() -> list[str]:
    try:
        return requires("esd-bench") or []
    except PackageNotFoundError:
        return []


def _extra(name: str, packages: list[str]) -> Fact:
    missing = [package for package in packages if not _version(package)]
    there = [f"{package} {_version(package)}" for package in packages if package not in missing]
    value = ", ".join([*there, *(f"no {package}" for package in missing)])
    return Fact(f"extra {name}", value, f"pip install 'esd-bench[{name}]'" if missing else "")


def _weights() -> Fact:
    """All shipped weights against their recorded digests."""
    parts = sorted(path.name for path in ROOT.glob("*") if path.is_dir())
    try:
        for part in parts:
            verified(part)
    except (OSError, ValueError) as error:
        return Fact("shipped weights", "damaged", str(error))
    missing = "" if parts else "install esd-bench again"
    return Fact("shipped weights", ", ".join([*parts, "verified"]) if parts else "none", missing)


def _references() -> Fact:
    root = default_root()
    sets = len(list(root.glob("*/manifest.json")))
    return Fact("reference pictures", f"{sets} sets in {root.absolute()}")


def _space() -> Fact:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Fact("disk", f"{free:.1f} GB free here", "that is little" if free < LITTLE else "")
