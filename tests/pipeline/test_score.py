"""Scoring: every picture once, the same bits in any company, bad files named and the rest done."""

import json
import math
import shutil
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from esd_bench import cameras, features, plugins
from esd_bench import score as scoring
from esd_bench.features import Features
from esd_bench.measure import Bench
from esd_bench.metrics.fid import frechet_distance
from esd_bench.prompts import Prompt
from esd_bench.reference import sets
from esd_bench.report import report
from esd_bench.score import Settings, Summary, score
from esd_bench.spec import Choice, RunSpec, Stage
from esd_bench.store import Run, RunRecord, RunStore, read_run
from esd_bench.views import ViewSet
from tests.pipeline.command import command

JUDGE = '''
"""A stand-in for all networks: a fixed random linear map of small pictures."""
import torch
from esd_bench.embedders._network import Network, to_tensor

CALLS = []

def judge(device, /, *, width: int = 7):
    draw = torch.Generator().manual_seed(width)
    maps = {"features": width, "image": width, "probs": 5, "azimuth": 24, "kind": 3, "colour": 2}
    weights = {k: torch.randn(3 * 8 * 8, n, generator=draw) for k, n in maps.items()}
    def forward(x):
        CALLS.append(len(x))
        found = {k: x.flatten(1) @ w for k, w in weights.items()}
        return {k: v if k in ("features", "image") else v.softmax(-1) for k, v in found.items()}
    def text(texts):
        return torch.ones(len(texts), width) / width**0.5
    def truth(text):
        return {"kind": 1, "colour": 0} if "cat" in text else {}
    return Network(f"judge-{width}", str(width) * 64, tuple(maps), device, to_tensor, forward, 12, text, truth)
'''
PRIOR = '''
"""A stand-in for a prior: each seed paints its own noise."""
import torch

def painter(device, /):
    class Painter:
        name, digest, files = "painter", "d" * 64, {}
        def sample(self, texts, seeds, scale=7.5, steps=25):
            return torch.stack([torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(s)) for s in seeds])
    found = Painter()
    found.device = device
    return found
'''
VIEWS = ("sphere:15", "ring:15:12")


class World:
    """A folder of finished runs with stand-ins for networks and prior."""

    def __init__(self, folder: Path) -> None:
        (folder / "judge.py").write_text(JUDGE)
        (folder / "painter.py").write_text(PRIOR)
        self.folder, self.store = folder, RunStore(folder / "runs")
        self.judge, self.prior = (
            Choice(str(folder / "judge.py")),
            Choice(str(folder / "painter.py")),
        )
        roles = dict.fromkeys(("clip", "classifier", "features", "oracle"), self.judge)
        self.settings = Settings(
            references=6, embedders=roles, reference_root=folder / "references"
        )

    def run(self, text: str, seed: int = 0, status: str = "finished", prior: str = "d" * 64) -> Run:
        stage = Stage(
            Choice.of("methods", "sds"), Choice.of("schedules", "uniform"), Choice("none"), steps=1
        )
        spec = RunSpec(
            "suite", Prompt(text), self.prior, Choice("voxels"), (stage,), seed, views=VIEWS
        )
        draw = torch.Generator().manual_seed(hash_of(text) + seed)
        digests = {}
        with self.store.begin([spec]):
            for protocol in VIEWS if status == "finished" else ():
                at = cameras.protocol(protocol, 8)
                rgba = torch.randint(0, 256, (len(at), 4, 8, 8), generator=draw, dtype=torch.uint8)
                views = ViewSet(rgba, at, protocol)
                views.save(self.store.working(spec) / "views" / protocol.replace(":", "-"))
                digests[protocol] = views.digest
            record = RunRecord(status, views=digests, prior=prior)
            return self.store.finish(spec, record, {"x": torch.zeros(1)})

    def score(self, metrics: Sequence[str] | None = None, **changes: object) -> Summary:
        return score(self.store.root, metrics, replace(self.settings, **changes))  # type: ignore[arg-type]


