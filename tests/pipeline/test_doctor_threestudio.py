"""The doctor of threestudio: what is missing is named, with the reason."""

import stat
import sys
from pathlib import Path

import pytest

from esd_bench.doctor import check_threestudio, threestudio
from esd_bench.engines._threestudio_config import COARSE, LATER
from tests.engines.checkout import checkout
from tests.pipeline.command import command

TOLD = '{"python": "3.10.1", "found": %s, "gpu": ["H100", 85899345920]}'
GOOD = dict.fromkeys(threestudio.PACKAGES, "0.1")


def interpreter(folder: Path, told: str) -> str:
    """A program that answers as threestudio's Python would."""
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\ncat <<'E'\nnoise\n{told}\nE\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def facts(folder: Path | str, python: str = sys.executable) -> dict[str, threestudio.Fact]:
    return {x.name: x for x in check_threestudio(str(folder), python)}


def said(found: dict[str, str]) -> str:
    return TOLD % str(found).replace("'", '"')


def test_all_is_well(tmp_path):
    python = interpreter(tmp_path, said(GOOD))
    found = facts(checkout(tmp_path / "home"), python)
    assert [x for x in found.values() if x.advice] == []
    assert found["GPU"].value == "H100, 80 GiB"
    done = command(
        *("doctor", "--engine", "threestudio", "--threestudio", tmp_path / "home"),
        *("--set", f"engine.python={python}"),
    )
    assert done.code == 0, done.out


def test_nothing_is_there(tmp_path):
    done = command("doctor", "--engine", "threestudio", "--set", "engine.python=no-such-python")
    assert done.code == 2
    assert "threestudio: missing; say where it is, --threestudio DIR" in done.out
    assert "interpreter no-such-python: missing" in done.out
    assert "no launch.py" in facts(tmp_path, "no-such-python")["threestudio"].value


@pytest.mark.parametrize("name", ["configs/prolificdreamer.yaml", threestudio.TETS])
def test_files_that_are_missing(tmp_path, name):
    home = checkout(tmp_path / "home")
    (home / name).unlink()
    assert facts(home, interpreter(tmp_path, said(GOOD)))[name].value == "missing"


@pytest.mark.parametrize(
    ("found", "name", "why"),
    [
        ({**GOOD, "diffusers": "0.20.1"}, "diffusers", "LoRA classes"),
        ({**GOOD, "huggingface_hub": "0.26.0"}, "huggingface_hub", "0.26"),
        ({k: v for k, v in GOOD.items() if k != "tinycudann"}, "tinycudann", "nvcc"),
    ],
)
def test_packages_that_will_not_do(tmp_path, found, name, why):
    told = facts(checkout(tmp_path / "home"), interpreter(tmp_path, said(found)))
    assert [x.name for x in told.values() if x.advice] == [name]
    assert why in told[name].advice


def test_this_interpreter_can_be_asked(tmp_path):
    found = facts(checkout(tmp_path / "home"))
    assert found["torch"].value[0].isdigit()
    assert found["tinycudann"].value == "missing"
    assert found["diffusers"].advice


def test_an_interpreter_that_does_not_work(tmp_path):
    found = check_threestudio("", interpreter(tmp_path, "no JSON"))
    assert "does not work" in [x.value for x in found]


def test_engine_and_doctor_look_for_the_same_files():
    assert {*COARSE.values(), *LATER} == set(threestudio.CONFIGS)
