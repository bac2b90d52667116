"""The guidance that is copied into threestudio, on a stand-in for its VSD guidance."""

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from esd_bench import engines

VSD = "threestudio.models.guidance.stable_diffusion_vsd_guidance"


@pytest.fixture
def registered(monkeypatch) -> dict[str, Any]:
    """What the file registers, by name."""

    class StableDiffusionVSDGuidance:
        @dataclass
        class Config:
            guidance_scale_lora: float = 1.0
            lora_cfg_training: bool = True

        def train_lora(self, latents, text_embeddings, camera_condition):
            return camera_condition

    found: dict[str, Any] = {}

    def register(name):
        return lambda cls: found.setdefault(name, cls)

    for name in ("threestudio.models", "threestudio.models.guidance"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "threestudio", SimpleNamespace(register=register))
    vsd = SimpleNamespace(StableDiffusionVSDGuidance=StableDiffusionVSDGuidance)
    monkeypatch.setitem(sys.modules, VSD, vsd)
    path = engines.__path__[0] + "/_threestudio_guidance.py"
    made = importlib.util.spec_from_file_location("custom/esd_bench_guidance", path)
    module = importlib.util.module_from_spec(made)
    monkeypatch.setitem(sys.modules, made.name, module)
    made.loader.exec_module(module)
    return found


@pytest.mark.parametrize(
    ("dropout", "least", "most"), [(0, 0, 0), (0.5, 400, 600), (1, 1000, 1000)]
)
def test_the_camera_is_dropped_as_often_as_asked(registered, dropout, least, most):
    guidance = registered["esd-bench-vsd-guidance"]()
    guidance.cfg = guidance.Config(camera_dropout=dropout)
    assert guidance.cfg.lora_cfg_training is False, "or the original would drop some more"
    given = torch.ones(1, 4, 4)
    seen = [guidance.train_lora(None, None, given) for _ in range(1000)]
    dropped = sum(not bool(x.any()) for x in seen)
    assert least <= dropped <= most
    assert all(x is given or not bool(x.any()) for x in seen)
