"""Training: the loop on a problem with a known answer, resuming, and every stage in miniature."""

import json
import math

import pytest
import torch
from torch import nn

from esd_bench.embedded import card, train
from esd_bench.embedded.captions import VIEW_WORD
from esd_bench.embedded.card import measures, page
from esd_bench.embedded.data import Labels, Pool, draw
from esd_bench.embedded.fitting import Budget, Fit
from esd_bench.embedded.kinds import NAMES
from esd_bench.embedded.parts import COLOURS
from esd_bench.embedded.training import augment, prior
from esd_bench.embedded.training.job import PRIORS, Job, finish
from esd_bench.embedded.training.texts import distinct


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path, "cpu", steps=2, quick=True)


# ---- the loop ------------------------------------------------------------------------------------------------------


def line(folder, steps, name="line", stop=None):
    """A fit of y = 3x - 1, interrupted by a KeyboardInterrupt before step ``stop``."""
    torch.manual_seed(0)
    model, x, calls = nn.Linear(1, 1), torch.linspace(-1, 1, 64)[:, None], iter(range(10_000))

    def objective():
        if next(calls) == stop:
            raise KeyboardInterrupt
        return (model(x) - 3 * x + 1).square().mean()

    budget = Budget(math.inf, steps, "cpu", folder, decay=0.9, save_every=0.0)
    return model, Fit(name, model, objective, 0.3, budget)


def test_a_line_is_learned(tmp_path):
    model, fit = line(tmp_path, 400)
    report = fit.run()
    assert report.steps == 400
    assert report.loss < 0.05
    assert model.weight.item() == pytest.approx(3, abs=0.1)
    assert model.bias.item() == pytest.approx(-1, abs=0.1)
    assert not model.training


def test_the_average_of_one_step_is_that_step(tmp_path):
    """Divided by 1 - decay^steps: no share of the first weights or of the zeros stays."""
    model, fit = line(tmp_path, 1)
    fit.run()
    state = torch.load(tmp_path / "line.pt", weights_only=True)
    torch.testing.assert_close(model.weight.detach(), state["weights"][0].detach())


def test_an_interrupted_fit_goes_on_to_the_same_end(tmp_path):
    whole, fit = line(tmp_path / "a", 40)
    fit.run()
    _, fit = line(tmp_path / "b", 40, stop=17)
    with pytest.raises(KeyboardInterrupt):
        fit.run()
    resumed, fit = line(tmp_path / "b", 40)
    assert fit.steps == 17
    assert fit.run().steps == 40
    torch.testing.assert_close(resumed.weight, whole.weight)
    torch.testing.assert_close(resumed.bias, whole.bias)


def test_a_finished_fit_is_not_trained_further(tmp_path):
    first, fit = line(tmp_path, 30)
    fit.run()
    again, fit = line(tmp_path, 30, stop=0)
    assert fit.run().steps == 30
    torch.testing.assert_close(again.weight, first.weight)


# ---- what is trained on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "share"), [("embedded", 0.795), ("embedded-biased", 0.9505)])
def test_shares_of_the_front_pool_are_those_of_the_design(name, share, tmp_path):
    fronts = Labels(
        *(torch.cat(x) for x in zip(*(columns(pool) for pool in ("front", "around")), strict=True))
    )
    pool = Pool(torch.zeros(len(fronts), 4, 1, 1, dtype=torch.uint8), fronts)
    job = Job(tmp_path, "cpu")
    object.__setattr__(job, "examples", lambda n: 6000)
    picture, texts = prior.pairs(job, pool, 300, PRIORS[name])
    assert (picture < 300).float().mean() == pytest.approx(share, abs=0.02)
    viewed = torch.tensor([" view" in texts.distinct[i] for i in texts.index])
    assert viewed.float().mean() == pytest.approx(VIEW_WORD, abs=0.02)
    assert (picture[~viewed] < 300).float().mean() == pytest.approx(PRIORS[name].plain, abs=0.02)
    assert (picture[viewed] < 300).float().mean() == pytest.approx(PRIORS[name].viewed, abs=0.03)


