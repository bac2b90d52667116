"""Maps of entropy: every view in its place, from what ``score`` stored."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from esd_bench.cameras import sphere
from tests.pipeline.command import command
from tests.tables.fakes import Runs


@pytest.fixture
def root(tmp_path):
    """Two methods on one prompt; the entropy of a view is its elevation, or its opposite."""
    runs, at = Runs(tmp_path), sphere(40)
    for method, sign in {"sds": 1, "vsd": -1}.items():
        folder = runs.add("a cat", method, scores={"iq": 0.0})
        path = folder / "scores" / "iq.json"
        file = json.loads(path.read_text())
        file["scores"][0]["per_view"] = (2 + sign * at.elevation).tolist()
        angles = {"azimuth": at.azimuth.tolist(), "elevation": at.elevation.tolist()}
        path.rename(folder / "scores" / "inception.json").write_text(
            json.dumps({**file, "views": angles})
        )
    return tmp_path


def test_every_view_lies_where_it_was_seen_from(root, tmp_path):
    said = command("illustrate", "entropy", root, "--out", tmp_path / "figures")
    assert said.code == 0, said.err
    first, rest = (tmp_path / "figures" / "entropy.csv").read_text().split("\n", 1)
    assert first.startswith("# esd-bench illustrate entropy ")
    frame = pd.read_csv(io.StringIO(rest))
    assert len(frame) == 80
    elevation = np.radians(frame["elevation"])
    sign = frame["label"].map({x: -1 if "VSD" in x.upper() else 1 for x in set(frame["label"])})
    assert frame["entropy"].to_numpy() == pytest.approx((2 + sign * elevation).to_numpy(), abs=1e-4)
    assert set(sign) == {-1, 1}


def test_the_maps_are_each_other_turned_upside_down(root, tmp_path):
    command("illustrate", "entropy", root, "--out", tmp_path / "figures")
    page = np.asarray(Image.open(tmp_path / "figures" / "entropy.png").convert("RGB")).astype(int)
    yellow = (page[..., 0] > 230) & (page[..., 1] > 210) & (page[..., 2] < 80)
    rows, columns = np.nonzero(yellow[:, : int(page.shape[1] * 0.85)])
    left = columns < page.shape[1] * 0.43
    assert left.any()
    assert (~left).any()
    assert rows[left].mean() < page.shape[0] / 2 < rows[~left].mean()


def test_without_scores_it_says_which_command(tmp_path):
    Runs(tmp_path).add("a cat", "sds", scores={"fid": 3.0})
    said = command("illustrate", "entropy", tmp_path, "--out", tmp_path)
    assert said.code == 2
    assert "esd-bench score --metric inception" in said.err
    assert said.err.count("\n") == 1
