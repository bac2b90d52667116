"""Without an optional package everything else works, and what needs it names the extra to install."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.structure.test_imports import OPTIONAL, python

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]

BLOCKED = [
    ("embedders", "imagenet", "torch.device('cpu')", "efficientnet_lite_pytorch"),
]
"""Kind, name, what the machinery hands over, and the package that is not there."""


def without(packages: list[str], code: str) -> str:
    """What an interpreter without some packages prints."""
    done = python(f"import sys\nsys.modules.update(dict.fromkeys({packages}))\n{code}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("kind", "name", "handed", "package"), BLOCKED)
def test_an_import_error_names_the_extra(kind, name, handed, package):
    said = without(
        [package],
        f"import torch\nfrom esd_bench import plugins\n"
        f"make = plugins.load({kind!r}, {name!r})\n"
        f"try:\n    make({handed})\nexcept ImportError as error:\n    print(error)\n",
    )
    (extra,) = re.findall(r"esd-bench\[(\w+)\]", said)
    assert package.replace("_", "-") in " ".join(EXTRAS[extra]).replace("_", "-")


def test_everything_is_listed_without_any_of_them():
    said = without(
        sorted(OPTIONAL),
        "from esd_bench import plugins\n"
        "for kind in plugins.KINDS:\n"
        "    for name in plugins.names(kind):\n"
        "        print(kind, name, plugins.bind(plugins.load(kind, name), {}))\n",
    )
    assert "methods esd" in said
    assert "priors stable_diffusion" in said
