"""YAML as threestudio's OmegaConf reads it: every string quoted, ``1e-15`` a number, no dates."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

_FLOAT = re.compile(
    r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


def read(path: Path) -> dict[str, Any]:
    """A mapping from a file.

    Raises:
        ValueError: naming the file.
    """
    yaml, loader, _ = _tools()
    try:
        return dict(yaml.load(path.read_text(encoding="utf-8"), loader))  # a SafeLoader
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {path}: {' '.join(str(error).split())[:200]}") from None


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a mapping; what looks like a number, a boolean or a list in a prompt stays a text."""
    yaml, _, dumper = _tools()
    text = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10**6)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def merged(base: Any, over: Any) -> Any:
    """Mappings merged to the bottom; anything else is replaced, and None takes a key away."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    both = {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}
    return {key: value for key, value in both.items() if key not in over or over[key] is not None}


@lru_cache(maxsize=1)
def _tools() -> tuple[Any, Any, Any]:
    """PyYAML with a loader and a dumper that agree with OmegaConf."""
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "threestudio's settings are YAML; pip install 'esd-bench[threestudio]'"
        ) from None

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, x) for tag, x in found if not tag.endswith((":float", ":timestamp"))]
            for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    Dumper.add_representer(
        str, lambda dumper, x: dumper.represent_scalar("tag:yaml.org,2002:str", x, style='"')
    )
    return yaml, Loader, Dumper
