"""What the documents say is so: the example runs, the commands exist, the links lead somewhere."""

import ast
import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch

from esd_bench import plugins
from esd_bench.methods import Predictions, View
from esd_bench.store import RunStore
from tests.pipeline.command import command

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
each = pytest.mark.parametrize("page", PAGES, ids=lambda x: x.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def mine(tmp_path) -> Path:
    """The method of docs/adding_things.md as a file of the user's."""
    (code,) = blocks(ROOT / "docs/adding_things.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    path = tmp_path / "mine.py"
    path.write_text(code)
    return path


def test_the_ten_line_method_is_its_equation(mine):
    method = plugins.load("methods", str(mine))(keep=0.25)
    text, camera, noise = torch.randn(3, 1, 2, 4, 3, 3)
    view = View(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor(0.0))
    residual = method.residual(Predictions(text=text, camera=camera, noise=noise, view=view))
    mean = (text - camera).mean(2, keepdim=True)
    torch.testing.assert_close(residual.mean(2, keepdim=True), 0.25 * mean)
    assert method.studies


def test_a_new_method_is_one_new_file(mine, tmp_path):
    """Acceptance: the file runs as ``--method ./mine.py``, resumes, and has a name in tables."""
    words = ["generate", "--method", mine, "--set", "keep=0.25", "--prompt", "a red cat"]
    words += ["--preset", "small", "--steps", "2,1", "--device", "cpu", "--out", tmp_path / "runs"]
    done = command(*words)
    assert done.code == 0, done.err
    (run,) = RunStore(tmp_path / "runs").find()
    assert run.record.status == "finished"
    assert run.spec.method.get("keep") == 0.25
    assert run.record.label == "MINE"
    assert "nothing is missing" in command(*words).out


def _options(words: list[str]) -> tuple[str, set[str]]:
    """Where a command line goes, and the options that are known there."""
    from typer.main import get_command

    from esd_bench.cli import app

    command, path = get_command(app), "esd-bench"
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command, path = command.commands[word], f"{path} {word}"
    assert not hasattr(command, "commands"), f"{path} {words[:1]} is no command"
    return path, {x for p in command.params for x in (*p.opts, *p.secondary_opts)}


@each
def test_every_command_exists_with_its_options(page):
    text = "\n".join(blocks(page, "bash") + blocks(page, "sh")).replace("\\\n", " ")
    inline = re.findall(r"`(esd-bench [a-z][^`]*)`", page.read_text())
    lines = [x for x in text.splitlines() if x.startswith("esd-bench ")] + inline
    for line in lines:
        words = [word for word in shlex.split(line, comments=True)[1:] if word != "…"]
        path, known = _options(words)
        used = {word.split("=")[0] for word in words if word.startswith("-")} - {"--help", "-h"}
        assert used <= known, f"{path} has no {used - known}: {line}"


@each
def test_every_benchmark_exists(page):
    for name in re.findall(r"python (benchmarks/\w+\.py)", page.read_text()):
        assert (ROOT / name).is_file(), name


@each
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


@each
def test_every_named_file_exists(page):
    named = re.findall(
        r"`((?:esd_bench|tests|docs|prompts|reports|benchmarks)/[\w/.]+)`", page.read_text()
    )
    for name in named:
        assert (ROOT / name).exists(), name


MODULES = [f"metrics.{name}" for name in plugins.names("metrics")] + ["plugins", "stats", "cameras"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_right(name):
    found = doctest.testmod(importlib.import_module(f"esd_bench.{name}"))
    assert found.failed == 0


def _code(text: str, name: str) -> str:
    """A function as code alone."""
    (found,) = (
        x for x in ast.parse(text).body if isinstance(x, ast.FunctionDef) and x.name == name
    )
    if ast.get_docstring(found):
        found.body = found.body[1:]
    return ast.unparse(found)


@each
def test_a_method_that_is_quoted_is_the_method(page):
    for block in blocks(page, "python"):
        for name in re.findall(r"^def (\w+)\(", block, re.MULTILINE):
            path = ROOT / "esd_bench/methods" / f"{name}.py"
            if path.is_file():
                assert _code(block, name) == _code(path.read_text(), name)
