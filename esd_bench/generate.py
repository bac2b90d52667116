"""generate: specs to finished run folders; running again is resuming."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from esd_bench import plugins
from esd_bench.engines import Orders, Watch
from esd_bench.executors import Executor
from esd_bench.spec import RunSpec, packs
from esd_bench.store import Run, RunStore


def generate(
    specs: Sequence[RunSpec],
    store: RunStore,
    *,
    device: str = "cpu",
    pack: int = 1,
    workers: int = 1,
    ray: str = "",
    checkpoint: int = 100,
    graph: bool | None = None,
    pins: Mapping[str, str] | None = None,
    engine: str = "native",
    watch: Watch = lambda news: None,
) -> Iterator[Run]:
    """Make what is missing of ``specs``, yielding runs as they finish.

    Args:
        specs: the whole grid; finished runs are skipped.
        store: where runs live.
        device: "cpu" or "cuda".
        pack: scenes side by side.
        workers: processes side by side, one thread each; 1 works in this process.
        ray: address of a Ray cluster to work on instead ("auto", "local"); every pack gets a GPU if ``device`` is one.
        checkpoint: steps between checkpoints; an interruption loses at most so many.
        graph: capture steps in a CUDA graph; by default wherever there is a GPU.
        pins: file name -> SHA-256 of the only files that a prior may load.
        engine: plugin name.
        watch: is told of progress.

    Yields:
        finished and failed runs; a failure is an outcome, with its reason in the record.
    """
    captured = device.startswith("cuda") if graph is None else graph
    orders = Orders(device, pack, checkpoint, captured, pins or {})
    groups = [group for some in packs(store.missing(specs), pack) for group in _equals(some, store)]
    chains: dict[str, list[list[RunSpec]]] = {}
    for group in groups:
        chains.setdefault(group[0].prefix(1), []).append(group)
    run = _executor(workers, ray, float(device.startswith("cuda")))
    # A task of a cluster starts in a folder of its own.
    root = store.root.absolute() if ray else store.root
    yield from run(partial(_work, engine, root, orders), chains.values(), watch)


def _executor(workers: int, ray: str, gpus: float) -> Executor:
    if ray:
        return plugins.load("executors", "ray")(address=ray, gpus=gpus)
    if workers > 1:
        return plugins.load("executors", "processes")(workers=workers)
    return plugins.load("executors", "serial")()


def _work(
    engine: str, root: Path, orders: Orders, specs: Sequence[RunSpec], watch: Watch
) -> list[Run]:
    """One pack, in whatever process this is."""
    return list(plugins.load("engines", engine)()(specs, RunStore(root), orders, watch))


def _equals(specs: Sequence[RunSpec], store: RunStore) -> list[list[RunSpec]]:
    """Split a pack by how far its members got: only equals can go on side by side."""
    groups: dict[int, list[RunSpec]] = {}
    for spec in specs:
        found = store.resume(spec)
        groups.setdefault(found[1] if found else 0, []).append(spec)
    return list(groups.values())
