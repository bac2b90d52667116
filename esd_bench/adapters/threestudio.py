"""Trials of threestudio (github.com/threestudio-project/threestudio): the test pictures of one, or of a tree ``outputs/``.

Checkpoints are pickles and are never opened, so there is the ring that threestudio rendered and nothing else.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from esd_bench import omega, trials
from esd_bench.adapters import Entry, Pictures, Refused
from esd_bench.adapters._layouts import DEPTH, is_trial
from esd_bench.adapters._stills import MOST, file_in, sized, told
from esd_bench.adapters._walk import any_inside, find, only
from esd_bench.paths import inside

SETTINGS = 2**17
"""Most bytes of a file of settings."""
_TEST = re.compile(r"it([0-9]{1,9})-test")
Settings = Mapping[str, Any]


def reads(path: Path) -> bool:
    """Whether it is a trial's folder, or one with trials in it."""
    return any_inside(path, is_trial, DEPTH)


def items(path: Path) -> list[Entry]:
    """The newest asset of every method, prompt and seed: a trial that has pictures and that no later stage went on from."""
    known = [(x, _settings_or_none(x)) for x in find(path, is_trial, DEPTH)]
    before = {_origin(said) for _, said in known if said}
    found: dict[tuple[str, str, int], Entry] = {}
    for folder, said in sorted(known, key=lambda x: _made(x[0])):
        if said is None:
            item = Entry(folder, folder.parent.name, folder.name, 0)
        elif folder.parts[-2:] in before or _stage(said) == "geometry" or not _tests(folder):
            continue
        else:
            item = Entry(folder, method(said), _prompt(said), _integer(said.get("seed")))
        found[item[1:]] = item
    return sorted(found.values())


def threestudio(path: Path, /) -> Pictures:
    """The test ring of a trial without its repeated last view; opacity is threestudio's own.

    Args:
        path: the trial's folder, ``<name>/<tag>@<time>``, or one that holds a single asset.

    Raises:
        ValueError: in one line, when pictures are missing, broken, or normals only.
    """
    there = [path] if is_trial(path) else [x.path for x in items(path)]
    folder = only(there, path, "assets of threestudio")
    said = _settings(folder)
    if _stage(said) == "geometry":
        raise Refused(f"{folder} is a geometry stage, whose pictures are normals without colour")
    paths, name = _ring(folder, said)
    try:
        made = trials.views(paths, said, name)
        learned = trials.background(said["system"]) is None
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(f"{folder}: {_line(error)}") from None
    facts = {"prompt": _prompt(said), "method": method(said), "pictures": len(paths) + 1}
    note = "learned; at half-transparent edges some of it is left" if learned else "taken away"
    return Pictures({name: made}, {**facts, "background": note})


def method(said: Settings) -> str:
    """A trial's method by our names; the experiment's own name where it is none of them."""
    system = _mapping(said.get("system"))
    guidance, words = (_mapping(system.get(x)) for x in ("guidance", "prompt_processor"))
    kind = _text(system.get("guidance_type"))
    if words.get("use_perp_neg") is True:
        return "perp_neg"
    if words.get("use_prompt_debiasing") is True:
        return "debiased_sds"
    if kind.endswith("vsd-guidance"):
        return "vsd" if guidance.get("guidance_scale_lora", 1) in (1, 1.0) else "esd"
    return (
        "sds" if kind == "stable-diffusion-guidance" else _text(said.get("name")) or "threestudio"
    )


def _ring(folder: Path, said: Settings) -> tuple[list[Path], str]:
    """The pictures of the newest test without the last one, and the name of their view set."""
    tests, data = _tests(folder), _mapping(said.get("data"))
    if not tests:
        raise ValueError(f"{folder} has no test pictures in save/it<step>-test/")
    try:
        paths = trials.strips(inside(folder, tests[-1].relative_to(folder)))
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    try:
        wanted, tilt = int(data.get("n_test_views", len(paths))), float(data["eval_elevation_deg"])
        size = int(data["eval_width"]), int(data["eval_height"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{folder} has settings that say nothing of views: {_line(error)}"
        ) from None
    if not -90 <= tilt <= 90 or not 3 <= wanted <= MOST:
        raise ValueError(f"{folder} says that it has {told(wanted)} views at {tilt:g} degrees")
    if [x.stem for x in paths] != [str(i) for i in range(wanted)]:
        raise ValueError(f"{folder}: {len(paths)} of {wanted} views were rendered")
    sized(str(folder), size, wanted)
    return [file_in(x.parent, x.name) for x in paths[:-1]], f"ring:{tilt:g}:{wanted - 1}"


def _tests(folder: Path) -> list[Path]:
    """Folders of test pictures by rising step."""
    found = [
        x for x in (folder / "save").glob("it*-test") if _TEST.fullmatch(x.name) and x.is_dir()
    ]
    return sorted(found, key=lambda x: int(x.name[2:-5]))


def _settings(folder: Path) -> dict[str, Any]:
    path = file_in(folder, "configs/parsed.yaml")
    if path.stat().st_size > SETTINGS:
        raise ValueError(f"{path} is too large for settings")
    return omega.read(path)


def _settings_or_none(folder: Path) -> dict[str, Any] | None:
    try:
        return _settings(folder)
    except (OSError, ValueError):
        return None


def _mapping(value: Any) -> Settings:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """A text as it is, else nothing: what YAML can make of a few lines may take for ever to be written out."""
    return value if isinstance(value, str) else ""


def _stage(said: Settings) -> str:
    return _text(_mapping(said.get("system")).get("stage"))


def _prompt(said: Settings) -> str:
    system = _mapping(said.get("system"))
    return _text(_mapping(system.get("prompt_processor")).get("prompt"))


def _origin(said: Settings) -> tuple[str, ...]:
    """Name and tag of the trial whose geometry this one began from."""
    value = _mapping(said.get("system")).get("geometry_convert_from")
    return Path(value).parts[-4:-2] if isinstance(value, str) else ()


def _made(folder: Path) -> tuple[str, str]:
    """What to sort trials by: the time in the tag."""
    return folder.name.rpartition("@")[2], str(folder)


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _line(error: Exception) -> str:
    said = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(said.split())[:200]
