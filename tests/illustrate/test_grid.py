"""The grid of finished runs: chosen methods, prompts and views in their places."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from esd_bench.cameras import ring
from esd_bench.views import ViewSet
from tests.pipeline.command import command
from tests.tables.fakes import Runs


@pytest.fixture
def root(tmp_path):
    """Rings whose pictures say who made them and, by one grey level for each view, where from."""
    runs = Runs(tmp_path)
    for prompt, base in {"a cat": 100, "a dog": 150}.items():
        for method, more in {"sds": 0, "vsd": 50}.items():
            values = torch.arange(36, dtype=torch.uint8) + base + more
            rgba = values[:, None, None, None].repeat(1, 4, 8, 8)
            rgba[:, 3] = 255
            views = runs.add(prompt, method) / "views" / "ring-15-36"
            ViewSet(rgba, ring(15, 36, size=8), "ring:15:36").save(views)
    return tmp_path


def test_views_are_those_asked_for(root, tmp_path):
    said = command("illustrate", "grid", root, "--azimuths", "0,90", "--out", tmp_path / "figures")
    assert said.code == 0, said.err
    page = np.asarray(Image.open(tmp_path / "figures" / "grid.png").convert("L"))
    assert page.shape == (20 + 16 + 2 * 16, 150 + 4 * 16)
    middles = page[36 + 8 :: 16, 150 + 8 :: 16]
    assert middles.tolist() == [[100, 109, 150, 159], [150, 159, 200, 209]]


def test_methods_and_prompts_are_chosen_by_name_or_text(root, tmp_path):
    words = ("--methods", "vsd", "--prompts", "a dog", "--azimuths", "180")
    said = command("illustrate", "grid", root, *words, "--out", tmp_path)
    assert said.code == 0, said.err
    page = np.asarray(Image.open(tmp_path / "grid.png").convert("L"))
    assert page[36 + 8, 150 + 8] == 218
    first, rest = (tmp_path / "grid.csv").read_text().split("\n", 1)
    assert first.startswith("# esd-bench illustrate grid ")
    frame = pd.read_csv(io.StringIO(rest))
    assert list(frame["text"]) == ["a dog"]


@pytest.mark.parametrize("words", [("--methods", "esd"), ("--prompts", "x"), ("--azimuths", "a")])
def test_what_is_not_there_is_one_line(root, words):
    said = command("illustrate", "grid", root, *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
