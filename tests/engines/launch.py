"""A stand-in for threestudio's launch.py: checks what it is given, writes the folders that threestudio writes, trains nothing.

``fault.json`` beside it makes it fail: {"stage": "geometry", "step": 4, "how": "kill"}. It does without numpy, whose
import takes longer than all that is done here.
"""

import argparse
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import yaml
from PIL import Image

HERE = Path(__file__).parent
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MARKS = {"+x": (0.5, 0, 0), "+y": (0, 0.5, 0), "+z": (0, 0, 0.5)}
"""Points of threestudio's world, drawn in red, green and blue."""


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--gpu", default="0")
    group = parser.add_mutually_exclusive_group(required=True)
    for act in ("train", "validate", "test", "export"):
        group.add_argument(f"--{act}", action="store_true")
    known, extras = parser.parse_known_args()
    return known, dict(extra.split("=", 1) for extra in extras)


def settled(known, extras):
    """The configuration with what the command line says over it, checked."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    assert len([x for x in visible.split(",") if x]) == 1, f"not one GPU: {visible!r}"
    assert Path.cwd() == HERE, "not in threestudio's folder"
    assert not any("prompt" in key for key in extras), "a prompt on the command line"
    assert set(extras) <= {"resume"}, extras
    cfg = yaml.load(Path(known.config).read_text(), LOADER)
    cfg.update(extras)
    words = cfg["system"]["prompt_processor"]
    assert isinstance(words["prompt"], str), "the prompt is no text"
    assert (
        f'"prompt": {json.dumps(words["prompt"], ensure_ascii=False)}'
        in Path(known.config).read_text()
    )
    assert isinstance(cfg["checkpoint"]["every_n_train_steps"], int)
    if cfg["system"]["guidance_type"] == "esd-bench-vsd-guidance":
        assert "esd-bench-vsd-guidance" in (HERE / "custom/esd_bench_guidance.py").read_text()
    later = cfg["system"].get("stage", "coarse") != "coarse"
    before = cfg["system"].get("geometry_convert_from")
    if later:
        assert Path(before).is_file(), "geometry_convert_from"
        assert (Path(before).parent / "../configs/parsed.yaml").resolve().is_file()
    data = cfg["data"]
    if isinstance(data["width"], list):
        assert len(data["width"]) == len(data["height"]) == len(data["batch_size"])
        assert len(data["width"]) == len(data["resolution_milestones"]) + 1
    return cfg


def main():
    known, extras = arguments()
    cfg = settled(known, extras)
    stage = cfg["system"].get("stage", "coarse")
    with (HERE / "calls.jsonl").open("a") as file:
        file.write(json.dumps({"stage": stage, "words": sys.argv[1:], "cfg": cfg}) + "\n")
    if "timestamp" not in cfg:
        timed = cfg.get("use_timestamp", True)
        cfg["timestamp"] = time.strftime("@%Y%m%d-%H%M%S") if timed else ""
    trial = Path(cfg["exp_root_dir"]) / cfg["name"] / (cfg["tag"] + cfg["timestamp"])
    for name in ("configs", "ckpts", "save", "csv_logs/version_0"):
        (trial / name).mkdir(parents=True, exist_ok=True)
    (trial / "configs/parsed.yaml").write_text(json.dumps(cfg))  # as JSON, which is YAML
    print("\x1b[32m[INFO]\x1b[0m Loading Stable Diffusion ...")
    done = int(Path(cfg["resume"]).read_text()) if cfg.get("resume") else 0
    if known.train:
        train(cfg, stage, trial, done)
    test(cfg, stage, trial)


def train(cfg, stage, trial, done):
    steps, every = cfg["trainer"]["max_steps"], cfg["checkpoint"]["every_n_train_steps"]
    for step in range(done + 1, steps + 1):
        sys.stderr.write(f"\rEpoch 0: : {step}it [00:{step:02d}, 11.0it/s, v_num=0]")
        if step % every == 0:
            for old in (trial / "ckpts").glob("epoch=0-step=*.ckpt"):
                old.unlink()
            for name in (f"epoch=0-step={step}.ckpt", "last.ckpt"):
                (trial / "ckpts" / name).write_text(str(step))
        fault(stage, step)
    sys.stderr.write("\n")


def fault(stage, step):
    path = HERE / "fault.json"
    if not path.is_file():
        return
    wanted = json.loads(path.read_text())
    if (wanted["stage"], wanted["step"]) != (stage, step):
        return
    path.unlink()
    if wanted["how"] == "kill":
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    if wanted["how"] == "silent":
        os._exit(3)
    sys.stderr.write("\n")
    raise RuntimeError(wanted["how"])


def test(cfg, stage, trial):
    folder = trial / "save" / f"it{cfg['trainer']['max_steps']}-test"
    folder.mkdir(exist_ok=True)
    views = cfg["data"]["n_test_views"]
    for i in range(views):
        fault(f"{stage} test", i)
        strip(cfg, stage, 2 * math.pi * i / (views - 1), i).save(folder / f"{i}.png")
    (trial / "save" / f"it{cfg['trainer']['max_steps']}-test.mp4").write_bytes(b"film")


def strip(cfg, stage, turn, index):
    """rgb | normal | opacity; rgb lies on the background's evaluation colour."""
    size = cfg["data"]["eval_height"]
    square, distance = (size, size), Image.radial_gradient("L")
    opacity = distance.resize(square).point([*bytes8(2.2 - x / 102 for x in range(256))])
    colour = Image.new("RGB", square, bytes8(x * (1 - 0.02 * index) for x in (0.2, 0.4, 0.6)))
    for mark, (down, across) in enumerate(projected(cfg["data"], turn, size)):
        one = bytes8(i == mark for i in range(3))
        colour.paste(one, (across - 1, down - 1, across + 2, down + 2))
    normal = Image.merge("RGB", [opacity.point(lambda x: x // 2)] * 3)
    grey = Image.merge("RGB", [opacity] * 3)
    if stage == "geometry":
        parts = [normal, grey]
    else:
        behind = Image.new("RGB", square, bytes8(cfg["system"]["background"]["eval_color"]))
        rgb = Image.composite(colour, behind, opacity)
        field = cfg["system"].get("geometry", {}).get("normal_type", 1) is None
        parts = [rgb, grey] if field else [rgb, normal, grey]
    whole = Image.new("RGB", (size * len(parts), size))
    for i, part in enumerate(parts):
        whole.paste(part, (i * size, 0))
    return whole


def bytes8(numbers):
    return tuple(int(min(max(x, 0), 1) * 255 + 0.5) for x in numbers)


def projected(data, turn, size):
    """Row and column of the marks, with cameras as threestudio places them: +z up, azimuth from +x to +y."""
    tilt, distance = math.radians(data["eval_elevation_deg"]), data["eval_camera_distance"]
    focal = 0.5 * size / math.tan(math.radians(data["eval_fovy_deg"]) / 2)
    flat = (math.cos(turn), math.sin(turn))
    back = (math.cos(tilt) * flat[0], math.cos(tilt) * flat[1], math.sin(tilt))
    right = (-flat[1], flat[0], 0)
    up = (-math.sin(tilt) * flat[0], -math.sin(tilt) * flat[1], math.cos(tilt))
    for point in MARKS.values():
        depth = distance - dot(point, back)
        across = size / 2 + focal * dot(point, right) / depth
        down = size / 2 - focal * dot(point, up) / depth
        yield int(down), int(across)


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


if __name__ == "__main__":
    main()
