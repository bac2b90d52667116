"""Packs as tasks of a Ray cluster (arXiv 1712.05889): many machines, one folder of runs that all of them see."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from esd_bench.engines import Watch
from esd_bench.executors import Chain, Executor, Work
from esd_bench.executors._chains import finished, pass_on
from esd_bench.spec import RunSpec
from esd_bench.store import Run


def ray(address: str = "auto", gpus: float = 0.0, cpus: float = 1.0) -> Executor:
    """Work on as many packs at once as the cluster has room for.

    Args:
        address: of a running cluster; "local" starts one in this machine for the time of the call, "auto" finds one.
        gpus: of each pack.
        cpus: of each pack.

    Raises:
        ImportError: when Ray is not installed, naming the extra.
        OSError: when there is no cluster at the address, or a task died.
    """

    def run(work: Work, chains: Iterable[Chain], watch: Watch) -> Iterator[Run]:
        cluster = _connected(address)
        from ray.util.queue import Queue

        task = cluster.remote(num_gpus=gpus, num_cpus=cpus, max_retries=0)(_pack)
        news = Queue(actor_options={"num_cpus": 0})

        def submit(pack: Sequence[RunSpec]) -> Future[list[Run]]:
            future: Future[list[Run]] = task.remote(work, list(pack), news).future()
            return future

        try:
            for made in finished(submit, chains, lambda: pass_on(news, watch)):
                yield from made
        except cluster.exceptions.RayTaskError as error:
            raise error.cause from None
        except cluster.exceptions.RayError as error:
            why = str(error).strip().split("\n")[0]
            raise OSError(f"a task of the cluster died: {why}; run again to go on") from None
        finally:
            news.shutdown(force=True)
            if address == "local":
                cluster.shutdown()

    return run


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


def _pack(work: Work, pack: list[RunSpec], news: Any) -> list[Run]:
    return work(pack, news.put_nowait)
