"""generate: specs to finished run folders; running again is resuming."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from esd_bench import plugins
from esd_bench.engines import Orders, Watch
from esd_bench.executors import Executor
from esd_bench.spec import RunSpec, packs
from esd_bench.store import Run, RunRecord, RunStore, read_run


def generate(
    specs: Sequence[RunSpec],
    store: RunStore,
    *,
    device: str = "cpu",
    pack: int = 1,
    workers: int = 1,
    executor: Executor | None = None,
    checkpoint: int = 0,
    graph: bool | None = None,
    pins: Mapping[str, str] | None = None,
    engine: str = "native",
    engine_options: Mapping[str, Any] | None = None,
    watch: Watch = lambda news: None,
) -> Iterator[Run]:
    """Make what is missing of ``specs``, yielding runs as they finish.

    Args:
        specs: the whole grid; finished runs are skipped.
        store: where runs live.
        device: "cpu" or "cuda".
        pack: scenes side by side.
        workers: processes side by side, one thread each; 1 works in this process.
        executor: where packs are worked on instead, such as a Ray cluster.
        checkpoint: steps between checkpoints; an interruption loses at most so many. 0 is what suits the engine.
        graph: capture steps in a CUDA graph; by default wherever there is a GPU.
        pins: file name -> SHA-256 of the only files that a prior may load.
        engine: plugin name.
        engine_options: its options, checked against its signature.
        watch: is told of progress.

    Yields:
        finished and failed runs; a failure is an outcome, with its reason in the record.
    """
    bound = plugins.bind(plugins.load("engines", engine), engine_options or {})
    captured = device.startswith("cuda") if graph is None else graph
    orders = Orders(device, pack, checkpoint, captured, pins or {})
    chains: dict[str, list[list[RunSpec]]] = {}
    for some in packs(store.missing(specs), pack):
        chains.setdefault(some[0].prefix(1), []).append(some)
    run = executor or _here(workers)
    # A task of a cluster starts in a folder of its own.
    there = RunStore(store.root.absolute())
    there.root.mkdir(parents=True, exist_ok=True)
    work = partial(_work, engine, bound, there, orders)
    for made in run(work, chains.values(), watch, partial(_lost, there)):
        yield replace(made, folder=store.folder(made.spec))


def _here(workers: int) -> Executor:
    if workers > 1:
        return plugins.load("executors", "processes")(workers=workers)
    return plugins.load("executors", "serial")()


def _work(
    engine: str,
    options: Mapping[str, Any],
    store: RunStore,
    orders: Orders,
    specs: Sequence[RunSpec],
    watch: Watch,
) -> list[Run]:
    """One pack, in whatever process this is; what an earlier try has finished is only looked up."""
    store.check()
    todo = _unfinished(specs, store)
    make = plugins.load("engines", engine)(**options)
    found = [read_run(store.folder(spec)) for spec in specs if spec not in todo]
    made = [make(group, store, orders, watch) for group in _equals(todo, store)]
    return [*found, *chain.from_iterable(made)]


def _unfinished(specs: Sequence[RunSpec], store: RunStore) -> list[RunSpec]:
    """Those to be made, none of which anybody is just finishing.

    Raises:
        BlockingIOError: when another process is at work on one.
    """
    todo = store.missing(specs)
    with store.begin([spec for spec in todo if store.working(spec).is_dir()]):
        return store.missing(todo)


def _lost(store: RunStore, specs: Sequence[RunSpec], why: str) -> list[Run]:
    """What came of a pack whose worker died twice: the runs that it had finished, and failures."""
    for spec in store.missing(specs):
        with store.begin([spec]):
            for still in store.missing([spec]):
                reason = f"lost: its worker died twice ({why})"
                store.finish(still, RunRecord("failed", reason, label=still.label), {})
    return [read_run(store.folder(spec)) for spec in specs]


def _equals(specs: Sequence[RunSpec], store: RunStore) -> list[list[RunSpec]]:
    """Split a pack by how far its members got: only equals can go on side by side."""
    groups: dict[int, list[RunSpec]] = {}
    for spec in specs:
        found = store.resume(spec)
        groups.setdefault(found[1] if found else 0, []).append(spec)
    return list(groups.values())
