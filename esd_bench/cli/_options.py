"""What commands have in common: options, and words turned into values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer


def pairs_of(items: Sequence[str] | None) -> dict[str, str]:
    """``key=value`` items as a mapping."""
    pairs = [item.split("=", 1) for item in items or ()]
    for pair in pairs:
        if len(pair) != 2 or not pair[0]:
            raise ValueError(f"{'='.join(pair)!r} is not of the form option=value")
    return {key.strip(): value.strip() for key, value in pairs}


def choices(items: Sequence[str] | None) -> dict[str, list[str]]:
    """``key=value`` items as key -> values: of one key any, of several keys all."""
    found: dict[str, list[str]] = {}
    for item in items or ():
        for key, value in pairs_of([item]).items():
            found.setdefault(key, []).append(value)
    return found


def given(**options: Any) -> dict[str, Any]:
    """The options that somebody gave."""
    return {name: value for name, value in options.items() if value is not None}


def grouped(pairs: dict[str, str]) -> dict[str, dict[str, str]]:
    """``--set`` values by plugin kind: ``student.rank=8`` is the student's, ``entropy=0.5`` the method's."""
    groups: dict[str, dict[str, str]] = {}
    for key, value in pairs.items():
        kind, _, option = key.rpartition(".")
        groups.setdefault(kind or "method", {})[option] = value
    known = ("method", "student", "scene", "geometry", "texture", "prior", "schedule", "engine")
    unknown = set(groups) - set(known)
    if unknown:
        raise ValueError(
            f"--set {sorted(unknown)[0]}.…: use {', '.join(known[:-1])} or {known[-1]}"
        )
    return groups


def seeds_of(text: str) -> list[int]:
    """``0``, ``0-2`` or ``0,3,5``."""
    try:
        ends = [part.partition("-")[::2] for part in text.split(",")]
        spans = [(int(first), int(last or first)) for first, last in ends]
    except ValueError:
        raise ValueError(f"seeds are 0, 0-2 or 0,3,5, not {text!r}") from None
    count = sum(last - first + 1 for first, last in spans)
    if count > 10**6 or any(last < first or last >= 2**62 for first, last in spans):
        raise ValueError(f"seeds go up, are below 2^62, and at most a million, not {text!r}")
    return [seed for first, last in spans for seed in range(first, last + 1)]


def whole(text: str | None) -> tuple[int, ...]:
    """``900,200`` as numbers."""
    try:
        numbers = tuple(int(x) for x in text.split(",")) if text else ()
    except ValueError:
        numbers = (0,)
    if any(n < 1 for n in numbers):
        raise ValueError(f"steps are whole numbers from 1 joined by commas, not {text!r}")
    return numbers


def numbers(text: str) -> tuple[float, ...]:
    """``0,90,180`` as numbers."""
    try:
        return tuple(float(x) for x in text.split(","))
    except ValueError:
        raise ValueError(f"numbers joined by commas, not {text!r}") from None


def device_of(name: str, executor: str = "", gpus: float | None = None) -> str:
    """A device by name; packs on a cluster are not for this machine's, and see no GPU but those that Ray gives them."""
    import torch

    if executor == "ray" and (gpus or name.startswith("cuda")):
        if name not in ("auto", "cuda"):
            raise ValueError(f"Ray says which GPU a pack has; use --device cuda, not {name}")
        return "cuda"

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("no CUDA device here; use --device cpu")
    if name != "cpu" and not name.startswith("cuda"):
        raise ValueError(f"no device {name!r}; use cpu or cuda")
    return name


def executor_of(
    name: str, device: str, workers: int | None, address: str | None, gpus: float | None
) -> Any:
    """An executor with its options; None is this process."""
    from esd_bench import plugins

    chosen = name or ("processes" if (workers or 1) > 1 else "serial")
    wanted = given(workers=workers if name or workers != 1 else None, address=address, gpus=gpus)
    if chosen == "ray":
        wanted.setdefault("gpus", float(device == "cuda"))
    if chosen == "serial" and wanted:
        other = "processes" if "workers" in wanted else "ray"
        raise ValueError(f"--{next(iter(wanted))} is for --executor {other}")
    factory = plugins.load("executors", chosen)
    bound = plugins.bind(factory, wanted)
    return None if chosen == "serial" else factory(**bound)


def engine_options(name: str, home: Path | None, given: Sequence[str] | None) -> dict[str, Any]:
    """An engine's options: ``--set engine.…`` and, of threestudio, where it is."""
    from esd_bench import plugins

    if home and name != "threestudio":
        raise ValueError("--threestudio is for --engine threestudio")
    place = {"folder": str(home)} if home else {}
    return plugins.bind(
        plugins.load("engines", name), {**grouped(pairs_of(given)).get("engine", {}), **place}
    )


def variants(
    methods: Sequence[str], preset: str, given: Sequence[str] | None, **words: Any
) -> list[Any]:
    """A run template per method; a method option goes to the methods that have it."""
    from esd_bench import plugins
    from esd_bench.presets import Settings
    from esd_bench.presets import preset as make

    groups = grouped(pairs_of(given))
    options = groups.get("method", {})
    functions = {name: plugins.load("methods", name) for name in methods}
    accepted = {
        name: {*plugins.options(f), *(s.alias for s in plugins.symbols(f).values())}
        for name, f in functions.items()
    }
    for key in options:
        if not any(key.replace("-", "_") in names for names in accepted.values()):
            plugins.bind(next(iter(functions.values())), {key: options[key]})
    return [
        make(
            preset,
            Settings(
                method=name,
                options={k: v for k, v in options.items() if k.replace("-", "_") in accepted[name]},
                prior_options=groups.get("prior"),
                scene_options=groups.get("scene"),
                schedule_options=groups.get("schedule"),
                student_options=groups.get("student"),
                geometry_options=groups.get("geometry"),
                texture_options=groups.get("texture"),
                **words,
            ),
        )
        for name in methods
    ]


Out = Annotated[Path, typer.Option("--out", "-o", help="The folder of runs.")]

EngineName = Annotated[str, typer.Option("--engine", help="native, or threestudio.")]

Threestudio = Annotated[
    Path | None, typer.Option("--threestudio", help="A checkout of threestudio.")
]

Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: the GPU if there is one.")]

ExecutorName = Annotated[
    str, typer.Option("--executor", help="serial, processes or ray: an existing cluster.")
]

Workers = Annotated[int | None, typer.Option(min=1, help="Processes side by side (CPU).")]

Address = Annotated[
    str | None, typer.Option(help="Of the Ray cluster: auto finds it, local starts one.")
]

Gpus = Annotated[
    float | None, typer.Option(min=0, help="Of each pack on the cluster. Default: 1 for cuda.")
]
