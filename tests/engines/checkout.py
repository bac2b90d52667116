"""A folder that looks like a checkout of threestudio, with the stand-in for its launch.py."""

import json
import shutil
from pathlib import Path
from typing import Any

FIELD = """
name: "field"
tag: "${{rmspace:${{system.prompt_processor.prompt}},_}}"
exp_root_dir: "outputs"
seed: 0
data_type: "random-camera-datamodule"
data: {{batch_size: 1, width: 64, height: 64, eval_camera_distance: 1.5, eval_fovy_deg: 70.}}
system_type: "{system}-system"
system:
  geometry_type: "implicit-volume"
  geometry: {{radius: {radius}, normal_type: {normal}, density_bias: "blob_magic3d"}}
  background_type: "neural-environment-map-background"
  background: {{color_activation: sigmoid}}
  renderer: {{radius: "${{system.geometry.radius}}"}}
  prompt_processor:
    pretrained_model_name_or_path: "owner/base"
    prompt: ???
    front_threshold: 30.
  guidance_type: "{guidance}"
  guidance: {{pretrained_model_name_or_path: "owner/base", min_step_percent: 0.02, weighting_strategy: sds}}
  loss: {{lambda_sparsity: 10.}}
  optimizer: {{name: AdamW, args: {{eps: 1e-15, betas: [0.9, 0.99]}}, params: {{guidance: {{lr: 0.0001}}}}}}
trainer: {{max_steps: 25000, val_check_interval: 200, precision: 16-mixed}}
checkpoint: {{save_last: true, save_top_k: -1, every_n_train_steps: "${{trainer.max_steps}}"}}
"""
SURFACE = """
name: "surface"
tag: "x"
exp_root_dir: "outputs"
seed: 0
data: {{batch_size: 1, width: 512, height: 512, eval_camera_distance: 1.5, eval_fovy_deg: 70.}}
system_type: "prolificdreamer-system"
system:
  stage: {stage}
  geometry_convert_from: ???
  geometry_type: "tetrahedra-sdf-grid"
  geometry: {{radius: 1.0, isosurface_resolution: 128}}
  background: {{color_activation: sigmoid}}
  renderer: {{context_type: gl}}
  prompt_processor:
    pretrained_model_name_or_path: "owner/base"
    prompt: ???
  guidance_type: "{guidance}"
  guidance:
    pretrained_model_name_or_path: "owner/base"
{lora}    guidance_scale: 7.5
    min_step_percent: 0.02
    max_step_percent: [5000, 0.98, 0.5, 5001]
  loss: {{lambda_vsd: 1., lambda_lora: 1.}}
  optimizer: {{name: AdamW, args: {{eps: 1.e-15}}, params: {{background: {{lr: 0.001}}, guidance: {{lr: 0.0001}}}}}}
trainer: {{max_steps: 30000}}
checkpoint: {{save_last: true, save_top_k: -1, every_n_train_steps: "${{trainer.max_steps}}"}}
"""
SDS, VSD = "stable-diffusion-guidance", "stable-diffusion-vsd-guidance"
LORA = '    pretrained_model_name_or_path_lora: "owner/lora"\n'
CONFIGS = {
    "dreamfusion-sd": FIELD.format(
        system="dreamfusion", radius=2.0, normal="analytic", guidance=SDS
    ),
    "prolificdreamer": FIELD.format(
        system="prolificdreamer", radius=1.0, normal="null", guidance=VSD
    ),
    "prolificdreamer-geometry": SURFACE.format(stage="geometry", guidance=SDS, lora=""),
    "prolificdreamer-texture": SURFACE.format(stage="texture", guidance=VSD, lora=LORA),
}


def checkout(home: Path) -> Path:
    """Make the folder."""
    for name, text in CONFIGS.items():
        path = home / "configs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(Path(__file__).with_name("launch.py"), home / "launch.py")
    (home / "load" / "tets").mkdir(parents=True)
    (home / "load" / "tets" / "128_tets.npz").write_bytes(b"tets")
    return home


def calls(home: Path) -> list[dict[str, Any]]:
    """What launch.py was asked to do: stage, words, cfg."""
    path = home / "calls.jsonl"
    return [json.loads(x) for x in path.read_text().splitlines()] if path.is_file() else []


def fault(home: Path, stage: str, step: int, how: str) -> None:
    """Make it fail once: "kill" ends it and its parent by -9, "silent" it alone, else it raises that."""
    (home / "fault.json").write_text(json.dumps({"stage": stage, "step": step, "how": how}))
