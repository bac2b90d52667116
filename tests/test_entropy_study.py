"""The study of entropy stores what made an arm, counts failed runs, and says which arms nobody has made."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from esd_bench.store import RunRecord, RunStore
from tests.specs import spec

FOLDER = Path(__file__).parents[1] / "reports/entropy"


def load(name):
    made = importlib.util.spec_from_file_location(f"entropy_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(made)
    sys.modules[made.name] = module
    made.loader.exec_module(module)
    return module


@pytest.fixture
def table(tmp_path, monkeypatch):
    module = load("table")
    monkeypatch.setattr(module, "HERE", tmp_path)
    (tmp_path / "scores").mkdir()
    return module


def store(folder: Path, arm: str, rates: dict[str, float | None]) -> None:
    """Scores of an arm, None for a run that failed."""
    shown = ("janus_rate", "consistency", "front_share", "kind", "iv", "ig", "success")
    rows = [
        {"prompt": prompt, "seed": 0, "status": "finished", "score": score, "value": rate}
        for prompt, rate in rates.items()
        for score in shown
        if rate is not None
    ]
    failed = [x for x, rate in rates.items() if rate is None]
    rows += [{"prompt": x, "seed": 0, "status": "failed"} for x in failed]
    pd.DataFrame(rows).to_csv(folder / "scores" / f"{arm}.csv", index=False)


def test_a_failed_run_is_counted_is_no_success_and_has_no_part_in_means(table, tmp_path):
    store(tmp_path, "even-exact-lambda0-cfg7.5", {"a": 0.0, "b": 0.0, "c": 1.0})
    store(tmp_path, "even-kernel-lambda4-cfg7.5", {"a": 1.0, "b": 1.0, "c": None})
    first, second = table.arms_table().splitlines()[2:]
    assert "| 0 | 0/3 | 0.333 |" in first
    assert "| 1/3 | – | – |" in first
    assert "| 4 | 1/3 | 1.000 |" in second
    assert "| 2/3 | 1.000 [1.000, 1.000] |" in second, "against the exact student's, pairs only"


def test_the_film_says_how_many_views_it_has(table, tmp_path):
    assert table.filmed("x-lora-lambda1-cfg1") == 12
    (tmp_path / "scores/x-lora-lambda1-cfg1.json").write_text(json.dumps({"film": "ring:15:24"}))
    assert table.filmed("x-lora-lambda1-cfg1") == 24


def test_r_by_chance(table):
    angles = 2 * torch.pi * torch.rand(20_000, 12, generator=torch.Generator().manual_seed(0))
    found = torch.polar(torch.ones_like(angles), angles).mean(1).abs().mean().item()
    assert table.chance(12) == pytest.approx(found, abs=0.005)


def test_what_made_an_arm_is_told(tmp_path):
    runs = RunStore(tmp_path)
    how = {"commit": "c0ffee", "prior": "abc", "files": {"unet/config.json": "def"}}
    outcomes = {"a red cat": ("finished", ""), "a red dog": ("failed", "saturated")}
    for text, (status, reason) in outcomes.items():
        made = spec(text)
        with runs.begin([made]):
            runs.finish(made, RunRecord(status, reason, **how), {"none": torch.zeros(1)})
    told = json.loads(json.dumps(load("make").made_by(runs.find())))
    assert told["runs"] == 2
    assert told["failed"] == {"saturated": 1}
    assert told["commits"] == ["c0ffee"]
    assert told["priors"] == {"abc": {"unet/config.json": "def"}}


def test_arms_have_names_of_their_own_that_tell_them(table):
    arms = list(load("make").arms())
    assert len({x.name for x in arms}) == len(arms)
    for arm in arms:
        told = table.named(arm.name)
        assert (told["prior"], told["student"]) == (arm.prior, arm.student)
        assert (told["entropy"], told["guidance"]) == (arm.entropy, arm.scale)


def test_arms_differ_from_the_preset_in_what_they_are_named_for():
    make = load("make")
    known = {arm.name: make.template(arm, Path("even")) for arm in make.arms()}
    assert len(known) == len([*make.arms()]), "two arms have one name"

    def stage(name):
        return known[f"biased-lora-lambda{name}"].stages[-1]

    plain = stage("16-cfg7.5")
    for note, options in make.STUDENTS.items():
        changed = stage(f"16-cfg7.5-{note}")
        assert changed == replace(plain, student=changed.student), note
        own = dict(changed.student.options)
        assert own == {**dict(plain.student.options), **options} != dict(plain.student.options)
    assert stage("16-cfg7.5-views8") == replace(plain, views=8)
    assert dict(stage("16-cfg3").method.options)["scale"] == 3
