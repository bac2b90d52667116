"""RunStore: the only module that knows paths; atomic completion, locks, records.

    runs/<suite>/<prompt>/<run>/  spec.json record.json log.jsonl scene.safetensors views/ scores/ labels/

A run is made in ``.<run>.partial`` beside it. ``finish`` writes the record last and renames the folder into place: the
rename is the mark of completion.
"""

import fcntl
import json
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from esd_bench.files import aside
from esd_bench.spec import RunSpec


@dataclass(frozen=True)
class RunRecord:
    """What happened in a run.

    Attributes:
        status: ``finished`` or ``failed``; a failure (diverged, empty, NaN) is an outcome.
        reason: why it failed, or "".
        label: the method as tables print it.
        seconds: wall time of its pack, shared by the pack's members; ``width`` says by how many.
        peak_memory: bytes, of the GPU where there is one.
        views: protocol -> digest of the stored views.
        files: file -> SHA-256 of what the prior loaded.
        width, threads: of the pack; equal width and threads give equal bits on a CPU.
        compiled: whether the prior's networks were compiled, which changes bits.
        warm_start: the run whose stage this one started from, or "".
        source: of an ingested asset: its file, digest, adapter and what that told; empty for what was made here.
    """

    status: str
    reason: str = ""
    label: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    device: str = "cpu"
    width: int = 1
    threads: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    views: Mapping[str, str] = field(default_factory=dict)
    prior: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    compiled: bool = False
    warm_start: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A finished run on disk."""

    folder: Path
    spec: RunSpec
    record: RunRecord

    @property
    def id(self) -> str:
        """The run's name, unique in its prompt's folder."""
        return self.folder.name

    def views_folder(self, protocol: str) -> Path:
        """Where the views of a protocol such as ``sphere:120`` lie."""
        return self.folder / "views" / protocol.replace(":", "-")

    @property
    def scene_file(self) -> Path:
        """The optimised scene."""
        return self.folder / "scene.safetensors"


class RunStore:
    """A folder of runs.

    Args:
        root: the folder; it is made when the first run begins.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def check(self) -> None:
        """Make sure that this machine sees the folder, which all that work on it must share.

        Raises:
            OSError: naming both.
        """
        if not self.root.is_dir():
            raise OSError(f"{platform.node()} has no folder {self.root}, which all machines share")

    @property
    def preview(self) -> Path:
        """A picture of what is being made at present."""
        return self.root / "preview.png"

    def folder(self, spec: RunSpec) -> Path:
        """Where a finished run of this spec lies."""
        return self.root / spec.suite / spec.prompt.id / spec.id

    def _partial(self, spec: RunSpec) -> Path:
        return self.folder(spec).with_name(f".{spec.id}.partial")

    def missing(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        """The specs whose runs are not finished; running again is resuming."""
        return [spec for spec in specs if not (self.folder(spec) / "record.json").is_file()]

    @contextmanager
    def begin(self, specs: Sequence[RunSpec]) -> Iterator[None]:
        """Hold the runs of a pack: their partial folders exist and no other process works on them.

        Raises:
            BlockingIOError: when another process holds one of them.
        """
        locks = []
        try:
            for spec in specs:
                folder = self._partial(spec)
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / "spec.json", spec.to_json())
                lock = (folder / ".lock").open("w")
                locks.append(lock)
                _lock(lock, spec)
            yield
        finally:
            for lock in locks:
                lock.close()

    def checkpoint(self, spec: RunSpec, state: Mapping[str, Tensor], step: int) -> None:
        """Store the state of an unfinished run; atomic, the last one stays."""
        folder = self._partial(spec)
        _save(folder / "checkpoint.safetensors", state, {"step": str(step)})

    def resume(self, spec: RunSpec) -> tuple[dict[str, Tensor], int] | None:
        """The last checkpoint of an unfinished run and its step; None where there is none or it is broken."""
        path = self._partial(spec) / "checkpoint.safetensors"
        try:
            with safe_open(path, "pt") as file:
                step = int((file.metadata() or {})["step"])
            return load_file(path), step
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def working(self, spec: RunSpec) -> Path:
        """The folder into which an unfinished run writes."""
        return self._partial(spec)

    def log(self, spec: RunSpec, entry: Mapping[str, Any]) -> None:
        """Append a line to the run's log."""
        with (self._partial(spec) / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def logged(self, run: Run) -> list[dict[str, Any]]:
        """A finished run's log by rising step, all lines of a step as one; of what was done twice, the last."""
        entries: dict[int, dict[str, Any]] = {}
        for line in (run.folder / "log.jsonl").read_text().splitlines():
            entry = json.loads(line)
            entries.setdefault(entry["step"], {}).update(entry)
        return [entries[step] for step in sorted(entries)]

    def stage(self, spec: RunSpec, count: int, scene: Mapping[str, Tensor]) -> None:
        """Store the scene after the first ``count`` stages, for runs that share them."""
        _save(
            self._partial(spec) / f"stage-{count}.safetensors",
            scene,
            {"prefix": spec.prefix(count)},
        )

    def shared_stage(self, spec: RunSpec, count: int) -> tuple[dict[str, Tensor], str] | None:
        """The scene after ``count`` equal stages of any finished run of the same prompt, and that run's name.

        Failed runs lend nothing, and what can't be read is passed over: the stage is then made anew.
        """
        wanted = spec.prefix(count)
        for folder in self.folders(prompt=spec.prompt.id):
            with suppress(OSError, ValueError, SafetensorError):
                run = read_run(folder)
                whole = len(run.spec.stages) == count
                path = run.scene_file if whole else folder / f"stage-{count}.safetensors"
                if run.record.status == "finished" and run.spec.prefix(count) == wanted:
                    return load_file(path), run.id
        return None

    def set_origin(self, spec: RunSpec, run: str) -> None:
        """Note the run whose stage an unfinished run starts from."""
        write_json(self._partial(spec) / ".origin", {"run": run})

    def origin(self, spec: RunSpec) -> str:
        """The run that :meth:`set_origin` noted, or ""."""
        path = self._partial(spec) / ".origin"
        return str(read_json(path)["run"]) if path.is_file() else ""

    def finish(self, spec: RunSpec, record: RunRecord, scene: Mapping[str, Tensor]) -> Run:
        """Store the scene, write the record last and rename the folder into place.

        The checkpoint goes after the rename: a run killed here still has it.
        """
        partial, final = self._partial(spec), self.folder(spec)
        _save(partial / "scene.safetensors", scene, {"spec": spec.digest})
        write_json(partial / "record.json", asdict(record))
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        (final / "checkpoint.safetensors").unlink(missing_ok=True)
        for hidden in final.glob(".*"):  # the lock, and what a killed process was writing
            hidden.unlink()
        return Run(final, spec, record)

    def find(self, **filters: Any) -> list[Run]:
        """Finished runs, sorted by path; filters: suite, prompt (ids), method (plugin name), seed, status.

        Raises:
            ValueError: for a broken spec or record, naming the file.
        """
        found = map(read_run, self.folders(**filters))
        return [
            run for run in found if all(_facts(run)[key] == value for key, value in filters.items())
        ]

    def folders(self, **filters: Any) -> list[Path]:
        """Folders of finished runs, sorted, narrowed by suite and prompt; for those who need not hold all runs at once."""
        pattern = f"{filters.get('suite', '*')}/{filters.get('prompt', '*')}/*/record.json"
        folders = sorted(path.parent for path in self.root.glob(pattern))
        return [folder for folder in folders if not folder.name.startswith(".")]

    def write_scores(self, run: Run, metric: str, value: Mapping[str, Any]) -> None:
        """Store the scores that one metric gave a run."""
        write_json(run.folder / "scores" / f"{metric}.json", value)

    def scores(self, run: Run) -> dict[str, dict[str, Any]]:
        """All stored scores of a run by metric."""
        return {p.stem: read_json(p) for p in sorted((run.folder / "scores").glob("*.json"))}


def _lock(file: IO[str], spec: RunSpec) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"another process is making {spec.prompt.id}/{spec.id}") from None


def _facts(run: Run) -> dict[str, Any]:
    return {
        "suite": run.spec.suite,
        "prompt": run.spec.prompt.id,
        "method": run.spec.method.title,
        "seed": run.spec.seed,
        "status": run.record.status,
    }


def read_run(folder: Path) -> Run:
    """A finished run from its folder.

    Raises:
        ValueError: for a broken spec or record, naming the file.
    """
    given, record = read_json(folder / "spec.json"), read_json(folder / "record.json")
    try:
        spec = RunSpec.from_json(given)
    except ValueError as error:
        raise ValueError(f"{folder / 'spec.json'} is {error}") from None
    try:
        return Run(folder, spec, RunRecord(**record))
    except TypeError as error:
        raise ValueError(f"{folder / 'record.json'} is not a run record: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        ValueError: naming the file.
    """
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as beside:
        beside.write_text(json.dumps(value, indent=1, ensure_ascii=False))


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    # Clones: slices of a pack share storage, which safetensors refuses.
    copies = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    with aside(path) as beside:
        try:
            save_file(copies, beside, metadata)
        except SafetensorError as error:
            raise OSError(f"cannot write {path}: {error}") from None
