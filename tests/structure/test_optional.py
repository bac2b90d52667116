"""Without an optional package everything else works, and what needs it names the extra to install."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from esd_bench import plugins
from tests.structure.test_imports import OPTIONAL, python

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]


def without(packages: list[str], code: str) -> str:
    """What an interpreter without some packages prints."""
    done = python(f"import sys\nsys.modules.update(dict.fromkeys({packages}))\n{code}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_import_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ImportError) as error:
        plugins.load("embedders", "imagenet")(torch.device("cpu"))
    (extra,) = re.findall(r"esd-bench\[(\w+)\]", str(error.value))
    assert "efficientnet-lite-pytorch" in " ".join(EXTRAS[extra]).replace("_", "-")


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
