"""threestudio's ``launch.py`` as a child of this process: one GPU, its log followed line by line."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STEP = re.compile(r"Epoch \d+:.*?(\d+)(?:it|/[\d?]+) \[")
_BAR = re.compile(r"\d+%\||\d(?:it|/[\d?]+) \[|(?:it/s|s/it)")


class StageError(Exception):
    """A stage that did not come to its end; the text is the reason."""


@dataclass(frozen=True)
class Launch:
    """How to call it.

    Attributes:
        folder: threestudio's checkout, which has to be the working directory.
        python: the interpreter that it is installed for.
        gpu: the only one that it sees; with several visible it would train on all of them.
    """

    folder: Path
    python: str
    gpu: str

    def __call__(self, words: Sequence[str], log: Path, hear: Callable[[int], None]) -> None:
        """Run to the end, telling the steps done.

        Raises:
            StageError: with the last line of the log that says something.
        """
        command = [self.python, "launch.py", *words, "--gpu", "0"]
        last = ""
        with log.open("a", encoding="utf-8") as file, self._started(command) as process:
            try:
                # Progress bars end their lines with a carriage return, which counts as an end here.
                for line in process.stdout or ():
                    file.write(line)
                    step = _STEP.search(line)
                    if step:
                        hear(int(step[1]))
                    elif line.strip() and not _BAR.search(line):
                        last = _plain(line)
                file.flush()
                code = process.wait()
            finally:
                _end(process)
        if code:
            raise StageError(last or f"launch.py ended with {code} and said nothing")

    def _started(self, command: Sequence[str]) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": self.gpu,
            "PYTHONUNBUFFERED": "1",
        }
        try:
            # A session of its own: Ctrl-C would only make it skip the rest of the training and render what there is.
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise ValueError(
                f"can't run {self.python}: {error.strerror}; --set engine.python=..."
            ) from None


def _plain(line: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line).strip()[:300]


def _end(process: "subprocess.Popen[str]") -> None:
    """Leave no child behind, whatever ended the loop."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def one_gpu(wanted: str, device: str) -> str:
    """The one GPU to be seen: the one asked for, or that of ``cuda:1``, out of those that we may see ourselves.

    Raises:
        ValueError: when several are asked for.
    """
    if "," in wanted:
        raise ValueError(f"threestudio gets one GPU at a time, not engine.gpu={wanted}")
    visible = [x for x in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if x.strip()]
    index = int(device.partition(":")[2] or 0)
    if index and visible and index >= len(visible):
        raise ValueError(f"no {device} among CUDA_VISIBLE_DEVICES={','.join(visible)}")
    return wanted or (visible[index] if visible else str(index))
