"""What holds for every test: no network, fixed seeds, one thread, and guards in one place."""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from esd_bench.store import RunStore

torch.set_num_threads(1)
gc.disable()  # what modules bring in stays: looking through it for garbage is a tenth of the collection's time
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("suite")

_LOOPBACK = {"127.0.0.1", "::1", "localhost", ""}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but this machine is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        inside = self.family == socket.AF_UNIX
        if not inside and not (isinstance(address, tuple) and address[0] in _LOOPBACK):
            raise OSError(f"a test tried to reach {address!r}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """Tests may draw from the global generators; every test finds them in the same state."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def no_global_rng() -> Iterator[None]:
    """The test fails if anything in it draws from torch's or numpy's global generator (beartype draws from Python's)."""
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    yield
    assert torch.equal(before[0], torch.random.get_rng_state()), "torch's global generator was used"
    assert np.array_equal(before[1], np.random.get_state()[1]), "numpy's global generator was used"  # type: ignore[index]


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store of runs."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def latex() -> str:
    """The path of pdflatex; the test is skipped where it is absent."""
    return _program("pdflatex")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium browser; the test is skipped where it is absent."""
    return _program("chromium", "chromium-browser", "google-chrome")


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"{names[0]} is not installed")


def pytest_collection_finish() -> None:
    """From here on garbage is collected, of what the tests make."""
    gc.freeze()
    gc.enable()


_FIRST = "test_validation.py"
"""One of the longest tests is in it: begun among the last, it would leave the other worker idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``gpu`` tests are skipped without a CUDA device, also when they are asked for."""
    items.sort(key=lambda item: item.path.name != _FIRST)
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
