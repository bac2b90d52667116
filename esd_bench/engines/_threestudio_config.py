"""A spec's stages as threestudio's own settings: one of its YAML files each, and what the spec says over it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esd_bench import omega as yaml
from esd_bench.cameras import COMPASS
from esd_bench.spec import Choice, RunSpec, Stage

COARSE = {False: "dreamfusion-sd.yaml", True: "prolificdreamer.yaml"}
"""By whether the method has a student."""
LATER = ("prolificdreamer-geometry.yaml", "prolificdreamer-texture.yaml")
NAMES = ("coarse", "geometry", "texture")
CHECKPOINT = 2500


@dataclass(frozen=True)
class Settings:
    """One stage as threestudio will run it.

    Attributes:
        name: coarse, geometry or texture.
        base: the file of threestudio's that it starts from.
        steps: how many.
        value: all settings.
    """

    name: str
    base: str
    steps: int
    value: Mapping[str, Any]


def settings(spec: RunSpec, configs: Path, trials: Path, checkpoint: int) -> list[Settings]:
    """The stages of a run; ``geometry_convert_from`` is put in when the stage before is there.

    Raises:
        ValueError: for a file of threestudio's that can't be read.
    """
    studies = spec.stages[0].student.name != "frozen"
    files = (COARSE[studies], *LATER)
    bases = [yaml.read(configs / file) for file in files]
    radius = bases[0]["system"]["geometry"]["radius"]
    made = []
    for name, file, base, stage in zip(NAMES, files, bases, spec.stages, strict=True):
        system = {**_surface(name, radius), **_system(spec, stage, name, base["system"])}
        over = {
            "name": name,
            "tag": spec.digest[:16],
            "use_timestamp": False,
            "exp_root_dir": str(trials),
            "seed": spec.seed,
            "data": _data(spec, stage),
            "system": system,
            "trainer": {"max_steps": stage.steps},
            "checkpoint": _checkpoint(stage.steps, checkpoint or CHECKPOINT),
        }
        made.append(Settings(name, file, stage.steps, yaml.merged(base, over)))
    return made


def _data(spec: RunSpec, stage: Stage) -> dict[str, Any]:
    """Cameras and resolutions. A schedule of resolutions needs lists of one length, a single one plain numbers."""
    _, elevation, count = spec.views[0].split(":")
    sizes = [stage.size, *(size for _, size in stage.later)]
    later = len(sizes) > 1
    return {
        "width": sizes if later else stage.size,
        "height": sizes if later else stage.size,
        "batch_size": [stage.views] * len(sizes) if later else stage.views,
        "resolution_milestones": [step for step, _ in stage.later],
        "elevation_range": list(spec.cameras.elevation),
        "camera_distance_range": list(spec.cameras.distance),
        "fovy_range": list(spec.cameras.fov),
        "eval_elevation_deg": float(elevation),
        "eval_camera_distance": spec.cameras.distance[1],
        "eval_fovy_deg": spec.cameras.fov[1],
        "eval_height": spec.view_size,
        "eval_width": spec.view_size,
        "n_test_views": int(count) + 1,
    }


def _checkpoint(steps: int, wanted: int) -> dict[str, Any]:
    """Checkpoints at an interval that divides the steps, because only a multiple of it is stored, the last step too."""
    divisors = [n for n in range(1, min(wanted, steps) + 1) if steps % n == 0]
    every = divisors[-1] if divisors[-1] * 10 >= min(wanted, steps) else steps
    return {"save_last": True, "save_top_k": 1, "every_n_train_steps": every}


def _surface(name: str, radius: float) -> dict[str, Any]:
    """The later stages lie in a box as large as the field's, and are drawn without OpenGL, which few servers have."""
    if name == "coarse":
        return {}
    return {"geometry": {"radius": radius}, "renderer": {"context_type": "cuda"}}


