"""The Ray executor on a cluster of this machine."""

from functools import partial

import pytest

from esd_bench.store import RunStore
from tests.executors.test_executors import chains, dying, failing, following, run, toy
from tests.specs import spec

pytest.importorskip("ray")

from esd_bench.executors.ray import ray
from esd_bench.executors.serial import serial


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One for all tests: starting takes seconds."""
    import ray as cluster

    cluster.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    cluster.shutdown()


def test_the_same_runs_come_out_and_news_arrive(tmp_path):
    here, there = run(serial(), toy, tmp_path / "here"), run(ray(), toy, tmp_path / "there")
    assert sorted(x.id for x in here[0]) == sorted(x.id for x in there[0])
    for one in here[0]:
        two = RunStore(tmp_path / "there").find(seed=one.spec.seed)[0]
        assert one.scene_file.read_bytes() == two.scene_file.read_bytes()
    assert sum(len(x.specs) for x in there[1]) == 5
    assert {x.stage for x in there[1]}.isdisjoint({x.stage for x in here[1]})


def test_the_packs_of_a_chain_are_made_in_order(tmp_path):
    made = [[[spec(seed=10 * i + k)] for i in range(3)] for k in (2, 0, 1)]
    list(ray()(partial(following, tmp_path), made, lambda news: None))
    assert len(RunStore(tmp_path).find()) == 9


@pytest.mark.parametrize(("work", "error", "said"), [
    (failing, ValueError, "seed 1 can't be made"),
    (dying, OSError, "a task of the cluster died"),
])  # fmt: skip
def test_what_goes_wrong_is_said_in_one_line(tmp_path, work, error, said):
    specs = [spec(seed=i) for i in range(3)]
    with pytest.raises(error, match=said) as caught:
        list(ray()(partial(work, tmp_path), chains(specs, 1), lambda news: None))
    assert "\n" not in str(caught.value)
    assert specs[1] in RunStore(tmp_path).missing(specs)
