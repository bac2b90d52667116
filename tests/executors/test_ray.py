"""The Ray executor on a cluster of two nodes of this machine, of which one is killed now and then."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from esd_bench import score
from esd_bench.executors.serial import serial
from esd_bench.generate import generate
from esd_bench.store import RunStore
from tests.executors.test_executors import failing, run, toy
from tests.pipeline.test_score import World
from tests.specs import spec

pytest.importorskip("ray")

from esd_bench.executors.ray import ray

NOTES = '''
"""Notes who does what, and dies or waits on the way where the test asks for it."""
import os, signal, time
from pathlib import Path

HERE = Path(__file__).parent

def node():
    import ray
    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"

def note(what):
    (HERE / f"{node()}.pid").write_text(str(os.getpid()))
    with (HERE / "notes.txt").open("a") as file:
        file.write(f"{node()} {what}\\n")

def wait():
    deadline = time.monotonic() + 60
    while not (HERE / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

def die():
    os.kill(os.getpid(), signal.SIGKILL)
'''
ENGINE = '''
import torch
from esd_bench.store import RunRecord

def engine(deadly: int = -1):
    """The second member of a pack waits for a word before it is finished; the deadly one kills its worker."""
    def make(specs, store, orders, watch):
        made = []
        with store.begin(specs):
            for spec in specs:
                note(f"begun {spec.seed}")
                if spec.seed == deadly:
                    die()
                if spec.seed % 2:
                    wait()
                made.append(store.finish(spec, RunRecord("finished"), {"scene": torch.ones(1)}))
                note(f"made {spec.seed}")
        return made
    return make
'''
METRICS = '''
from esd_bench.metrics import Metric, Score

def answer(value):
    return [Score("height", float(value), "", None, 15)]

def waiting():
    """A node waits for a word at its second run."""
    def compute(inputs):
        note("scored")
        if (HERE / "notes.txt").read_text().count(node()) == 2:
            wait()
        return answer(inputs.elevation.mean())
    return Metric(compute, roles=())

def deadly():
    """A cat kills whoever looks at it."""
    def compute(inputs):
        note("cat" if inputs.truth else "no cat")
        if inputs.truth:
            die()
        return answer(1)
    return Metric(compute, roles=("oracle",))
'''


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of one node for all tests: starting takes seconds."""
    import ray as client
    from ray._private.ray_constants import RAY_WORKER_NICENESS
    from ray.cluster_utils import Cluster

    # Workers are as urgent as the tests beside them, or they would starve until those end.
    os.environ[RAY_WORKER_NICENESS] = "0"
    made = Cluster(True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    client.init(made.address, log_to_driver=False)
    yield made
    client.shutdown()
    made.shutdown()


@pytest.fixture
def second(nodes: Any) -> Iterator[Any]:
    """A second node, for as long as nobody kills it."""
    node = nodes.add_node(num_cpus=1)
    yield node
    if node in nodes.worker_nodes:
        nodes.remove_node(node)


@pytest.fixture
def killing(nodes: Any, second: Any, tmp_path: Path) -> Callable[[int], threading.Thread]:
    """Kill the second node and its worker once it has noted so much, then let all go on that wait."""

    def begin(lines: int) -> threading.Thread:
        def act() -> None:
            deadline = time.monotonic() + 120
            while notes(tmp_path)[second.node_id] < lines and time.monotonic() < deadline:
                time.sleep(0.05)
            nodes.remove_node(second, allow_graceful=False)
            with suppress(ProcessLookupError):
                os.kill(int((tmp_path / f"{second.node_id}.pid").read_text()), signal.SIGKILL)
            (tmp_path / "go").touch()

        thread = threading.Thread(target=act)
        thread.start()
        return thread

    return begin


def notes(folder: Path) -> Counter[str]:
    """How often each node noted something, and how often each thing was noted."""
    path = folder / "notes.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return Counter(part for line in lines for part in line.split(" ", 1))


def plugin(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.py"
    path.write_text(NOTES + text)
    return str(path)


def scores(store: RunStore) -> dict[str, bytes]:
    files = sorted(store.root.rglob("scores/*.json"))
    return {str(path.relative_to(store.root)): path.read_bytes() for path in files}


def test_the_same_runs_come_out_and_news_arrive(nodes, tmp_path):
    here, there = run(serial(), toy, tmp_path / "here"), run(ray(), toy, tmp_path / "there")
    assert sorted(x.id for x in here[0]) == sorted(x.id for x in there[0])
    for one in here[0]:
        two = RunStore(tmp_path / "there").find(seed=one.spec.seed)[0]
        assert one.scene_file.read_bytes() == two.scene_file.read_bytes()
    assert sum(len(x.specs) for x in there[1]) == 5
    assert {x.stage for x in there[1]}.isdisjoint({x.stage for x in here[1]})


def test_an_error_is_said_in_one_line_and_a_path_is_the_caller_s(nodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    specs = [spec(seed=i) for i in range(3)]
    work = partial(failing, Path("runs"))
    with pytest.raises(ValueError, match="seed 1 can't be made") as caught:
        # One chain: each pack waits for the one before it, so the first is finished when the second fails.
        list(ray()(work, [[[x] for x in specs]], lambda news: None))
    assert "\n" not in str(caught.value)
    assert specs[1] in RunStore(tmp_path / "runs").missing(specs)
    assert RunStore(tmp_path / "runs").find(seed=0)


def test_a_node_dies_while_runs_are_made(killing, tmp_path, monkeypatch):
    """What it had finished is kept, what it had begun is made by the other one; every run comes out once."""
    monkeypatch.chdir(tmp_path)
    specs, store = [spec(seed=i) for i in range(8)], RunStore("runs")
    engine, killer = plugin(tmp_path, "engine", ENGINE), killing(3)
    made = list(generate(specs, store, pack=2, executor=ray(), engine=engine))
    killer.join()
    assert sorted(x.spec.seed for x in made) == list(range(8))
    assert {x.folder for x in made} == {x.folder for x in store.find(status="finished")}
    noted = notes(tmp_path)
    assert [noted[f"made {i}"] for i in range(8)] == [1] * 8
    assert sorted(noted[f"begun {i}"] for i in range(8)) == [*[1] * 7, 2]
    assert not list(store.root.rglob(".*"))


def test_runs_that_always_kill_their_worker_are_failures(nodes, tmp_path):
    """After two tries; their pack's other member and all other packs are finished."""
    (tmp_path / "go").touch()
    specs, store = [spec(seed=i) for i in range(4)], RunStore(tmp_path / "runs")
    engine = plugin(tmp_path, "engine", ENGINE)
    options = {"deadly": 1}
    made = generate(specs, store, pack=2, executor=ray(), engine=engine, engine_options=options)
    reasons = {x.spec.seed: x.record.reason for x in made}
    lost = "lost: its worker died twice (WorkerCrashedError)"
    assert reasons == {0: "", 1: lost, 2: "", 3: ""}
    assert [x.spec.seed for x in store.find(status="failed")] == [1]
    noted = notes(tmp_path)
    assert [noted[f"begun {i}"] for i in range(4)] == [1, 2, 1, 1]
    assert not store.missing(specs)
    assert not list(store.root.rglob(".*"))


def test_a_node_dies_while_runs_are_scored(killing, tmp_path, monkeypatch):
    """The files are those of one process, byte by byte."""
    monkeypatch.setattr(score, "PACK", 2)
    world = World(tmp_path)
    for seed in range(7):
        world.run("a blue dog", seed, status="failed" if seed == 6 else "finished")
    metrics = [plugin(tmp_path, "waiting", METRICS), "inception", "clip_distance"]
    copy, news = tmp_path / "copy", []
    shutil.copytree(world.store.root, copy)
    settings, killer = replace(world.settings, band=None), killing(2)
    there = score.score(
        world.store.root, metrics, settings, lambda *x: news.append(x), executor=ray()
    )
    killer.join()
    here = score.score(copy, metrics, settings)
    assert len(scores(RunStore(copy))) == here.scored == 6 * 3
    assert scores(world.store) == scores(RunStore(copy))
    assert there.scored + there.kept == here.scored
    assert there.kept == 3, "of the pack that was lost, the first run was scored"
    assert (there.failed, there.problems) == (1, {})
    done = [x[0] for x in news]
    assert done == sorted(done)
    assert news[-1] == (7, 7, "")


def test_runs_that_always_kill_their_worker_are_a_problem(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(score, "PACK", 2)
    world = World(tmp_path)
    runs = [world.run(x) for x in ("a blue dog", "a gold hen", "a red cat", "a red hat")]
    metrics = ["inception", plugin(tmp_path, "deadly", METRICS)]
    settings = replace(world.settings, band=None)
    summary = score.score(world.store.root, metrics, settings, executor=ray())
    assert summary.problems == {"runs lost: their worker died twice (WorkerCrashedError)": 2}
    both = {"inception", "deadly"}
    assert [set(world.store.scores(x)) for x in runs] == [both, both, {"inception"}, set()]
    assert summary.scored == 4
    assert (notes(tmp_path)["cat"], notes(tmp_path)["no cat"]) == (2, 2)
