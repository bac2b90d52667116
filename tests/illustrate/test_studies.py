"""Figures that are made of runs: each command leaves a picture and a CSV that says how it came about, and resumes."""

import io
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from esd_bench.cameras import ring
from esd_bench.illustrate import STUDIES
from esd_bench.sheets import nearest
from esd_bench.store import RunStore
from tests.pipeline.command import command
from tests.tiny_prior import folder


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """The tiny prior in a folder of such a name that the embedded networks judge it."""
    return shutil.copytree(folder(), tmp_path_factory.mktemp("prior") / "embedded")


@pytest.fixture
def drawn(tmp_path, prior):
    return partial(draw, tmp_path, prior)


def draw(tmp_path, prior, name, *words):
    """The CSV of a figure, and its command line."""
    given = ["illustrate", name, "--prior", prior, "--device", "cpu", "--preset", "small"]
    given += ["--runs", tmp_path / "runs", "--out", tmp_path / "figures", *words]
    said = command(*given)
    assert said.code == 0, said.err
    assert f"{name}.png" in said.out
    first, rest = (tmp_path / "figures" / f"{name}.csv").read_text().split("\n", 1)
    assert first.startswith(f"# esd-bench illustrate {name} ")
    with Image.open(tmp_path / "figures" / f"{name}.png") as picture:
        assert min(picture.size) > 64
    return pd.read_csv(io.StringIO(rest)), given


def test_lambda_is_a_row_for_each_value_and_prompt_and_resumes(tmp_path, drawn):
    words = ("--set", "values=0,1", "--prompt", "a red dog", "--steps", "1,1")
    frame, given = drawn("lambda", *words, "--azimuths", "0,180")
    assert list(frame["setting"]) == ["λ = 0", "λ = 1"]
    assert frame[["janus_rate", "consistency", "iq", "iv"]].notna().all(axis=None)
    before = (tmp_path / "figures" / "lambda.csv").read_bytes()
    picture = (tmp_path / "figures" / "lambda.png").read_bytes()
    again = command(*given)
    assert "finished" not in again.err
    assert (tmp_path / "figures" / "lambda.csv").read_bytes() == before
    assert (tmp_path / "figures" / "lambda.png").read_bytes() == picture


def test_dreamtime_changes_the_schedule_of_the_last_stage_alone(tmp_path, drawn):
    frame, _ = drawn("dreamtime", "--steps", "1,1")
    assert list(frame["setting"]) == ["VSD", "VSD + DreamTime", "ESD", "ESD + DreamTime"]
    schedules = {
        (run.spec.method.name, run.spec.stages[-1].schedule.name)
        for run in RunStore(tmp_path / "runs").find()
    }
    assert schedules == {(m, s) for m in ("vsd", "esd") for s in ("uniform", "dreamtime")}


def test_unconditioned_writes_down_every_logged_step(tmp_path, drawn):
    frame, _ = drawn("unconditioned", "--steps", "1,1")
    assert list(frame["setting"].unique()) == ["ESD (λ = 0.5)", "ESD (λ = 1)", "unconditioned"]
    assert list(frame["step"]) == [1, 2, 2, 2], "the SDS stage is made once"
    assert frame["saturated"].between(0, 1).all()
    assert (frame["residual"] > 0).all()
    runs = RunStore(tmp_path / "runs").find()
    dropouts = sorted(run.spec.method.get("camera_dropout") for run in runs)
    assert dropouts == [0.5, 0.5, 1.0]


def test_image2d_counts_in_what_the_runs_made(drawn):
    words = ("--set", "height=64", "--set", "width=72", "--set", "lambdas=1", "--set", "views=1")
    frame, _ = drawn("image2d", *words, "--steps", "2")
    assert list(frame["setting"]) == ["SDS", "VSD", "ESD (λ = 1)"]
    assert (frame["objects_lenient"] >= frame["objects"]).all()
    assert (frame["objects"] >= frame["objects_strict"]).all()


def test_what_can_not_be_counted_is_said_before_anything_is_made(tmp_path):
    said = command("illustrate", "image2d", "--prompt", "a cube", "--runs", tmp_path / "runs")
    assert said.code == 2
    assert "names no kind" in said.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", STUDIES)
def test_an_unknown_option_is_one_line(name, tmp_path):
    said = command("illustrate", name, "--set", "colour=red", "--runs", tmp_path / "runs")
    assert said.code == 2
    assert "no option 'colour'" in said.err
    assert said.err.count("\n") == 1


def test_the_nearest_camera_is_found_across_the_seam():
    cameras = ring(15, 36)
    assert nearest(cameras, [0, 90, 180, -90, 359, 44]) == [0, 9, 18, 27, 0, 4]
    assert nearest(cameras[torch.tensor([3, 30])], [-50.0, 29.0]) == [1, 0]
    assert np.allclose(cameras.azimuth[9].rad2deg(), 90)
