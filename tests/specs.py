"""Specs of runs that are never made, for tests of what handles them."""

from dataclasses import replace
from typing import Any

from esd_bench.prompts import Prompt
from esd_bench.spec import Choice, RunSpec, Stage


def spec(text: str = "a red cat", **changes: Any) -> RunSpec:
    """A spec whose options are written out: plugins' defaults may change, this does not."""
    stage = Stage(
        method=Choice("esd", (("camera_dropout", 0.5), ("entropy", 0.5), ("scale", 7.5))),
        schedule=Choice("uniform", (("high", 0.98), ("low", 0.02))),
        student=Choice("lora", (("rank", 8), ("targets", "all"))),
        steps=3,
        regularisers=(("sparsity", 10.0),),
    )
    made = RunSpec(
        suite="test",
        prompt=Prompt(text),
        prior=Choice("stable_diffusion", (("folder", "embedded"), ("revision", None))),
        scene=Choice("voxels", (("sizes", (16, 32)),)),
        stages=(stage,),
    )
    return replace(made, **changes)