def hash_of(text: str) -> int:
    return sum(map(ord, text)) * 1000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


IN_BAND = "band:-10:45 of sphere:15"
BAND_STEM = "@band--10-45-of-sphere-15"


def on(views: str) -> list[str]:
    """The metrics that look at a sphere, or at a ring."""
    return [x for x in plugins.names("metrics") if plugins.load("metrics", x)().views == views]


def test_every_metric_is_scored_and_described(world: World) -> None:
    run = world.run("a red cat")
    world.run("a blue dog")
    summary = world.score()
    assert not summary.problems
    stored = world.store.scores(run)
    assert set(stored) == {*plugins.names("metrics"), *(x + BAND_STEM for x in on("sphere"))}
    assert summary.scored == 2 * len(stored)
    assert {"clip_distance", "fid", "inception", "kid", "janus", "cmmd", "r_precision"} <= set(
        stored
    )
    names = {s["name"] for file in stored.values() for s in file["scores"]}
    assert {
        "clip_distance",
        "fid",
        "kid",
        "iq",
        "iv",
        "ig",
        "mi",
        "janus_rate",
        "consistency",
        "success",
        "kind",
    } <= names
    fid = stored["fid"]
    assert fid["comparability"]["protocol"] == "sphere:15"
    assert fid["comparability"]["n"] == 15
    assert fid["comparability"]["background"] == "white"
    assert fid["comparability"]["networks"]["features"]["digest"] == "7" * 64
    assert fid["comparability"]["reference"]["n"] == 6
    assert fid["provenance"]["views"] == run.record.views["sphere:15"]
    assert fid["provenance"]["reference"]["digest"] == sets(world.folder / "references")[0].digest
    assert stored["janus"]["comparability"]["protocol"] == "ring:15:12"
    assert stored["clip_distance"]["comparability"]["reference"] is None


def test_the_number_is_the_pure_functions_on_the_stored_bytes(world: World) -> None:
    run = world.run("a red cat")
    world.score(["fid"])
    judge = world.judge.make("embedders", torch.device("cpu"))
    views = ViewSet.load(run.views_folder("sphere:15"))
    x = judge.images(features.bytes_of(views.over("white")).float() / 255)["features"]
    y = judge.images(sets(world.folder / "references")[0].pictures().float() / 255)["features"]
    assert world.store.scores(run)["fid"]["scores"][0]["value"] == frechet_distance(x, y)


def test_a_second_time_nothing_is_read_or_computed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("a red cat")
    first = world.score()
    monkeypatch.setattr(Choice, "make", lambda *_: pytest.fail("something was loaded"))
    monkeypatch.setattr(ViewSet, "load", lambda *_: pytest.fail("views were read"))
    again = world.score()
    assert (again.scored, again.kept, again.forwards) == (0, first.scored, 0)


def test_runs_are_let_go_and_their_views_read_ahead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, alive, readers = [], [], set()

    def reading(folder: Path) -> Run:
        run = read_run(folder)
        made.append(weakref.ref(run))
        return run

    def loading(folder: Path) -> ViewSet:
        readers.add(threading.current_thread() is threading.main_thread())
        return load(folder)

    load = ViewSet.load
    monkeypatch.setattr("esd_bench.score.read_run", reading)
    monkeypatch.setattr(ViewSet, "load", loading)
    for seed in range(9):
        world.run("a red cat", seed)
    settings = replace(world.settings, references=0)
    tell = lambda *_: alive.append(sum(x() is not None for x in made))  # noqa: E731
    assert score(world.store.root, ["clip_distance"], settings, tell).scored == 18
    assert max(alive) <= 4
    assert readers == {True, False}


def test_each_set_of_pictures_passes_each_network_once(world: World) -> None:
    world.run("a red cat")
    world.run("a red cat", seed=1)
    summary = world.score()
    # Two spheres, two rings and their mirror images, one reference set; all metrics share them.
    assert summary.forwards == 7
    assert world.score(again=True).forwards == 0


