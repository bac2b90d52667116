"""generate through the command line: resuming, killing, packs, workers, warm starts, a method of one's own, divergence."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esd_bench.cameras import protocol
from esd_bench.store import RunStore
from esd_bench.stored import look, stored_scene, views_of
from tests.pipeline.command import command, only, quick, views

ROOT = Path(__file__).parents[2]

SICK = '''
"""SDS whose residual may be NaN for one member of the pack."""
import torch
from esd_bench.methods import NULL, TEXT, Method, cfg

def sick(scale: float = 20.0, member: int = -1) -> Method:
    def residual(eps):
        found = cfg(eps.text, eps.null, scale) - eps.noise
        ill = torch.arange(len(found)) == member
        return torch.where(ill[:, None, None, None, None], torch.nan, found)
    return Method(residual, rows=(TEXT, NULL))
'''


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """ESD for two seeds, one after the other."""
    out = tmp_path_factory.mktemp("undisturbed") / "runs"
    said = command(*quick(out, "-m", "esd", "--seeds", "0-1"))
    assert said.code == 0, said.err
    return out


@pytest.fixture(scope="module")
def trio(tmp_path_factory) -> Path:
    """SDS for three seeds, side by side."""
    out = tmp_path_factory.mktemp("trio") / "runs"
    assert command(*quick(out, "-m", "sds", "--seeds", "0-2", "--pack", "3")).code == 0
    return out


def killed(act: Callable[[], object]) -> None:
    """Run a call in a child of this process, which must kill itself with -9."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def fatal(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, late: bool) -> None:
    """The n-th call of a function kills its process, before or after it has done its work."""
    function, calls, ended = getattr(owner, name), [], []

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == call and not late:
            give_up = time.monotonic() + 10
            while len(ended) < call - 1 and time.monotonic() < give_up:
                time.sleep(0.01)  # the calls before it may be other threads'
            os.kill(os.getpid(), signal.SIGKILL)
        made = function(*args, **kwargs)
        ended.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    monkeypatch.setattr(owner, name, wrapped)


def test_a_run_is_whole(undisturbed):
    run = only(undisturbed, seed=0)
    names = {"spec.json", "record.json", "log.jsonl", "scene.safetensors", "stage-1.safetensors"}
    assert {x.name for x in run.folder.iterdir()} == {
        *names,
        "views",
        "sheet.png",
        "turntable.webp",
    }
    assert run.record.status == "finished"
    assert (run.record.width, run.record.threads, run.record.warm_start) == (1, 1, "")
    assert len(run.record.files) == 9
    assert len({tuple(x.values()) for x in views(undisturbed).values()}) == 2, "seeds differ"


