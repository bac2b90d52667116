"""threestudio (Guo et al., github.com/threestudio-project/threestudio) in a subprocess: its trials become ordinary runs.

Three stages, each a trial of its own in the run's folder ``threestudio/``: a field (coarse), its surface (geometry) and a
texture on it. A stage that is done is not done again; one that was interrupted goes on from its last checkpoint.
"""

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from esd_bench import __version__
from esd_bench.engines import Engine, Orders, Progress, Watch
from esd_bench.engines._outcome import judge, show
from esd_bench.engines._threestudio_config import Settings, check, settings
from esd_bench.engines._threestudio_launch import Launch, StageError, one_gpu
from esd_bench.engines._threestudio_trial import Trial
from esd_bench.files import aside
from esd_bench.omega import merged, write
from esd_bench.spec import RunSpec
from esd_bench.store import Run, RunRecord, RunStore

GUIDANCE = Path(__file__).with_name("_threestudio_guidance.py")
CUSTOM = "esd_bench_guidance.py"


def threestudio(folder: str = "", python: str = "python", gpu: str = "") -> Engine:
    """Have threestudio make the assets, one after the other.

    Args:
        folder: its checkout.
        python: the interpreter that it is installed for.
        gpu: the one that it sees, as CUDA_VISIBLE_DEVICES names it; empty takes the first of ours.
    """

    def make(specs: Sequence[RunSpec], store: RunStore, orders: Orders, watch: Watch) -> list[Run]:
        for spec in specs:
            check(spec)
        _allowed(store, orders)
        launch = Launch(_home(folder), _interpreter(python), one_gpu(gpu, orders.device))
        made = []
        for spec in specs:
            with store.begin([spec]):
                made.append(_Work(spec, store, orders, watch, launch).make())
        return made

    return make