def test_neighbours_and_order_do_not_change_a_bit(world: World, tmp_path: Path) -> None:
    alone = World(_made(tmp_path / "alone"))
    run = alone.run("a red cat", 1)
    alone.score()
    for text, seed in (("a blue dog", 0), ("a red cat", 0), ("a red cat", 1), ("a tree", 0)):
        world.run(text, seed)
    world.score(["kid"])
    world.score()
    (other,) = world.store.find(prompt="a-red-cat", seed=1)
    assert len(alone.store.scores(run)) > 10
    for name, file in alone.store.scores(run).items():
        assert file["scores"] == world.store.scores(other)[name]["scores"]
        assert file["key"] == world.store.scores(other)[name]["key"]


def test_the_supervised_band_is_the_sphere_s_own_views_there(world: World) -> None:
    run = world.run("a red cat")
    assert world.score(["inception", "clip_distance", "janus"]).forwards == 2
    stored = world.store.scores(run)
    whole, band = stored["inception"], stored["inception" + BAND_STEM]
    degrees = [math.degrees(x) for x in whole["views"]["elevation"]]
    inside = [i for i, x in enumerate(degrees) if -10 <= x <= 45]
    assert 2 < len(inside) < 15
    assert band["comparability"]["protocol"] == IN_BAND
    assert band["comparability"]["n"] == len(inside)
    assert band["key"] != whole["key"]
    entropies = whole["scores"][0]["per_view"]
    assert band["scores"][0]["per_view"] == [entropies[i] for i in inside]
    assert band["views"]["azimuth"] == [whole["views"]["azimuth"][i] for i in inside]
    assert not any(name.startswith("janus@") for name in stored)
    for none in ({"band": None}, {"views": ("sphere:15", "ring:15:12"), "band": (89.0, 90.0)}):
        assert world.score(["inception"], again=True, **none).scored == 1


def test_the_places_of_the_views_stand_in_the_file_once(world: World) -> None:
    run = world.run("a red cat")
    world.score(["inception", "kid"])
    stored = world.store.scores(run)
    at = cameras.protocol("sphere:15", 8)
    assert stored["inception"]["views"]["azimuth"] == pytest.approx(at.azimuth.tolist(), abs=1e-6)
    assert stored["inception"]["views"]["elevation"] == pytest.approx(
        at.elevation.tolist(), abs=1e-6
    )
    assert len(stored["inception"]["scores"][0]["per_view"]) == 15
    assert "views" not in stored["kid"]


def test_a_prompt_is_told_from_the_others_of_its_suite(world: World) -> None:
    run = world.run("a red cat")
    (reason,) = world.score(["r_precision"]).skipped
    assert "one prompt" in reason
    keys = []
    for text in ("a blue dog", "a green tree"):
        world.run(text)
        world.score(["r_precision"])
        keys.append(world.store.scores(run)["r_precision"]["comparability"]["texts"])
    assert [key["n"] for key in keys] == [2, 3]
    assert keys[0]["digest"] != keys[1]["digest"]
    others = [x for x in world.store.find() if x.spec.prompt.text != "a red cat"]
    for other in others:
        assert world.store.scores(other)["r_precision"]["comparability"]["texts"] == keys[1]


def test_a_shipped_suite_is_its_own_set_of_texts(world: World) -> None:
    bench = Bench(Features(world.folder), world.settings, {"demo": ["a cat"]})
    made = world.run("a blue owl")
    shipped = replace(made, spec=replace(made.spec, suite="demo"))
    assert bench._others(shipped) == ("an orange dog",)
    elsewhere = replace(shipped, spec=replace(shipped.spec, prompt=Prompt("a red cat")))
    assert bench._others(elsewhere) == ("a cat",)


