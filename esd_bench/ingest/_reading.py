"""The adapter that reads a path, and what the path holds, as a digest."""

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from esd_bench import plugins
from esd_bench.adapters import Entry, Pictures, Refused, Solid

CHECKPOINTS = (".ckpt", ".pth", ".pt")
"""Endings of gigabytes beside the pictures of a trial."""


def adapter_of(path: Path) -> str:
    """The name of the first adapter, by name, that reads a path; "" for none."""
    for name in plugins.names("adapters"):
        if importlib.import_module(f"esd_bench.adapters.{name}").reads(path):
            return name
    return ""


def entries(path: Path) -> list[Entry]:
    """The assets of a folder that holds several, as its adapter lists them; none for what is an asset itself."""
    name = adapter_of(path) if path.is_dir() else ""
    if not name:
        return []
    listed = getattr(importlib.import_module(f"esd_bench.adapters.{name}"), "items", None)
    return listed(path) if listed else []


def read(path: Path, adapter: str, options: Mapping[str, Any]) -> Solid | Pictures:
    """What an adapter makes of a path, with those of the options that it has.

    Raises:
        ValueError: one line, for what it can't read.
    """
    made: Solid | Pictures = plugins.load("adapters", adapter)(path, **chosen(adapter, options))
    return made


def chosen(adapter: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that an adapter has, as the types that it wants.

    Raises:
        ValueError: for a value of another type.
    """
    function = plugins.load("adapters", adapter)
    known, hints = plugins.options(function), get_type_hints(function)
    return {
        key: plugins.convert(value, hints.get(key, Any), f"{adapter}.{key}")
        for key, value in sorted(options.items())
        if key in known
    }


def check(options: Mapping[str, Any]) -> None:
    """Refuse options that no adapter has, or that are no such values, and a renderer that can't draw here.

    Raises:
        ValueError: that lists those there are.
        ImportError: where the renderer's package is not installed.
        OSError: where it finds no device.
    """
    known = {
        name: list(plugins.options(plugins.load("adapters", name)))
        for name in plugins.names("adapters")
    }
    for key in options:
        if not any(key in names for names in known.values()):
            there = "; ".join(f"{name}: {', '.join(names)}" for name, names in known.items())
            raise ValueError(f"no adapter has an option {key!r}; there are: {there}")
    for name in known:
        chosen(name, options)
    if options.get("renderer", "torch") != "torch":
        importlib.import_module(f"esd_bench.adapters._{options['renderer']}").ready()


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files and their names, but for checkpoints, which no adapter opens.

    Raises:
        Refused: when it can't be read.
    """
    try:
        if path.is_dir():
            files = sorted(
                x for x in path.rglob("*") if x.suffix not in CHECKPOINTS and x.is_file()
            )
            value = hashlib.sha256()
            for file in files:
                value.update(f"{file.relative_to(path).as_posix()}\0{_of(file)}\n".encode())
            return value.hexdigest()
        if not path.is_file():
            raise Refused(f"{path.name} is neither a file nor a folder")
        return _of(path)
    except OSError as error:
        raise Refused(f"cannot read {path.name}: {error.strerror}") from None


def _of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
