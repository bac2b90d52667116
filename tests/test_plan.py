"""Hours of a grid: what is measured, what is extrapolated, what runs share, and what nobody knows."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from esd_bench.plan import PAPER_STEPS, Rate, bill, rates, written
from esd_bench.presets import Settings, preset
from esd_bench.prompts import ad_hoc
from esd_bench.spec import expand
from esd_bench.store import RunStore
from tests.pipeline.command import command

ROOT = Path(__file__).parents[1]
SD21 = Rate(
    "NVIDIA A", "*stable-diffusion-2-1*", "hashgrid", "esd", True, 4, 64, 1, 1, 100.0, 5.0, "a"
)


def grid(*methods, name="paper", prompts=("a", "b"), seeds=(0, 1), **settings):
    made = [replace(preset(name, Settings(m, {}, **settings)), suite="any") for m in methods]
    return expand(made, ad_hoc(list(prompts)).prompts, seeds)


def costs(specs, known, folder="nowhere", **options):
    return bill(specs, RunStore(folder), known=known, **options)


def test_what_was_measured_is_steps_times_rate():
    known = [SD21, replace(SD21, size=256, milliseconds=200.0, gib=9.0)]
    found = costs(grid("esd"), known)
    assert [(x.size, x.steps, x.runs) for x in found.lines] == [(64, 5000, 4), (256, 20_000, 4)]
    assert found.hours == pytest.approx(4 * (5000 * 0.1 + 20_000 * 0.2) / 3600)
    assert {x.guess.how for x in found.lines} == {"measured"}
    text = "\n".join(written(grid("esd"), found, gpus=2))
    assert "5.0 hours of NVIDIA A (measured), 2.5 hours on 2" in text
    assert "memory: 9 GiB" in text
    more = 4 * (PAPER_STEPS - 25_000) * 0.2 / 3600
    assert f"that would be {found.hours + more:,.0f} hours (extrapolated)" in text


def test_other_sizes_lie_on_the_line_through_two():
    known = [SD21, replace(SD21, size=128, milliseconds=130.0)]
    found = costs(grid("esd"), known)
    # From 64² to 128² are 3 units of 64² and 30 ms, from 64² to 256² are 15.
    assert found.lines[1].guess.milliseconds == pytest.approx(250.0)
    assert found.lines[1].guess.how == "extrapolated from esd at 1 x 128² and esd at 1 x 64²"


def test_another_method_stands_in_by_student_and_rows():
    known = [SD21, replace(SD21, method="sds", student=False, rows=2, milliseconds=50.0)]
    found = costs(grid("vsd", "perp_neg"), known)
    hows = {x.label: x.guess.how for x in found.lines if x.size == 64}
    assert hows["VSD"] == "extrapolated from esd at 1 x 64²"
    assert hows["Perp-Neg"] == "extrapolated from sds at 1 x 64²"


def test_packs_count_up_to_the_width_asked_for():
    known = [SD21, replace(SD21, width=8, milliseconds=40.0), replace(SD21, width=64)]
    assert costs(grid("esd"), known).lines[0].guess.milliseconds == 100
    assert costs(grid("esd"), known, width=16).lines[0].guess.milliseconds == 40


def test_what_is_unknown_is_named_and_left_out():
    found = costs(grid("esd", scene="voxels"), [SD21])
    text = "\n".join(written(grid("esd", scene="voxels"), found))
    assert found.hours == 0
    assert "time and memory: not measured" in text
    assert "not measured: ESD (λ = 0.5) on scene voxels with prior sd2-community" in text


def test_shared_stages_count_once():
    known = [replace(SD21, prior="embedded*", scene="voxels", size=32)]
    found = costs(grid("sds", "vsd", "esd", name="embedded"), known)
    assert [(x.label, x.stage, x.runs) for x in found.lines] == [
        ("SDS", 1, 4),
        ("VSD", 2, 4),
        ("ESD (λ = 0.5)", 2, 4),
    ]


def test_finished_runs_cost_nothing(tmp_path):
    specs = grid("esd")
    done = RunStore(tmp_path).folder(specs[0])
    done.mkdir(parents=True)
    (done / "record.json").write_text("{}")
    found = costs(specs, [SD21], tmp_path)
    assert (found.runs, found.finished, found.lines[0].runs) == (4, 1, 3)


def test_the_command_tells_the_papers_table_before_anything_runs(tmp_path):
    said = command("plan", "-m", "esd", "-m", "sds", "--out", tmp_path / "runs")
    assert said.code == 0, said.err
    assert "720 runs, 0 already finished" in said.out
    assert not (tmp_path / "runs").exists()


def test_an_unknown_machine_is_one_line():
    said = command("plan", "-m", "esd", "--machine", "abacus")
    assert said.code == 2
    assert "nothing was measured on 'abacus'; machines: CPU, two cores" in said.err


def test_shipped_rates_are_the_stored_results():
    made = runpy.run_path(str(ROOT / "benchmarks" / "costs.py"))
    assert (ROOT / "esd_bench" / "costs.json").read_text() == made["text"]()
    assert len(rates()) == len(json.loads(made["text"]())["rates"]) >= 6
