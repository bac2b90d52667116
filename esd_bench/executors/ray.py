"""Packs as tasks of a Ray cluster (arXiv 1712.05889): many machines, one folder of runs that all of them see."""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from esd_bench.executors import Chain, Executor, Item, Lost, Made, Tell, Work
from esd_bench.executors._chains import finished, pass_on

PATIENCE = 60.0
"""Seconds to wait for runs that somebody still holds who is said to be dead."""
T = TypeVar("T")


def ray(address: str = "auto", gpus: float = 0.0, cpus: float = 1.0) -> Executor:
    """Work on as many packs at once as the cluster has room for.

    A pack whose worker or machine died is handed out once more, and goes on from what it left in the store.

    Args:
        address: of a running cluster; "local" starts one in this machine for the time of the call, "auto" finds one.
        gpus: of each pack.
        cpus: of each pack.

    Raises:
        ImportError: when Ray is not installed, naming the extra.
        OSError: when there is no cluster at the address, or a pack was lost twice and nobody records that.
    """
    if gpus < 0 or cpus < 0:
        raise ValueError("a pack can't have fewer than no GPUs or CPUs")

    def run(
        work: Work[Item, Made],
        chains: Iterable[Chain[Item]],
        watch: Tell,
        lost: Lost[Item, Made] | None = None,
    ) -> Iterator[Made]:
        with _cluster(address) as cluster:
            _room(cluster, {"GPU": gpus, "CPU": cpus})
            task = cluster.remote(num_gpus=gpus, num_cpus=cpus, max_retries=0)(_pack)
            news, here = _queue(cluster), str(Path.cwd())

            def submit(pack: Sequence[Item], again: bool) -> Future[list[Made]]:
                future: Future[list[Made]]
                future = task.remote(work, list(pack), news, here, again).future()
                return future

            died, give_up = _deaths(cluster.exceptions), partial(_give_up, lost)
            try:
                for made in finished(submit, chains, lambda: pass_on(news, watch), died, give_up):
                    yield from made
            finally:
                news.shutdown(force=True)

    return run


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """A connection, whose errors are one line."""
    cluster = _connected(address)
    try:
        yield cluster
    except cluster.exceptions.RayTaskError as error:
        raise error.cause from None
    except cluster.exceptions.RayError as error:
        why = str(error).strip().split("\n")[0]
        raise OSError(f"a task of the cluster died: {why}; run again to go on") from None
    finally:
        if address == "local":
            cluster.shutdown()


def _connected(address: str) -> Any:
    try:
        import ray as cluster
    except ImportError:
        raise ImportError('Ray is not installed; pip install "esd-bench[ray]"') from None
    if cluster.is_initialized():
        return cluster
    try:
        cluster.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        why = str(error).strip().split("\n")[0]
        raise OSError(
            f"no Ray cluster at {address!r}: {why}; see ray start, or say local"
        ) from None
    return cluster


def _room(cluster: Any, wanted: dict[str, float]) -> None:
    """Say so if no machine is large enough: tasks would wait for one without a word, for one may join."""
    machines = [node["Resources"] for node in cluster.nodes() if node["Alive"]]
    if not any(all(m.get(k, 0) >= v for k, v in wanted.items()) for m in machines):
        asked = " and ".join(f"{v:g} {k}" for k, v in wanted.items() if v)
        warnings.warn(f"no machine of the cluster has {asked}; waiting for one", stacklevel=2)


def _queue(cluster: Any) -> Any:
    """News are kept on this process's machine, so that they outlive any other."""
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = cluster.get_runtime_context().get_node_id()
    strategy = NodeAffinitySchedulingStrategy(here, soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": strategy})


def _deaths(errors: Any) -> tuple[type[Exception], ...]:
    """What says that a worker, its machine, or what it answered is gone."""
    return (
        errors.WorkerCrashedError,
        errors.LocalRayletDiedError,
        errors.NodeDiedError,
        errors.OutOfMemoryError,
        errors.ObjectLostError,
    )


def _give_up(lost: Lost[Item, Made] | None, pack: Sequence[Item], error: Exception) -> list[Made]:
    if lost is None:
        raise error
    return _patiently(lambda: lost(pack, type(error).__name__))


def _pack(
    work: Work[Item, Made], pack: list[Item], news: Any, here: str, again: bool
) -> list[Made]:
    """One pack, in a worker; a path such as ./mine.py means the folder where the command was given."""
    with suppress(OSError):
        os.chdir(here)
    if again:
        return _patiently(lambda: work(pack, news.put_nowait))
    return work(pack, news.put_nowait)


def _patiently(act: Callable[[], T]) -> T:
    """A worker that the cluster has given up may live for some seconds more, and hold its runs."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
