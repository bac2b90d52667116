"""A trial's folder: what is done, where to go on, and its pictures.

Checkpoints are pickles, so they are looked at from outside only.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from esd_bench import omega, trials
from esd_bench.engines._threestudio_launch import StageError
from esd_bench.views import ViewSet


@dataclass(frozen=True)
class Trial:
    """One stage's folder, ``<name>/<tag>`` or ``<name>/<tag>@<time>``.

    Attributes:
        folder: where it is.
        steps: of the whole stage.
    """

    folder: Path
    steps: int

    @classmethod
    def find(cls, trials: Path, name: str, tag: str, steps: int) -> "Trial | None":
        """The one that got farthest, or None."""
        found = [cls(x, steps) for x in (trials / name).glob(f"{tag}*") if x.is_dir()]
        return max(found, key=lambda trial: (trial.done, trial.age), default=None)

    @property
    def config(self) -> Path:
        """All settings, resolved."""
        return self.folder / "configs" / "parsed.yaml"

    @property
    def last(self) -> Path | None:
        """The newest checkpoint that is whole."""
        found = [x for x in (self.folder / "ckpts").glob("*.ckpt") if _whole(x)]
        return max(found, key=lambda x: (x.stat().st_mtime_ns, x.name[:4] == "last"), default=None)

    @property
    def age(self) -> int:
        """When its newest checkpoint was written."""
        return self.last.stat().st_mtime_ns if self.last else 0

    @property
    def done(self) -> bool:
        """Whether the training has come to its end."""
        return any(_whole(x) for x in (self.folder / "ckpts").glob(f"*step={self.steps}.ckpt"))

    @property
    def resumable(self) -> bool:
        """Whether there is something to go on from."""
        return self.config.is_file() and self.last is not None

    @property
    def pictures(self) -> list[Path]:
        """The test pictures, in order."""
        return trials.strips(self.folder / "save" / f"it{self.steps}-test")

    def views(self, protocol: str) -> ViewSet:
        """The pictures without the last one, which is the first again.

        Raises:
            StageError: when some are missing or not as they should be.
        """
        paths, n = self.pictures, int(protocol.rsplit(":", 1)[1])
        if [x.stem for x in paths] != [str(i) for i in range(n + 1)]:
            raise StageError(f"{len(paths)} of {n + 1} views were rendered")
        try:
            return trials.views(paths[:n], omega.read(self.config), protocol)
        except ValueError as error:
            raise StageError(str(error)) from None


def _whole(path: Path) -> bool:
    """Whether a file was written to its end, as far as can be told: an archive that was cut off lacks its directory."""
    with path.open("rb") as file:
        start = file.read(2)
    return bool(start) and (start != b"PK" or zipfile.is_zipfile(path))