def test_a_fid_mode_changes_the_network_the_key_and_nothing_else(world: World) -> None:
    real = Choice.of("priors", "stable_diffusion", {"folder": "owner/name"})
    base = features.defaults(real)
    found = features.with_fid_mode(base, "pytorch")
    assert found["features"] == found["classifier"] != base["features"]
    assert found["features"].get("resize") == "pytorch"
    assert found["clip"] == base["clip"]
    own = {**base, "classifier": world.judge, "features": world.judge}
    changed = features.with_fid_mode(own, "tf1")
    assert changed["classifier"] == world.judge
    assert (changed["features"].name, changed["features"].get("resize")) == ("inception", "tf1")
    named = {"features": Choice.of("embedders", "inception", {"weights": "mine.pth"})}
    assert features.with_fid_mode(named, "clean")["features"].get("weights") == "mine.pth"
    with pytest.raises(ValueError, match="clean, pytorch, torchmetrics, tf1"):
        world.score(fid_mode="keras")
    world.run("a red cat")
    (problem,) = world.score(["kid"], fid_mode="torchmetrics").problems
    assert "no weights at" in problem


def test_numbers_of_different_keys_still_make_no_table(world: World) -> None:
    world.run("a red cat")
    world.score(["clip_distance"])
    world.run("a blue dog")
    store = world.store.root
    report(store, "overview")
    score(store, ["clip_distance"], replace(world.settings, background="black"))
    folder = world.store.find(prompt="a-red-cat")[0].folder / "scores"
    for name in ("clip_distance", "clip_distance" + BAND_STEM):
        path = folder / f"{name}.json"
        kept = json.loads(path.read_text())
        kept["comparability"]["background"] = "white"
        path.write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=r"can't be compared: .* background"):
        report(store, "overview")


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_keys_agree_over_prompts_and_change_with_what_matters(world: World) -> None:
    runs = [world.run("a red cat"), world.run("a blue dog")]
    world.score(["fid", "clip_distance"])

    def key(metric: str, run: Run = runs[0]) -> str:
        return world.store.scores(run)[metric]["key"]

    base = key("fid"), key("clip_distance")
    assert (key("fid", runs[1]), key("clip_distance", runs[1])) == base
    world.score(["fid", "clip_distance"], references=7)
    assert key("fid") != base[0]
    assert key("clip_distance") == base[1]
    world.score(["fid", "clip_distance"], background="black")
    assert key("clip_distance") != base[1]
    wide = Choice(world.judge.name, (("width", 9),))
    assert not world.score(["clip_distance"], embedders={"clip": wide}).problems
    assert key("clip_distance") not in (base[1],)
    assert world.store.scores(runs[0])["clip_distance"]["network"] == "judge-9"


def test_truth_comes_from_the_prompt(world: World) -> None:
    named, unnamed = world.run("a red cat"), world.run("a blue dog")
    world.score(["janus"])
    assert "kind" in {s["name"] for s in world.store.scores(named)["janus"]["scores"]}
    assert "kind" not in {s["name"] for s in world.store.scores(unnamed)["janus"]["scores"]}


def test_a_truncated_picture_is_named_and_the_rest_goes_on(world: World) -> None:
    bad, good = world.run("a red cat"), world.run("a blue dog")
    victim = bad.views_folder("sphere:15") / "003.png"
    victim.write_bytes(victim.read_bytes()[:40])
    summary = world.score()
    assert all(str(victim) in problem for problem in summary.problems)
    assert len(summary.problems) == len(on("sphere"))
    assert set(world.store.scores(bad)) == set(on("ring"))
    assert len(world.store.scores(good)) == 2 * len(on("sphere")) + len(on("ring"))


def test_an_altered_picture_is_noticed(world: World) -> None:
    run = world.run("a red cat")
    folder = run.views_folder("sphere:15")
    (folder / "003.png").write_bytes((folder / "004.png").read_bytes())
    (problem,) = world.score(["inception"]).problems
    assert "changed since" in problem


