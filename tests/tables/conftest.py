from pathlib import Path

import pytest

from tests.tables.fakes import Runs


@pytest.fixture
def fakes(tmp_path: Path) -> Runs:
    """An empty folder of runs to put made-up ones into."""
    return Runs(tmp_path / "fakes")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Six prompts by SDS, VSD and ESD with two seeds; not to be added to."""
    return Runs(tmp_path_factory.mktemp("study")).study(prompts=6, seeds=2)