def test_the_second_time_nothing_is_missing(undisturbed):
    before = {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*")}
    said = command(*quick(undisturbed, "-m", "esd", "--seeds", "0-1"))
    assert (said.code, said.err) == (0, "")
    assert said.out == f"nothing is missing: 2 runs are finished in {undisturbed}\n"
    assert {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*")} == before


def test_kill_9_in_the_middle_changes_nothing(undisturbed, tmp_path):
    """The command in a process group of its own, killed as soon as there is a checkpoint."""
    words = quick(tmp_path / "runs", "-m", "esd")
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.command", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list(tmp_path.rglob("checkpoint.safetensors")) and time.monotonic() < deadline:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.005)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert RunStore(tmp_path / "runs").find() == []
    said = command(*words)
    assert said.code == 0, said.err
    assert views(tmp_path / "runs") == views(undisturbed, seed=0)
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    ("owner", "name", "call", "late", "step"),
    [
        (RunStore, "checkpoint", 3, True, 6),
        (RunStore, "stage", 1, True, 6),
        (RunStore, "checkpoint", 4, True, 8),
        (Path, "rename", 1, False, 8),
    ],
    ids=["end of a stage", "stage stored", "in a stage", "before the rename"],
)
def test_killed_at_any_moment(undisturbed, tmp_path, monkeypatch, owner, name, call, late, step):
    words, whole = quick(tmp_path, "-m", "esd"), only(undisturbed, seed=0)
    with monkeypatch.context() as patched:
        fatal(patched, owner, name, call, late)
        killed(lambda: command(*words))
    assert RunStore(tmp_path).find() == []
    assert RunStore(tmp_path).resume(whole.spec)[1] == step
    said = command(*words)
    assert said.code == 0, said.err
    run = only(tmp_path)
    assert run.record.views == whole.record.views
    assert {x.name for x in run.folder.iterdir()} == {x.name for x in whole.folder.iterdir()}
    assert not list(tmp_path.rglob(".*"))


def test_a_pack_killed_between_its_members_goes_on(trio, tmp_path, monkeypatch):
    """Two of three are finished when it dies; the last one is made in a pack of the same width."""
    words = quick(tmp_path, "-m", "sds", "--seeds", "0-2", "--pack", "3")
    with monkeypatch.context() as patched:
        fatal(patched, RunStore, "finish", 3, late=False)
        killed(lambda: command(*words))
    assert [run.spec.seed for run in RunStore(tmp_path).find()] == [0, 1]
    assert command(*words).code == 0
    assert views(tmp_path) == views(trio)
    assert [run.record.width for run in RunStore(tmp_path).find()] == [3, 3, 3]


@pytest.mark.slow
def test_two_workers_make_what_one_process_makes(undisturbed, tmp_path):
    assert command(*quick(tmp_path, "-m", "esd", "--seeds", "0-1", "--workers", "2")).code == 0
    assert views(tmp_path) == views(undisturbed)


def test_another_run_s_stage_is_taken_over(undisturbed, tmp_path):
    assert command(*quick(tmp_path, "-m", "sds")).code == 0
    assert command(*quick(tmp_path, "-m", "esd")).code == 0
    sds, esd = only(tmp_path, method="sds"), only(tmp_path, method="esd")
    assert (sds.record.warm_start, esd.record.warm_start) == ("", sds.id)
    assert esd.record.views == only(undisturbed, seed=0).record.views
    (line,) = (esd.folder / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 10, "only its own stage was made"


def test_a_broken_neighbour_is_passed_over(undisturbed, tmp_path):
    """Its stage is made anew; nothing that can be read is lost."""
    assert command(*quick(tmp_path, "-m", "sds")).code == 0
    only(tmp_path).scene_file.write_bytes(b"nonsense")
    stranger = tmp_path / "old" / "a" / "esd-voxels-s0-00000000"
    stranger.mkdir(parents=True)
    (stranger / "record.json").write_text("{}")
    assert command(*quick(tmp_path, "-m", "esd")).code == 0
    assert views(tmp_path, suite="ad-hoc", method="esd") == views(undisturbed, seed=0)


def test_what_is_asked_for_twice_is_made_once(tmp_path):
    said = command(*quick(tmp_path, "-m", "sds", "-m", "sds", "--seeds", "0,0", "--pack", "2"))
    assert said.code == 0, said.err
    assert only(tmp_path).record.status == "finished"


def test_a_method_is_one_new_file(tmp_path, monkeypatch):
    """The same equation gives the same views; an edited one gives a new run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SICK.replace("sick", "mine"))
    assert command(*quick(tmp_path, "-m", "sds", "-m", "./mine.py")).code == 0
    sds, mine = only(tmp_path, method="sds"), only(tmp_path, method="mine")
    assert (mine.record.label, mine.record.status) == ("MINE", "finished")
    assert mine.id.startswith("mine-voxels-s0-")
    assert mine.record.views == sds.record.views
    assert "nothing is missing" in command(*quick(tmp_path, "-m", "./mine.py")).out
    Path("mine.py").write_text(SICK.replace("sick", "mine").replace("20.0", "90.0"))
    assert command(*quick(tmp_path, "-m", "./mine.py")).code == 0
    assert len(RunStore(tmp_path).find(method="mine")) == 2


def test_a_member_that_diverges_fails_alone(trio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sick.py").write_text(SICK)
    words = quick(tmp_path, "-m", "./sick.py", "--seeds", "0-2", "--pack", "3", "--set", "member=1")
    said = command(*words)
    assert said.code == 0
    records = [run.record for run in RunStore(tmp_path).find()]
    assert [record.status for record in records] == ["finished", "failed", "finished"]
    assert records[1].reason == "not finite: a gradient was NaN or infinite"
    assert records[1].reason in said.err
    well, ill = views(trio), views(tmp_path)
    assert [well["sds", i] == ill["sick", i] for i in range(3)] == [True, False, True]
    assert "nothing is missing" in command(*words).out


def test_particles_share_a_student_and_resume(tmp_path, monkeypatch):
    words = ("-m", "vsd", "--particles", "2")
    assert command(*quick(tmp_path / "whole", *words)).code == 0
    run = only(tmp_path / "whole")
    assert run.spec.particles == 2

    def act() -> None:
        fatal(monkeypatch, RunStore, "checkpoint", 4, late=True)
        command(*quick(tmp_path / "broken", *words))

    killed(act)
    assert command(*quick(tmp_path / "broken", *words)).code == 0
    assert views(tmp_path / "broken") == views(tmp_path / "whole")


def test_views_that_were_not_stored_are_rendered_from_the_scene(undisturbed):
    run = only(undisturbed, seed=0)
    stored = views_of(run, "ring:15:8")
    again = look(stored_scene(run), protocol("ring:15:8", run.spec.view_size), "ring:15:8")
    assert again.digest == stored.digest
    some = views_of(run, "band:0:30:4")
    assert len(some) == 4
    assert not run.views_folder("band:0:30:4").exists()
