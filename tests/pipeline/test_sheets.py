"""Contact sheets: every asset has its place."""

import numpy as np
import pytest
import torch
from PIL import Image

from esd_bench.cameras import ring
from esd_bench.sheets import contact_sheet
from esd_bench.views import ViewSet
from tests.pipeline.command import command
from tests.tables.fakes import Runs

COLOURS = {"a cat": 200, "a dog": 100}


def plain(folder, value):
    """A run's ring of six views in one colour."""
    rgba = torch.full((36, 4, 8, 8), value, dtype=torch.uint8)
    rgba[:, 3] = 255
    ViewSet(rgba, ring(15, 36, size=8), "ring:15:36").save(folder / "views" / "ring-15-36")


@pytest.fixture
def root(tmp_path):
    runs = Runs(tmp_path)
    for prompt, value in COLOURS.items():
        plain(runs.add(prompt, "vsd"), value)
        plain(runs.add(prompt, "sds"), value + 10)
    plain(runs.add("a cat", "sds", words=False), 50)
    return tmp_path


def test_a_row_for_each_prompt_and_wording_a_column_for_each_method(root, tmp_path):
    assert contact_sheet(root, tmp_path / "sheet.png", count=3) == 5
    page = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    assert page.shape == (20 + 3 * 8, 150 + 2 * 3 * 8)
    middles = page[24::8, 154::8]
    assert middles.tolist() == [[210] * 3 + [200] * 3, [50] * 3 + [255] * 3, [110] * 3 + [100] * 3]


def test_runs_are_chosen_on_the_command_line(root, tmp_path):
    picture = tmp_path / "one.webp"
    said = command("sheet", root, "--only", "prompt=a-dog", "--views", "2", "--out", picture)
    assert said.code == 0
    assert f"{picture}, 2 assets" in said.err
    with Image.open(picture) as page:
        assert page.size == (150 + 2 * 2 * 8, 28)


@pytest.mark.parametrize("words", [("--out", "a.gif"), ("--only", "prompt=none"), ("--only", "x")])
def test_what_cannot_be_drawn_is_one_line(root, words):
    said = command("sheet", root, *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
