"""The wheel holds everything that a run needs, and works where there is no checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from the checkout with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*command, "--wheel-dir", str(folder)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def outside(wheel: Path, folder: Path, *command: str) -> str:
    """What a command prints that sees the wheel's files in place of the checkout's."""
    site = wheel.with_name("site")
    if not site.exists():
        zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_shipped_file_is_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = ("*.py", "*.safetensors", "*.json", "*.html", "*.css", "*.js", "py.typed")
    package = {
        path.relative_to(ROOT).as_posix()
        for kind in kept
        for path in (ROOT / "esd_bench").rglob(kind)
        if "__pycache__" not in path.parts
    }
    data = {f"esd_bench/_data/prompts/{x.name}" for x in (ROOT / "prompts").glob("*.toml")}
    data |= {
        f"esd_bench/_data/published/{x.name}" for x in (ROOT / "reports/published").glob("*.csv")
    }
    assert len(data) >= 8
    data.add("esd_bench/_data/docs/metrics_traps.md")
    assert any("weights/embedded/unet" in x for x in names)
    assert package | data <= names
    assert not [x for x in names if x.startswith(("tests", "benchmarks", "docs"))]


def test_suites_and_published_tables_are_found_outside_a_checkout(wheel, tmp_path):
    code = (
        "import esd_bench, esd_bench.prompts as p, esd_bench.published as t\n"
        "print(esd_bench.__file__, *(len(p.load_suite(x).prompts) for x in p.suite_names()))\n"
        "print(t.load(1).to_csv())"
    )
    said = outside(wheel, tmp_path, "-c", code)
    assert str(wheel.with_name("site")) in said
    assert said.count(",esd,fid,") == 1


@pytest.mark.slow
def test_a_run_is_made_scored_and_reported_outside_a_checkout(wheel, tmp_path):
    program = ("-c", "from esd_bench.cli import main; main()")
    outside(
        wheel,
        tmp_path,
        *program,
        "generate",
        "-m",
        "esd",
        "--prompt",
        "a red cat",
        "--steps",
        "3,2",
        "--out",
        "runs",
    )
    outside(wheel, tmp_path, *program, "score", "runs")
    assert "ESD" in outside(
        wheel, tmp_path, *program, "report", "runs", "--table", "1", "--format", "csv"
    )
    outside(wheel, tmp_path, *program, "report", "--published", "--table", "1")