def _system(spec: RunSpec, stage: Stage, name: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """Prompt, guidance and background; the texture of a method without a student is SDS, which has no file of its own."""
    studies = stage.student.name != "frozen"
    words = _words(spec, stage)
    if name == "geometry":  # has thresholds of its own, and no background
        words = {k: v for k, v in words.items() if not k.endswith("_threshold")}
    made: dict[str, Any] = {
        "prompt_processor": words,
        "guidance": {
            "pretrained_model_name_or_path": _place(spec.prior.get("folder")),
            "view_dependent_prompting": spec.wording.view_words,
            **_timesteps(stage),
            **GUIDANCE[stage.method.title](stage),
        },
    }
    if studies:
        made["guidance_type"] = "esd-bench-vsd-guidance"
        lora = stage.student.get("base") or spec.prior.get("folder")
        made["guidance"]["pretrained_model_name_or_path_lora"] = _place(lora)
    elif name == "texture":
        made["guidance_type"] = "stable-diffusion-guidance"
        drop = {key: None for key in base["guidance"] if key not in ("min_step_percent",)}
        made["guidance"] = {**drop, **made["guidance"], "weighting_strategy": "sds"}
        made["loss"] = {**dict.fromkeys(base["loss"]), "lambda_sds": 1.0}
        made["optimizer"] = {"params": {"guidance": None}}
    if name != "geometry":
        made["background"] = {"eval_color": [1.0, 1.0, 1.0]}
    return made


def _words(spec: RunSpec, stage: Stage) -> dict[str, Any]:
    """The prompt, when it is from where, and its words for a view where they are not just ", back view"."""
    prompt, method = spec.prompt, stage.method
    made: dict[str, Any] = {
        "prompt": prompt.text,
        "pretrained_model_name_or_path": _place(spec.prior.get("folder")),
        "front_threshold": spec.wording.front,
        "back_threshold": spec.wording.back,
        "overhead_threshold": spec.wording.overhead,
    }
    said = {view: prompt.facing(view) for view in COMPASS}
    own: dict[str, Any] = {
        f"prompt_{k}": v for k, v in said.items() if v != f"{prompt.text}, {k} view"
    }
    if method.title == "debiased_sds" and method.get("leave_out", True):
        made |= own or {"use_prompt_debiasing": True}
    if method.title == "perp_neg":
        made |= {"use_perp_neg": True, **_perp_neg(method)}
    return made


def _place(folder: str) -> str:
    """A hub id, or a folder that is found from threestudio's own too."""
    return str(Path(folder).resolve()) if Path(folder).is_dir() else folder


def _perp_neg(method: Choice) -> dict[str, Any]:
    """The weights a exp(-b r) + c under threestudio's names."""
    names = {"fs": "front_side", "sf": "side_front", "sb": "side_back", "fsb": "front_back"}
    found = {short: method.get(option) for short, option in names.items()}
    strength = float(method.get("strength", 1.0))
    return {
        f"perp_neg_f_{short}": [strength * x[0], x[1], strength * x[2]]
        for short, x in found.items()
        if x is not None
    }


def _timesteps(stage: Stage) -> dict[str, Any]:
    """The range of t; integers, because threestudio takes a float for an epoch."""
    get = stage.schedule.get
    made: dict[str, Any] = {"min_step_percent": get("low"), "max_step_percent": get("high")}
    if stage.schedule.name == "annealed":
        start = round(get("start") * stage.steps)
        end = start + max(1, round(get("length") * stage.steps))
        made["max_step_percent"] = [start, get("high"), get("end"), end]
    return made


def _plain(stage: Stage) -> dict[str, Any]:
    """SDS. There the text's prediction is the base of the guidance, so that its 100 is our 101."""
    return {"guidance_scale": stage.method.get("scale", 100.0) - 1}


def _clipped(stage: Stage) -> dict[str, Any]:
    """Debiased-SDS: the bound as (first step, from, to, last step)."""
    get = stage.method.get
    until = round(get("until", 1.0) * stage.steps)
    return {**_plain(stage), "grad_clip": [0, get("low", 0.5), get("high", 2.0), max(1, until)]}


def _student(stage: Stage) -> dict[str, Any]:
    """VSD and ESD: u + s (c - u) with the student's predictions without a camera and with it, so that s = 1 - lambda."""
    get = stage.method.get
    return {
        "guidance_scale": get("scale"),
        "guidance_scale_lora": 1.0 - get("entropy", 0.0),
        "camera_dropout": get("camera_dropout"),
        "lora_cfg_training": False,
    }


GUIDANCE: dict[str, Callable[[Stage], dict[str, Any]]] = {
    "sds": _plain,
    "debiased_sds": _clipped,
    # Perp-Neg's branch has our convention.
    "perp_neg": lambda stage: {"guidance_scale": stage.method.get("scale", 100.0)},
    "vsd": _student,
    "esd": _student,
}
"""What threestudio can be told of each method."""


def check(spec: RunSpec) -> None:
    """Refuse what threestudio can't be told.

    Raises:
        ValueError: one line that says what.
    """
    text, folder = spec.prompt.text, str(spec.prior.get("folder", ""))
    schedules = {stage.schedule.name for stage in spec.stages} - {"uniform", "annealed"}
    unknown = [s.method.title for s in spec.stages if s.method.name not in GUIDANCE]
    wrong = {
        "a spec of the engine native; make specs with the engine threestudio": not spec.engine,
        f"the method {', '.join(unknown)}; it has {', '.join(GUIDANCE)}": bool(unknown),
        f"the schedule {', '.join(schedules)}; it has uniform and annealed": bool(schedules),
        f"the prior {folder or spec.prior.title}; give a hub id or folder of Stable Diffusion "
        "(--prior)": not folder or folder in ("embedded", "embedded-biased"),
        "a prior's revision": bool(spec.prior.get("revision")),
        f"the prompt {text!r}, in which it would look something up": (
            "${" in text or text.startswith("lib:")
        ),
        "Perp-Neg with several views a step; it pairs them wrongly (its issue 456)": (
            spec.method.title == "perp_neg" and spec.stages[0].views > 1
        ),
        f"the seed {spec.seed}; it has those below 2^32": spec.seed >= 2**32,
    }
    for what, found in wrong.items():
        if found:
            raise ValueError(f"threestudio can't take {what}")
