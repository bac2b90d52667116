"""Plugins by enumeration: a file name is a plugin's name, its function of that name makes it.

    names("methods")                      -> ["debiased_sds", "esd", ...]
    load("methods", "esd")                -> the function
    bind(esd, {"lambda": "0.5"})          -> {"scale": 7.5, "entropy": 0.5, "camera_dropout": 0.5}

Keyword arguments of the function are the configuration; positional-only ones are what the machinery hands it.
"""

import importlib
import importlib.util
import inspect
import json
import pkgutil
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

KINDS = (
    "methods",
    "schedules",
    "students",
    "priors",
    "scenes",
    "renderers",
    "metrics",
    "embedders",
    "tables",
    "engines",
    "executors",
    "adapters",
)


def names(kind: str) -> list[str]:
    """The plugins of a kind, by enumerating its folder."""
    package = importlib.import_module(f"esd_bench.{kind}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_")


def load(kind: str, name: str) -> Callable[..., Any]:
    """The function of a plugin, by name (``-`` or ``_``) or by the path of a user's own file (``./mine.py``).

    Raises:
        ValueError: one line that lists the real ones.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    plain = name.replace("-", "_")
    if plain not in names(kind):
        raise ValueError(f"no {kind.rstrip('s')} {name!r}; there are: {', '.join(names(kind))}")
    return _function(importlib.import_module(f"esd_bench.{kind}.{plain}"), plain)


def _from_file(path: Path) -> Callable[..., Any]:
    if not path.is_file():
        raise ValueError(f"no file {path}")
    module_spec = importlib.util.spec_from_file_location(f"esd_bench_user_{path.stem}", path)
    assert module_spec is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        # Byte code would be that of the file before an edit, if the edit is of the same second and keeps the size.
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except Exception as error:
        raise ValueError(f"{path} does not import: {type(error).__name__}: {error}") from None
    return _function(module, path.stem.replace("-", "_"))


def _function(module: types.ModuleType, name: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"{module.__file__} must define a function {name}(...)")
    return function


def options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a plugin: its configuration."""
    kept = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {x.name: x for x in inspect.signature(function).parameters.values() if x.kind in kept}


def symbols(function: Callable[..., Any]) -> dict[str, Any]:
    """Options that have a second name: option -> :class:`esd_bench.types.Symbol`."""
    hints = get_type_hints(function, include_extras=True)
    marked = [
        (name, extra)
        for name in options(function)
        for extra in getattr(hints.get(name), "__metadata__", ())
    ]
    if not marked:
        return {}
    # Only where there is something to find: that module imports torch, which reports do without.
    from esd_bench.types import Symbol

    return {name: extra for name, extra in marked if isinstance(extra, Symbol)}


def bind(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a plugin with the given ones put in, checked and converted; nothing is called.

    Strings (from a command line) are converted to the annotated type.

    Raises:
        ValueError: for an unknown option or a value of the wrong type, listing what would do.
    """
    known = options(function)
    aliases = {symbol.alias: name for name, symbol in symbols(function).items()}
    hints = get_type_hints(function)
    values = {
        name: p.default for name, p in known.items() if p.default is not inspect.Parameter.empty
    }
    for key, value in given.items():
        name = aliases.get(key, key.replace("-", "_"))
        if name not in known:
            raise ValueError(
                f"{function.__name__} has no option {key!r}; it has: {', '.join(known) or 'none'}"
            )
        values[name] = convert(value, hints.get(name, Any), f"{function.__name__}.{name}")
    missing = [name for name in known if name not in values]
    if missing:
        raise ValueError(f"{function.__name__} needs the option {missing[0]!r}")
    return values


def convert(value: Any, wanted: Any, what: str) -> Any:
    """A value as the annotated type: numbers, booleans, strings, literals, tuples of these, and None where allowed.

    Raises:
        ValueError: when it can't be that.
    """
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _first(value, get_args(wanted), what)
    if origin is Literal:
        for one in get_args(wanted):
            if value == one or value == str(one):
                return one
        raise ValueError(f"{what} is one of {', '.join(map(str, get_args(wanted)))}, not {value!r}")
    if origin is tuple:
        return _several(value, get_args(wanted), what)
    return _plain(value, wanted, what)


def _first(value: Any, wanted: tuple[Any, ...], what: str) -> Any:
    for one in wanted:
        try:
            return convert(value, one, what)
        except ValueError:
            continue
    raise ValueError(f"{what} can't be {value!r}")


def _several(value: Any, wanted: tuple[Any, ...], what: str) -> tuple[Any, ...]:
    parts = _parts(value)
    kinds = [wanted[0]] * len(parts) if len(wanted) == 2 and wanted[1] is Ellipsis else list(wanted)
    if len(kinds) != len(parts):
        raise ValueError(f"{what} needs {len(kinds)} values joined by commas, not {value!r}")
    return tuple(convert(part, kind, what) for part, kind in zip(parts, kinds, strict=True))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.split(",") if value else []
    return list(value) if isinstance(value, Sequence) else [value]


def _plain(value: Any, wanted: Any, what: str) -> Any:
    if wanted is Any or (wanted is str and isinstance(value, str)):
        return value
    if wanted is type(None):
        if value is None or value in ("none", "None", ""):
            return None
        raise ValueError(f"{what} is not none")
    try:
        parsed = (
            json.loads(value.lower() if value in ("True", "False") else value)
            if isinstance(value, str)
            else value
        )
    except json.JSONDecodeError:
        raise ValueError(f"{what} needs {wanted.__name__}, not {value!r}") from None
    if wanted is bool and isinstance(parsed, bool):
        return parsed
    number = isinstance(parsed, int | float) and not isinstance(parsed, bool)
    number = number and abs(parsed) <= sys.float_info.max  # neither infinite nor NaN
    if wanted is int and number and parsed == int(parsed):
        return int(parsed)
    if wanted is float and number:
        return float(parsed)
    raise ValueError(f"{what} needs {wanted.__name__}, not {value!r}")


def summary(function: Callable[..., Any]) -> str:
    """The first line of a plugin's docstring."""
    return (inspect.getdoc(function) or "").split("\n")[0]
