import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from esd_bench.spec import RunSpec
from esd_bench.store import RunRecord, RunStore, read_json, write_json
from tests.specs import spec

SCENE = {"density": torch.arange(6.0).reshape(1, 2, 3)}


def finished(store: RunStore, made: RunSpec, **record: object) -> None:
    with store.begin([made]):
        store.finish(made, RunRecord("finished", **record), SCENE)  # type: ignore[arg-type]


def visible(folder: Path) -> set[str]:
    return {x.name for x in folder.iterdir() if x.name[0] != "."}


@contextmanager
def no_space(left: int) -> Iterator[None]:
    """Every file that grows beyond ``left`` bytes fails, as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_running_again_is_resuming(runs):
    specs = [spec(seed=i) for i in range(3)]
    assert runs.missing(specs) == specs
    finished(runs, specs[1])
    assert runs.missing(specs) == [specs[0], specs[2]]
    with runs.begin([specs[0]]):
        runs.checkpoint(specs[0], SCENE, 1)
    assert runs.missing(specs) == [specs[0], specs[2]], "a checkpoint finishes nothing"


def test_a_finished_run_is_found_with_everything_that_was_said(runs):
    made = spec(seed=3)
    record = RunRecord("failed", reason="empty", seconds=1.5, versions={"torch": "2"}, width=4)
    with runs.begin([made]):
        runs.log(made, {"step": 1})
        runs.log(made, {"step": 2})
        run = runs.finish(made, record, SCENE)
    (found,) = runs.find()
    assert (found.spec, found.record, found.id) == (made, record, made.id)
    assert found.folder == run.folder == runs.folder(made)
    assert visible(found.folder) == {"spec.json", "record.json", "log.jsonl", "scene.safetensors"}
    lines = (found.folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert not list(found.folder.glob(".*")), "nothing hidden is left"
    assert not list(found.folder.parent.glob(".*"))


def test_find_filters(runs):
    for text, seed, suite in [
        ("a cat", 0, "x"),
        ("a cat", 1, "x"),
        ("a dog", 0, "x"),
        ("a cat", 0, "y"),
    ]:
        finished(runs, spec(text, seed=seed, suite=suite))
    counts = {
        2: {"suite": "x", "prompt": "a-cat"},
        3: {"seed": 0},
        1: {"suite": "y"},
        0: {"status": "failed"},
        4: {"method": "esd"},
    }
    for count, filters in counts.items():
        assert len(runs.find(**filters)) == count, filters
    assert RunStore("/nowhere/at/all").find() == []


def test_a_checkpoint_comes_back_whole_and_only_the_last_one_stays(runs):
    made = spec()
    with runs.begin([made]):
        assert runs.resume(made) is None
        for step in (1, 2):
            runs.checkpoint(
                made, {"x": torch.full((1, 2), float(step)), "n": torch.tensor([step])}, step
            )
    state, step = runs.resume(made)
    assert step == 2
    assert torch.equal(state["x"], torch.full((1, 2), 2.0))
    assert state["n"].dtype == torch.int64


def test_slices_of_a_pack_can_be_stored(runs):
    pack = torch.arange(12.0).reshape(3, 4)
    with runs.begin([spec()]):
        runs.checkpoint(spec(), {"a": pack[1:2], "b": pack[1:2], "c": pack.T[:, 1:2]}, 1)
    state, _ = runs.resume(spec())
    assert torch.equal(state["a"], pack[1:2])
    assert torch.equal(state["c"], pack.T[:, 1:2])


@pytest.mark.parametrize("damage", [b"", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", b"nonsense" * 9])
def test_a_broken_checkpoint_counts_as_none(runs, damage):
    with runs.begin([spec()]):
        runs.checkpoint(spec(), SCENE, 1)
    path = runs.working(spec()) / "checkpoint.safetensors"
    path.write_bytes(damage)
    assert runs.resume(spec()) is None


def test_a_full_disk_is_an_os_error_and_loses_nothing(runs):
    made = spec()
    with runs.begin([made]):
        runs.checkpoint(made, SCENE, 1)
        before = visible(runs.working(made))
        with no_space(100):
            with pytest.raises(OSError, match="checkpoint"):
                runs.checkpoint(made, {"x": torch.zeros(1, 1000)}, 2)
            with pytest.raises(OSError, match="scene|large"):
                runs.finish(made, RunRecord("finished"), {"x": torch.zeros(1, 1000)})
            with pytest.raises(OSError, match="large"):
                write_json(runs.working(made) / "spec.json", list(range(1000)))
        assert visible(runs.working(made)) == before
        assert runs.resume(made)[1] == 1
        assert read_json(runs.working(made) / "spec.json") == made.to_json()
        assert not [x for x in runs.working(made).glob(".*") if x.name != ".lock"]
    assert runs.missing([made]) == [made]


def test_a_place_that_cannot_be_written_is_an_os_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    store = RunStore(tmp_path / "file")
    with pytest.raises(OSError, match="file"), store.begin([spec()]):
        pass
    assert store.find() == []
    assert store.missing([spec()]) == [spec()]


def test_what_a_killed_process_left_is_cleared_away(runs):
    made = spec()
    with runs.begin([made]):
        (runs.working(made) / ".tmpX1").write_text("half a checkpoint")
        (runs.working(made) / ".checkpoint.safetensors.77").write_text("another half")
        run = runs.finish(made, RunRecord("finished"), SCENE)
    assert not list(run.folder.glob(".*"))


def test_a_run_killed_before_its_rename_is_not_found(runs):
    made = spec()
    finished(runs, made)
    runs.folder(made).rename(runs.working(made))
    assert runs.find() == []
    assert runs.missing([made]) == [made]
    finished(runs, made)
    assert len(runs.find()) == 1


def test_a_pack_is_held_by_one_process(runs):
    pack = [spec(seed=0), spec(seed=1)]
    with runs.begin(pack):
        said = "another process is making a-red-cat/esd"
        with pytest.raises(BlockingIOError, match=said), runs.begin([pack[1]]):
            pass
        with runs.begin([spec(seed=2)]):
            pass
    with runs.begin(pack):
        pass


def _hold(root: Path, ready: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    with RunStore(root).begin([spec()]):
        ready.set()
        time.sleep(60)


def test_a_killed_process_holds_nothing(runs):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    child = context.Process(target=_hold, args=(runs.root, ready))
    child.start()
    assert ready.wait(20)
    with pytest.raises(BlockingIOError, match="another process"), runs.begin([spec()]):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    finished(runs, spec())
    assert runs.missing([spec()]) == []


def test_a_kill_in_the_middle_of_writing_leaves_the_last_checkpoint(runs, tmp_path):
    """Checkpoints are written without end until kill -9; what is read afterwards is whole."""
    code = (
        "import sys, torch\n"
        "from esd_bench.store import RunStore\n"
        "from tests.specs import spec\n"
        "store = RunStore(sys.argv[1])\n"
        "with store.begin([spec()]):\n"
        "    for step in range(10**9):\n"
        "        store.checkpoint(spec(), {'x': torch.full((1, 200_000), float(step))}, step)\n"
    )
    path = runs.working(spec()) / "checkpoint.safetensors"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(runs.root)], cwd=Path(__file__).parents[1]
    )
    try:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
    finally:
        child.kill()
        child.wait()
    state, step = runs.resume(spec())
    assert torch.equal(state["x"], torch.full((1, 200_000), float(step)))
    finished(runs, spec())
    assert not list(runs.folder(spec()).glob(".*"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("record.json", "{"),
        ("record.json", "3"),
        ("record.json", '{"colour": 1}'),
        ("record.json", ""),
        ("spec.json", "{"),
        ("spec.json", "{}"),
        ("spec.json", "[]"),
        ("spec.json", None),
    ],
)
def test_broken_json_names_the_file(runs, name, content):
    finished(runs, spec())
    path = runs.folder(spec()) / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ValueError, match=name) as error:
        runs.find()
    assert str(runs.folder(spec())) in str(error.value)
    assert "\n" not in str(error.value)


def test_scores_lie_beside_the_run(runs):
    finished(runs, spec())
    (run,) = runs.find()
    assert runs.scores(run) == {}
    runs.write_scores(run, "fid", {"value": 1.0})
    runs.write_scores(run, "fid", {"value": 2.0})
    runs.write_scores(run, "janus", {"value": None})
    assert runs.scores(run) == {"fid": {"value": 2.0}, "janus": {"value": None}}
    (run.folder / "scores" / "fid.json").write_text("{")
    with pytest.raises(ValueError, match="fid.json"):
        runs.scores(run)


def test_a_stage_is_shared_by_runs_that_begin_alike(runs):
    one = spec()
    both = replace(one, stages=(one.stages[0], replace(one.stages[0], floor=0.5)))
    other = replace(both, stages=(one.stages[0], replace(one.stages[0], floor=0.7)))
    with runs.begin([both]):
        runs.stage(both, 1, SCENE)
        assert runs.shared_stage(other, 1) is None, "not before it is finished"
        runs.finish(both, RunRecord("finished"), SCENE)
    scene, origin = runs.shared_stage(other, 1)
    assert origin == both.id
    assert torch.equal(scene["density"], SCENE["density"])
    assert runs.shared_stage(replace(other, seed=1), 1) is None
    assert runs.shared_stage(other, 2) is None


def test_failed_and_broken_runs_lend_no_stage(runs):
    one = spec()
    both = replace(one, stages=(one.stages[0], replace(one.stages[0], floor=0.5)))
    with runs.begin([one]):
        runs.finish(one, RunRecord("failed", "saturated"), SCENE)
    assert runs.shared_stage(both, 1) is None
    finished(runs, one)
    assert runs.shared_stage(both, 1) is not None
    (runs.folder(one) / "scene.safetensors").write_bytes(b"nonsense")
    assert runs.shared_stage(both, 1) is None
    (runs.folder(one) / "spec.json").write_text("{")
    assert runs.shared_stage(both, 1) is None


def test_a_run_killed_while_it_finishes_keeps_its_checkpoint(runs, monkeypatch):
    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    made = spec()
    with runs.begin([made]):
        runs.checkpoint(made, SCENE, 1)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", killed)
            with pytest.raises(KeyboardInterrupt):
                runs.finish(made, RunRecord("finished"), SCENE)
    assert runs.find() == []
    assert runs.resume(made)[1] == 1
    finished(runs, made)
    assert visible(runs.folder(made)) == {"spec.json", "record.json", "scene.safetensors"}


def test_making_a_run_again_replaces_it_whole(runs):
    finished(runs, spec(), reason="first")
    finished(runs, spec(), reason="second")
    (run,) = runs.find()
    assert run.record.reason == "second"
