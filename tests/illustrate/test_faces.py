"""Films of runs, and the oracle on them: objects whose fronts are known stand for a run as it came to be."""

import io
import json

import pandas as pd
import pytest
import torch

from esd_bench.embedded.fixtures import faced
from esd_bench.store import RunRecord, RunStore
from tests.pipeline.command import command, only, quick
from tests.specs import spec

FRONTS = {10: 1, 20: 2}
"""Step -> fronts of the asset then."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A run that has one front after ten steps and two after twenty; its entropy term is a quarter, then an eighth."""
    store = RunStore(tmp_path_factory.mktemp("films"))
    made = spec("a red bear")
    with store.begin([made]):
        folder = store.working(made)
        for step, fronts in FRONTS.items():
            figure = faced("bear", fronts, "red", turn=0.5)
            figure.views("ring:15:12", 64).save(folder / "film" / f"{step:06d}")
        for step in (5, 10, 15, 20):
            apart = 0.25 if step <= 10 else 0.125
            store.log(
                made, {"step": step, "residual": 2.0, "apart": 2 * apart, "entropy": 1 / step}
            )
        store.finish(made, RunRecord("finished", label="ESD"), {"none": torch.zeros(1)})
    return store.root


def test_the_oracle_sees_when_the_second_front_comes(root, tmp_path):
    said = command("illustrate", "faces", root, "--out", tmp_path, "--device", "cpu")
    assert said.code == 0, said.err
    first, rest = (tmp_path / "faces.csv").read_text().split("\n", 1)
    assert first.startswith("# esd-bench illustrate faces ")
    rows = pd.read_csv(io.StringIO(rest)).set_index("step")
    assert list(rows.index) == list(FRONTS)
    assert rows["front_share"].is_monotonic_increasing
    assert rows["janus_rate"].tolist()[0] == 0 < rows["janus_rate"].tolist()[1]
    assert rows.loc[10, "consistency"] > 0.9 > rows.loc[20, "consistency"] + 0.1
    assert rows["share"].tolist() == [0.25, 0.125]
    assert rows["entropy"].tolist() == pytest.approx([(1 / 5 + 1 / 10) / 2, (1 / 15 + 1 / 20) / 2])
    assert (tmp_path / "faces.png").stat().st_size > 10_000


def test_without_a_film_it_says_how_to_make_one(tmp_path):
    store = RunStore(tmp_path)
    made = spec("a red bear")
    with store.begin([made]):
        store.finish(made, RunRecord("finished", label="ESD"), {"none": torch.zeros(1)})
    said = command("illustrate", "faces", tmp_path, "--out", tmp_path / "figures")
    assert said.code == 2
    assert "--set engine.film=50" in said.err


def test_generate_films_and_logs_what_entropy_does(tmp_path):
    more = ("--student", "exact", "--set", "engine.film=2", "--background", "shared")
    said = command(*quick(tmp_path, "-m", "esd", *more))
    assert said.code == 0, said.err
    run = only(tmp_path)
    steps = [int(x.name) for x in sorted((run.folder / "film").iterdir())]
    assert steps
    assert steps == list(range(2, run.spec.steps + 1, 2))
    log = [json.loads(x) for x in (run.folder / "log.jsonl").read_text().splitlines()]
    told = [x for x in log if "apart" in x]
    assert told
    assert all(x["entropy"] >= 0 <= x["apart"] for x in told)
    assert run.spec.stages[-1].background == "shared"