def columns(pool):
    labels = draw(pool, 300, 1)[0]
    return [getattr(labels, name) for name in Labels.__dataclass_fields__]


def test_equal_captions_are_kept_once_and_the_empty_one_comes_first():
    texts = distinct(["a", "b", "a", "c"], (2, 2), "cpu")
    assert texts.distinct == ["", "a", "b", "c"]
    assert texts.index.tolist() == [[1, 2], [1, 3]]


def test_augmented_pictures_stay_pictures():
    x = torch.rand(64, 3, 64, 64)
    y = augment.augment(x)
    assert y.shape == x.shape
    assert y.min() >= 0
    assert y.max() <= 1
    assert (y != x).flatten(1).any(1).all()


# ---- commands ------------------------------------------------------------------------------------------------------


def test_mistakes_are_one_line(job):
    with pytest.raises(ValueError, match="unknown stage 'vea'; choose from data, vae,"):
        train.train(["data=front", "vea"], job)
    assert not list(job.out.iterdir()), "said before anything was done"
    with pytest.raises(ValueError, match="no pool 'sphere'"):
        train.train(["vae"], job)
    with pytest.raises(ValueError, match=r"prior 'mine' is none of .*--front"):
        train.train(["prior=mine"], job)
    with pytest.raises(SystemExit, match="error: no pool"):
        train.main(["clip", "--out", str(job.out), "--quick", "--device", "cpu"])


def test_a_folder_takes_its_name_when_it_is_whole(tmp_path):
    def broken(folder):
        folder.mkdir()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        finish(broken, tmp_path / "vae")
    assert not (tmp_path / "vae").exists()


@pytest.mark.slow
def test_every_stage_in_miniature(job, caplog):
    caplog.set_level("INFO", "esd_bench.embedded")
    train.train(["all"], job)
    lines = [r.getMessage() for r in caplog.records if "done in" in r.getMessage()]
    assert [text[1:].partition("]")[0] for text in lines] == list(train.STAGES)
    numbers = json.loads((job.weights / "card.json").read_text())
    assert set(numbers["priors"]) == set(PRIORS)
    assert numbers["training"]["vae"] == numbers["training"]["vae"] | {
        "steps": 2,
        "hardware": "CPU",
    }
    stamps = {p: p.stat().st_mtime_ns for p in job.weights.rglob("*.safetensors")}
    train.train(["vae", "clip", "prior", "classifier"], job)
    assert {p: p.stat().st_mtime_ns for p in job.weights.rglob("*.safetensors")} == stamps


# ---- the card ------------------------------------------------------------------------------------------------------


def test_samples_are_spread_over_kinds_and_colours():
    every = measures.subjects(144)
    assert len(set(every)) == len(NAMES) * len(COLOURS) == 144
    some = measures.subjects(72)
    assert {kind for kind, _ in some} == set(range(18))
    counts = torch.bincount(torch.tensor([colour for _, colour in some]))
    assert counts.min() >= 8
    assert counts.max() <= 10


def test_share_of_pictures_near_the_front():
    n = 40_000
    front, around = (
        draw(pool, n, 5)[0].azimuth.rad2deg().abs() < 45 for pool in ("front", "around")
    )
    mixed = 0.9 * front.float().mean() + 0.1 * around.float().mean()
    assert page.within(45, 0.9) == pytest.approx(mixed.item(), abs=0.01)


def test_tables_and_effort():
    assert page.table({"a": {"x": 1, "y": 2}, "b": {"x": 3}}) == "\n".join(
        ["|  | x | y |", "|---|---|---|", "| a | 1 | 2 |", "| b | 3 |  |"]
    )
    assert card.Effort().samples % 144 == 0