@dataclass
class _Work:
    """One run."""

    spec: RunSpec
    store: RunStore
    orders: Orders
    watch: Watch
    launch: Launch
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """What earlier attempts took."""
    views: dict[str, str] = field(default_factory=dict)
    """Digests of the views once they are stored."""

    def make(self) -> Run:
        """All stages, then the views; what goes wrong on the way is the run's outcome."""
        self.seconds = self._before()
        stages = settings(self.spec, self._configs, self._trials, self.orders.checkpoint)
        _install(self.launch.folder)
        before, last = 0, None
        try:
            for stage in stages:
                last = self._stage(stage, before, last)
                before += stage.steps
            reason = self._finish(last)
        except StageError as error:
            reason = str(error)
        return self.store.finish(self.spec, self._record(reason, stages), {})

    @property
    def _configs(self) -> Path:
        return self.launch.folder / "configs"

    @property
    def _trials(self) -> Path:
        return (self.store.working(self.spec) / "threestudio").absolute()

    def _stage(self, stage: Settings, before: int, previous: Trial | None) -> Trial:
        """A stage's trial, trained to its end."""
        trial = self._find(stage)
        if trial and trial.done:
            return trial
        if trial and trial.resumable:
            words = self._again(trial, "--train")
        else:
            words = ["--config", str(self._written(stage, previous)), "--train"]
        self._run(stage, words, before)
        trial = self._find(stage)
        if not trial or not trial.done:
            raise StageError(f"{stage.name} stage: no checkpoint of step {stage.steps} was left")
        return trial

    def _find(self, stage: Settings) -> Trial | None:
        return Trial.find(self._trials, stage.name, stage.value["tag"], stage.steps)

    def _written(self, stage: Settings, previous: Trial | None) -> Path:
        """The stage's settings as a file; the checkpoint before has its own settings beside it."""
        value = dict(stage.value)
        if previous:
            value = merged(value, {"system": {"geometry_convert_from": str(previous.last)}})
        path = self._trials / f"{stage.name}.yaml"
        write(path, value)
        return path

    def _again(self, trial: Trial, act: str) -> list[str]:
        return ["--config", str(trial.config), act, f"resume={trial.last}"]

    def _run(self, stage: Settings, words: list[str], before: int) -> None:
        noted = 0

        def hear(step: int) -> None:
            nonlocal noted
            done = before + min(step, stage.steps)
            self.watch(Progress([self.spec], done, self.spec.steps, self._title(stage), {}))
            if step // 100 > noted:
                noted = step // 100
                entry = {"step": done, "stage": stage.name, "seconds": round(self._worked, 1)}
                self.store.log(self.spec, entry)

        try:
            self.launch(words, self._trials / f"{stage.name}.log", hear)
        except StageError as error:
            raise StageError(f"{stage.name} stage: {error}") from None

    def _title(self, stage: Settings) -> str:
        return f"{self.spec.method.title}, {stage.name}"

    def _finish(self, trial: Trial | None) -> str:
        """Store the views of the last trial; why the asset is a failure all the same, or ""."""
        assert trial
        (name,) = self.spec.views
        if len(trial.pictures) <= int(name.rsplit(":", 1)[1]):  # killed while it rendered
            texture = Settings("texture", "", trial.steps, {})
            self._run(texture, self._again(trial, "--test"), self.spec.steps - trial.steps)
        views, folder = trial.views(name), self.store.working(self.spec)
        views.save(folder / "views" / name.replace(":", "-"))
        show({name: views}, self.spec, folder)
        self.views = {name: views.digest}
        return judge(views)

    @property
    def _worked(self) -> float:
        return self.seconds + time.monotonic() - self.started

    def _before(self) -> float:
        """Seconds that earlier attempts have noted."""
        path = self.store.working(self.spec) / "log.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        return float(json.loads(lines[-1])["seconds"]) if lines else 0.0

    def _record(self, reason: str, stages: Sequence[Settings]) -> RunRecord:
        files = {f"configs/{s.base}": self._configs / s.base for s in stages}
        files[f"custom/{CUSTOM}"] = self.launch.folder / "custom" / CUSTOM
        return RunRecord(
            status="failed" if reason else "finished",
            reason=reason,
            label=self.spec.label,
            seconds=round(self._worked, 2),
            device=f"cuda, CUDA_VISIBLE_DEVICES={self.launch.gpu}",
            versions={"esd-bench": __version__, "threestudio": _commit(self.launch.folder)},
            views=self.views,
            files={x: hashlib.sha256(p.read_bytes()).hexdigest() for x, p in files.items()},
        )


def _home(folder: str) -> Path:
    """threestudio's checkout.

    Raises:
        ValueError: when it is not there.
    """
    if not folder:
        raise ValueError("where is threestudio? --threestudio DIR, a checkout of it")
    home = Path(folder).expanduser().absolute()
    for path in (home / "launch.py", home / "configs"):
        if not path.exists():
            raise ValueError(f"{home} is no checkout of threestudio: it has no {path.name}")
    return home


def _interpreter(python: str) -> str:
    found = shutil.which(Path(python).expanduser())
    if not found:
        raise ValueError(f"no interpreter {python!r}; --set engine.python=... of threestudio's own")
    return str(Path(found).absolute())


def _allowed(store: RunStore, orders: Orders) -> None:
    """Refuse what would be lost on the way."""
    place = str(store.root.absolute())
    bad = next((x for x in ("LAST", ": ", " #", "${", "\n") if x in place), "")
    if bad or place.endswith(":"):
        raise ValueError(
            f"threestudio can't write to {place}: choose an --out without {bad or ':'!r}"
        )
    if orders.pins:
        raise ValueError("threestudio loads its models itself; --pin can't be kept")


def _install(home: Path) -> None:
    """Our guidance, where threestudio looks for modules of its users."""
    wanted, place = GUIDANCE.read_bytes(), home / "custom" / CUSTOM
    if place.is_file() and place.read_bytes() == wanted:
        return
    place.parent.mkdir(exist_ok=True)
    with aside(place) as beside:
        beside.write_bytes(wanted)


def _commit(home: Path) -> str:
    asked = ["git", "-C", str(home), "rev-parse", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