def test_missing_views_say_what_there_is(world: World) -> None:
    world.run("a red cat").scene_file.unlink()
    summary = world.score(["fid"], views=("band:-10:45:20",))
    (problem,) = summary.problems
    assert "band:-10:45:20" in problem
    assert "sphere:15" in problem


def test_other_views_do_not_overwrite_the_runs_own(world: World) -> None:
    run = world.run("a red cat")
    world.score(["inception"])
    own = world.store.scores(run)["inception"]
    at = cameras.protocol("band:-10:45:20", 8)
    rgba = torch.randint(0, 256, (20, 4, 8, 8), dtype=torch.uint8)
    ViewSet(rgba, at, "band:-10:45:20").save(run.views_folder("band:-10:45:20"))
    world.score(["inception"], views=("band:-10:45:20",))
    stored = world.store.scores(run)
    assert stored["inception"] == own
    assert stored["inception@band--10-45-20"]["comparability"]["n"] == 20


def test_failed_runs_are_counted_and_get_no_scores(world: World) -> None:
    failed = world.run("a red cat", status="failed")
    world.run("a blue dog")
    assert world.score(["inception"]).failed == 1
    assert world.store.scores(failed) == {}


def test_metrics_that_do_not_apply_are_skipped_with_a_reason(world: World) -> None:
    world.run("a red cat")
    roles = {k: v for k, v in world.settings.embedders.items() if k != "oracle"}
    summary = world.score(embedders=roles, references=0)
    assert not summary.problems
    assert any("role oracle" in reason for reason in summary.skipped)
    assert any("turned off" in reason for reason in summary.skipped)


def test_a_missing_network_is_one_line_for_all_runs(world: World) -> None:
    for seed in range(3):
        world.run("a red cat", seed)
    absent = Choice.of("embedders", "inception", {"weights": str(world.folder / "absent.pth")})
    roles = {**world.settings.embedders, "classifier": absent}
    summary = world.score(["inception", "clip_distance"], embedders=roles)
    ((problem, count),) = summary.problems.items()
    assert "absent.pth" in problem
    assert "torch-fidelity" in problem
    assert count == 3
    assert summary.scored == 2 * 3


def test_a_network_without_the_output_of_its_role_is_refused(world: World) -> None:
    world.run("a red cat")
    text = JUDGE.replace('"probs": 5, ', "").replace("judge", "blind")
    (world.folder / "blind.py").write_text(text)
    roles = {**world.settings.embedders, "classifier": Choice(str(world.folder / "blind.py"))}
    (problem,) = world.score(["inception"], embedders=roles).problems
    assert "gives no 'probs'" in problem


def test_a_changed_prior_makes_no_references(world: World) -> None:
    world.run("a red cat", prior="e" * 64)
    (problem,) = world.score(["fid"]).problems
    assert "has changed" in problem


def test_a_damaged_cache_entry_is_made_again(world: World) -> None:
    run = world.run("a red cat")
    world.score(["inception"])
    before = world.store.scores(run)["inception"]["scores"]
    (entry,) = (world.store.root / ".features").rglob("*.safetensors")
    entry.write_bytes(b"broken")
    assert world.score(["inception"], again=True).forwards == 1
    assert world.store.scores(run)["inception"]["scores"] == before


def test_a_metric_of_ones_own_is_one_file(world: World) -> None:
    run = world.run("a red cat")
    mine = world.folder / "brightness.py"
    mine.write_text(
        "from esd_bench.metrics import Metric, Score\n"
        "def brightness():\n"
        "    return Metric(lambda x: [Score('brightness', float(x.elevation.mean()), '', None, 15)], roles=())\n"
    )
    assert world.score([str(mine)], band=None).scored == 1
    assert world.store.scores(run)["brightness"]["scores"][0]["n"] == 15


