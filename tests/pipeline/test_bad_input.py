"""Bad input at the command line: one clear line on stderr, exit code 2, no traceback, nothing lost."""

import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from esd_bench.store import RunStore
from tests.pipeline.command import Said, command, only, quick, views
from tests.tiny_prior import folder


def refused(*words: object) -> str:
    """The one line."""
    said = command(*words)
    assert said.code == 2, said
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("error"), said.err
    assert "Traceback" not in said.out + said.err
    return lines[0]


@contextmanager
def full_disk(left: int) -> Iterator[None]:
    """Every file that grows beyond ``left`` bytes fails, as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one finished run."""
    out = tmp_path_factory.mktemp("made") / "runs"
    assert command(*quick(out, "-m", "sds")).code == 0
    return out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "esdd"], "no method 'esdd'; there are:"),
        (["-m", "./none.py"], "no file none.py"),
        (["--set", "entropie=1"], "has no option 'entropie'; it has: scale, entropy"),
        (["--set", "entropy=much"], "entropy needs float, not 'much'"),
        (["--set", "entropy"], "not of the form option=value"),
        (["--set", "student.rang=4"], "lora has no option 'rang'"),
        (["--set", "motor.rank=4"], "geometry, texture, prior, schedule or engine"),
        (["--set", "scene.grids=a,b"], "grids needs int"),
        (["--set", "scene.grids=9,3"], "grids need growing sizes"),
        (["--prompts", "none.toml"], "no prompt suite or file 'none.toml'; suites:"),
        (["--prompt", ""], "a prompt must not be empty"),
        (["--prompt", "x", "--prompts", "demo"], "not both"),
        (["--prior", "/nowhere/at/all"], "no folder '/nowhere/at/all'"),
        (["--scene", "mesh"], "no scene 'mesh'"),
        (["--schedule", "linear"], "no schedule 'linear'"),
        (["--student", "good"], "no student 'good'"),
        (["--preset", "best"], "no preset 'best'"),
        (["--steps", "-5"], "whole numbers from 1"),
        (["--steps", "1.5"], "whole numbers from 1"),
        (["--steps", "1,2,3"], "2 stages, not 3"),
        (["--seeds", "many"], "seeds are"),
        (["--seeds", "2-0"], "seeds go up"),
        (["--seeds", "99999999999999999999"], "below 2^62"),
        (["--shard", "2/2"], "a shard is I/N"),
        (["--shard", "half"], "a shard is I/N"),
        (["--pack", "0"], "--pack"),
        (["--workers", "two"], "--workers"),
        (["--executor", "moon"], "no executor 'moon'; there are: processes, ray, serial"),
        (["--address", "auto"], "--address is for --executor ray"),
        (["--executor", "serial", "--workers", "2"], "--workers is for --executor processes"),
        (["--executor", "ray", "--device", "cuda:1"], "Ray says which GPU a pack has"),
        (["--device", "tpu"], "no device 'tpu'"),
        (["--pin", "none.json"], "cannot read none.json"),
        (["--colour", "red"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_generate_refuses(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    given = [] if {"--prompt", "--prompts"} & set(words) else ["--prompt", "a red cat"]
    assert said in refused("generate", *given, *words)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_broken_file_of_prompts_is_named(tmp_path):
    for name, content in {
        "a.toml": "[[prompt",
        "b.toml": "",
        "c.txt": "\n",
        "d.toml": "x = 1",
    }.items():
        (tmp_path / name).write_text(content)
        line = refused("generate", "--prompts", tmp_path / name)
        assert "prompt" in line


def test_a_method_file_with_a_mistake_is_named(tmp_path):
    (tmp_path / "mine.py").write_text("def mine(:\n")
    assert "SyntaxError" in refused("generate", "-m", tmp_path / "mine.py")
    (tmp_path / "mine.py").write_text("def other(): pass\n")
    assert "must define a function mine(...)" in refused("generate", "-m", tmp_path / "mine.py")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_corrupt_weights_of_a_prior_are_named(tmp_path, part):
    copy = shutil.copytree(folder(), tmp_path / "prior")
    (weights,) = (copy / part).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-5])
    words = quick(tmp_path / "runs", "--prior", copy)
    assert part in refused(*words)
    assert not list((tmp_path / "runs").rglob("*.json")), "nothing was begun"


def test_a_file_that_is_not_pinned_is_refused(tmp_path):
    (tmp_path / "pins.json").write_text(json.dumps({"unet/config.json": "0" * 64}))
    line = refused(*quick(tmp_path / "runs", "--pin", tmp_path / "pins.json"))
    assert "SHA-256" in line
    assert "pinned is" in line


def test_an_empty_folder_of_runs(tmp_path):
    assert "no finished runs" in refused("score", tmp_path)
    for table in ("1", "2", "3", "collapse"):
        assert str(tmp_path) in refused("report", tmp_path, "--table", table)
    assert "nowhere" in refused("score", tmp_path / "nowhere")
    assert "nowhere" in refused("report", tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder(tmp_path):
    place = tmp_path / "runs"
    place.write_text("precious")
    assert str(place) in refused(*quick(place, "-m", "sds"))
    refused("score", place)
    assert place.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path):
    place = tmp_path / "runs"
    place.mkdir(mode=0o500)
    assert "Permission denied" in refused(*quick(place, "-m", "sds"))


def test_a_file_in_place_of_a_run_s_folder(made, tmp_path):
    """As a read-only folder, for those whom no folder refuses."""
    (tmp_path / "ad-hoc").write_text("")
    assert "ad-hoc" in refused(*quick(tmp_path, "-m", "sds"))


@pytest.mark.parametrize(
    ("left", "checkpoint", "begun"),
    [(10, 2, False), (2_000, 1000, True), (20_000, 1000, True), (20_000, 2, False)],
    ids=["spec", "views", "scene", "checkpoint"],
)
def test_a_full_disk_loses_nothing(made, tmp_path, left, checkpoint, begun):
    """What fits decides where it stops; with space again the same command ends as if nothing had been.

    ``begun``: whether it was stopped at or after the views, not before.
    """
    words = [*quick(tmp_path, "-m", "sds"), "--checkpoint", checkpoint]
    with full_disk(left):
        line = refused(*words)
    assert "large" in line or "cannot write" in line
    assert bool([*tmp_path.rglob("views")]) == begun
    assert RunStore(tmp_path).find() == []
    assert command(*words).code == 0
    assert views(tmp_path) == views(made)
    assert not list(tmp_path.rglob(".*"))


def test_a_truncated_picture_is_named_and_the_rest_is_scored(made, tmp_path):
    runs = shutil.copytree(made, tmp_path / "runs")
    assert command(*quick(runs, "-m", "sds", "--seeds", "1")).code == 0
    broken, whole = only(runs, seed=0), only(runs, seed=1)
    picture = broken.views_folder("ring:15:8") / "007.png"
    picture.write_bytes(picture.read_bytes()[:100])
    line = refused("score", runs, "--metric", "janus", "--embedder", "oracle=embedded")
    assert str(picture) in line
    assert (whole.folder / "scores" / "janus.json").is_file()
    assert not (broken.folder / "scores").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score", "--metric", "beauty"], "no metric 'beauty'"),
        (["score", "--background", "plaid"], "plaid"),
        (["score", "--views", "cube:8"], "cube"),
        (["score", "--embedder", "clip"], "clip"),
        (["report", "--table", "9"], "9"),
        (["report", "--format", "pdf"], "pdf"),
        (["report", "--only", "colour=red"], "colour"),
        (["report", "--published", "--table", "4"], "tables 1, 2 and 3"),
        (["reference", "verify", "--root", "nowhere"], "nowhere"),
        (["prompts", "list", "nothing"], "no prompt suite or file 'nothing'"),
        (["prompts", "import", "none.json", "-o", "x.toml"], "none.json"),
        (["list", "colours"], "no kind 'colours'"),
        (["illustrate", "cubes"], "No such command 'cubes'"),
        (["doctor", "--prior", "/nowhere"], "no folder '/nowhere'"),
        (["doctor", "--prior", "embedded", "--prompt", "a"], "two prompts or more"),
        (["embedded", "export", "huge", "-o", "x"], "no embedded prior 'huge'"),
        (["paint"], "No such command 'paint'"),
    ],
    ids=lambda value: " ".join(map(str, value[:3])) if isinstance(value, list) else "",
)
def test_other_commands_refuse(made, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    where = [made] if words[0] in ("score", "report") and "--published" not in words else []
    assert said in refused(words[0], *where, *words[1:])


def test_broken_records_are_named_by_what_reads_them(made, tmp_path):
    runs = shutil.copytree(made, tmp_path / "runs")
    (only(runs).folder / "record.json").write_text("{")
    for words in (("score", runs), ("report", runs)):
        assert "record.json" in refused(*words)


def test_a_doctor_who_finds_a_fault_says_so_by_exit_code():
    said: Said = command("doctor", "--prior", folder(), "--steps", "1")
    assert said.code == 2
    assert "likely fault: " in said.out
