"""The study of entropy stores what made an arm, counts failed runs, and says which arms nobody has made."""

import importlib.util
import itertools
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from esd_bench.store import RunRecord, RunStore
from tests.specs import spec
from tests.tiny_prior import tiny_prior

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


# ---- what entropy pays ---------------------------------------------------------------------------------------------


class Normal:
    """A prior whose latents are standard normal, and so x_t at every t: -log p(x_t) is |x_t|^2 / 2, eps sigma x_t."""

    dtype, device, latent = torch.float32, torch.device("cpu"), (2, 3, 3)
    alpha = torch.linspace(1, 0.1, 1000)
    sigma = (1 - alpha**2).sqrt()

    def encode(self, rgb):
        return rgb

    def eps(self, noised, t, text, states):
        return self.sigma[t][:, :, None, None, None, None] * noised


def test_the_work_of_a_way_is_what_the_prior_charges(monkeypatch):
    energy = load("energy")
    monkeypatch.setattr(energy, "NOISES", 4000)
    monkeypatch.setattr(energy, "VIEWS", 4)
    prior, level = Normal(), 500
    start, end = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    end[0] = start[0]
    text = torch.zeros(4, 3, 1, 1)
    way = energy.fade(start, end)
    found = [energy.work(prior, text, part, level) for part in way]
    charged = prior.alpha[level] ** 2 * (end.square().sum() - start.square().sum()) / 2 / 4
    for row in ("null", "text", "words"):
        assert sum(x[row] for x in found) == pytest.approx(charged.item(), abs=0.1)
    assert len(way) == energy.PARTS
    assert torch.equal(way[0][0], start)
    assert torch.allclose(way[-1][2], end)


def test_the_other_way_has_the_same_ends():
    energy = load("energy")
    start, end = torch.rand(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    way = energy.blur(start, end)
    assert torch.equal(way[0][0], start)
    assert torch.equal(way[-1][2], end)
    assert all(torch.equal(a[2], b[0]) for a, b in itertools.pairwise(way))
    middle = way[len(way) // 2][1]
    assert middle.flatten(2).std(2).max() < start.flatten(2).std(2).min() / 5


def test_pairs_of_alike_views_are_worth_ln_2():
    energy, prior = load("energy"), tiny_prior()
    views = 30 * torch.randn(8, *prior.latent, generator=torch.Generator().manual_seed(2))
    assert energy.confusable(prior, views.repeat(2, 1, 1, 1), 300) == pytest.approx(2)
    apart = torch.cat([views, -views])
    assert energy.confusable(prior, apart, 300) == pytest.approx(1)


def test_a_run_weighs_a_nat_as_its_residual_does(table):
    from diffusers import DDIMScheduler

    abar = DDIMScheduler.from_pretrained(table.NOISE.parent).alphas_cumprod.double()
    weights = (1 - abar) * ((1 - abar) / abar).sqrt()
    assert table.levels().to_numpy() == pytest.approx(weights.numpy(), rel=1e-4)


def test_books_by_hand(table, tmp_path):
    (tmp_path / "energy").mkdir()
    seen = [("0", 2.0), ("unlike", 1.5), ("1", 1.0)]
    gain = [{"kind": "cat", "object": x, "t": 450, "confusable": n} for x, n in seen]
    pd.DataFrame(gain).to_csv(tmp_path / "energy/gain.csv", index=False)
    for prior, text in (("biased", 2.0), ("even", 1.0)):
        parts = [{"null": 1.0, "text": text, "words": 0.0}, {"null": 0, "text": 0, "words": 0}]
        rows = [
            {"prior": prior, "kind": "cat", "t": 450, "part": i} | x for i, x in enumerate(parts)
        ]
        pd.DataFrame(rows).to_csv(tmp_path / f"energy/cost-fade-{prior}.csv", index=False)
    found = {key: value.loc[450, "cat"] for key, value in table.energy().items()}
    assert found["right"] == pytest.approx(math.log(2))
    assert found["unlike"] == pytest.approx(math.log(2 / 1.5))
    assert (found["biased 7.5 text"], found["even 7.5 text"]) == (8.5, 1)
    assert (found["bias"], found["bias 1"], found["returned"]) == (7.5, 1, 15)
    assert table.cheaper("biased 7.5 text", 12)["450"] == 0
    assert table.cheaper("biased 7.5 text", 13)["450"] == 1
    assert table.cheaper("biased 7.5 text", 13, "unlike")["450"] == 0


class Answers:
    """A student whose answers are given: what each row is at a step."""

    def __init__(self, *answers):
        self.answers = answers

    def predict(self, step, rows):
        return torch.stack([answer(step) for answer in self.answers], 2)


def test_a_student_is_asked_for_what_it_knows(table, tmp_path, monkeypatch):
    """One that knows the mixture holds all of the term, one that ignores the camera nothing, half of the first one half."""
    learns, prior = load("learns"), tiny_prior()
    monkeypatch.setattr(learns, "LEVELS", (850,))
    monkeypatch.setattr(table, "KNOWN", 1e-3)
    g = torch.Generator().manual_seed(0)
    latent = torch.randn(2, 16, *prior.latent, generator=g) * 0.05
    camera, text = torch.zeros(2, 16, 16), torch.zeros(2, 1, 1, 1)

    def camera_row(step):
        return step.noise

    def mixture(step):
        alpha, sigma = prior.alpha[850], prior.sigma[850]
        away = (step.noised[:, :, None] - alpha * latent[:, None]).square().flatten(3).sum(-1)
        mean = torch.einsum("pvm,pmchw->pvchw", (-away / sigma**2 / 2).softmax(-1), latent)
        return (step.noised - alpha * mean) / sigma

    def half(step):
        return (mixture(step) + step.noise) / 2

    for row, share in ((mixture, 1.0), (camera_row, 0.0), (half, 0.5)):
        found = pd.DataFrame(
            learns.asked(prior, Answers(camera_row, row), latent, camera, text)
        ).assign(kind="owl", fronts=1, fits=600)
        assert (found["exact"] > 1e-5).all()
        assert [*(found["both"] / found["exact"])] == pytest.approx([share] * 2, abs=1e-3)
        assert found["camera error"].max() == 0
        (tmp_path / "learns").mkdir(exist_ok=True)
        found.drop(columns="member").to_csv(tmp_path / "learns/preset.csv", index=False)
        (known,) = table.learned()["share"]
        assert known == pytest.approx(share, abs=1e-3)
    assert "0.500 [0.500, 0.500]" in table.learned_table()


def test_a_lora_learns_the_views_of_objects(monkeypatch):
    learns, prior = load("learns"), tiny_prior()
    monkeypatch.setattr(learns, "LOOKS", (1, 4))
    monkeypatch.setattr(learns, "LEVELS", (850,))
    monkeypatch.setattr(learns, "KINDS", ("owl",))
    monkeypatch.setattr(learns, "VIEWS", "band:-10:45:16")
    monkeypatch.setattr(learns, "NOISES", 1)
    found = pd.DataFrame(learns.fitted(prior, {"rank": 2, "learning_rate": 0.01}))
    assert [*found["fits"]] == [1, 1, 4, 4]
    assert [*found["fronts"]] == [1, 2, 1, 2]
    errors = found.groupby("fits")["camera error"].mean()
    assert errors[4] < errors[1]