def test_a_changed_formula_or_a_broken_file_is_scored_again(world: World) -> None:
    run = world.run("a red cat")
    mine = world.folder / "one.py"
    text = "from esd_bench.metrics import Metric, Score\ndef one():\n    return Metric(lambda x: [Score('one', 1.0, '', None, 15)], ())\n"
    for value in ("1.0", "2.0"):
        mine.write_text(text.replace("1.0", value))
        assert world.score([str(mine)]).scored == 2
        assert world.score([str(mine)]).kept == 2
        assert world.store.scores(run)["one"]["scores"][0]["value"] == float(value)
    (run.folder / "scores" / "one.json").write_text("{")
    assert world.score([str(mine)], band=None).scored == 1


def test_what_a_formula_imports_of_the_folder_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper's change, also one that another helper imports, gives new digests to its metrics and to no other."""
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from esd_bench.metrics import Metric\n"
        "def mine():\n"
        "    from esd_bench.metrics import _words, _ring\n"
        "    return Metric(lambda x: [], ())\n"
    )
    copied = tmp_path / "metrics"
    shutil.copytree(scoring.FOLDER, copied)
    names = ["pose_peaks", "front_peaks", "inception", "kid", str(mine)]
    of = lambda: {name: source for name, (source, _) in scoring._chosen(names).items()}  # noqa: E731
    before = of()
    monkeypatch.setattr(scoring, "FOLDER", copied)
    assert of() == before
    for helper, moved in (
        ("_ring", {"pose_peaks", "front_peaks", "mine"}),
        ("_words", {"front_peaks", "mine"}),
        ("_arrays", {*before}),
        ("_two_samples", {"kid"}),
    ):
        old = (copied / f"{helper}.py").read_text()
        (copied / f"{helper}.py").write_text(f"{old}\nraise RuntimeError('never run')\n")
        assert {name for name, source in of().items() if source != before[name]} == moved
        (copied / f"{helper}.py").write_text(old)


def test_progress_is_told(world: World) -> None:
    world.run("a red cat")
    seen: list[tuple[int, int, str]] = []
    score(world.store.root, ["inception"], world.settings, lambda *x: seen.append(x))
    assert seen[0][:2] == (0, 1)
    assert seen[-1][:2] == (1, 1)


def test_bad_requests(world: World) -> None:
    with pytest.raises(ValueError, match="no finished runs"):
        world.score()
    world.run("a red cat")
    with pytest.raises(ValueError, match="there are: clip_distance"):
        world.score(["nonsense"])
    with pytest.raises(ValueError, match="white, grey, black"):
        world.score(background="pink")
    with pytest.raises(ValueError, match="two pictures"):
        world.score(references=1)


@pytest.mark.parametrize(
    "words", [("--fid-mode", "keras"), ("--band", "low"), ("--band", "50:10"), ("--band", "1:2:3")]
)
def test_bad_options_are_one_line(world: World, words: tuple[str, str]) -> None:
    said = command("score", world.store.root, *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


def test_networks_by_family() -> None:
    embedded = Choice.of("priors", "stable_diffusion", {"folder": "embedded-biased"})
    real = Choice.of("priors", "stable_diffusion", {"folder": "owner/name"})
    assert {role: c.name for role, c in features.defaults(embedded).items()} == {
        "clip": "clip",
        "classifier": "embedded",
        "features": "embedded",
        "oracle": "embedded",
    }
    assert features.defaults(embedded)["clip"].get("model") == "embedded"
    assert features.defaults(real)["clip"].get("model") == "ViT-L-14"
    assert set(features.defaults(real)) == {"clip", "classifier", "features"}


def test_override_is_checked() -> None:
    role, choice = features.override("classifier=imagenet,network=resnet50")
    assert (role, choice.name, choice.get("network")) == ("classifier", "imagenet", "resnet50")
    for bad in (
        "classifier",
        "nose=clip",
        "clip=clip,model",
        "clip=nonsense",
        "clip=clip,colour=red",
    ):
        with pytest.raises(ValueError, match=r"role|option=value|there are|no option"):
            features.override(bad)


def test_a_stored_score_is_json(world: World) -> None:
    run = world.run("a red cat")
    world.score()
    for path in (run.folder / "scores").glob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)
