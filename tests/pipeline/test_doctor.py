"""The doctor: every way of breaking a prior's folder is named, and the healthy one passes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from esd_bench import doctor, plugins
from esd_bench.doctor import Report, check_environment, diagnose
from esd_bench.embedded import weights
from tests.tiny_prior import tiny_prior

CPU = torch.device("cpu")


def setting(part: str, **values: object) -> Callable[[Path], None]:
    """Other values in a part's configuration."""

    def change(folder: Path) -> None:
        (path,) = (folder / part).glob("*config.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def random(part: str, start: str = "") -> Callable[[Path], None]:
    """Random weights of the same mean and spread in a part, where their names begin so."""

    def change(folder: Path) -> None:
        (path,) = (folder / part).glob("*.safetensors")
        found, draw = load_file(path), torch.Generator().manual_seed(0)
        for name in filter(lambda name: name.startswith(start), found):
            old = found[name].float()
            spread = old.std() if old.numel() > 1 else 0.0
            new = torch.randn(old.shape, generator=draw) * spread + old.mean()
            found[name] = new.to(found[name].dtype)
        save_file(found, path, {"format": "pt"})

    return change


def silent(folder: Path) -> None:
    """A text encoder that says the same to everything."""
    path = folder / "text_encoder" / "model.safetensors"
    found = load_file(path)
    (name,) = (name for name in found if name.endswith("final_layer_norm.weight"))
    save_file({**found, name: torch.zeros_like(found[name])}, path, {"format": "pt"})


def report(tmp_path: Path, change: Callable[[Path], None], steps: int = 2) -> Report:
    """Of a broken copy of the shipped prior."""
    folder = weights.export("embedded", tmp_path / "embedded")
    change(folder)
    return diagnose(
        plugins.load("priors", "stable_diffusion")(CPU, folder=str(folder)), steps=steps
    )


@pytest.fixture(scope="module")
def healthy() -> Report:
    return diagnose(plugins.load("priors", "stable_diffusion")(CPU), steps=4)


def test_the_shipped_prior_is_healthy(healthy):
    assert healthy.fault == ""
    assert [level.t for level in healthy.levels] == [100, 500, 900]
    assert all(0 < x.errors["eps"] < x.ignorance for x in healthy.levels)
    assert healthy.guidance > 0.02
    assert healthy.lines()[-1] == "no fault found"
    assert len(set(healthy.prompts)) == 4


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("wrong prediction type", setting("scheduler", prediction_type="v_prediction")),
        ("about 4.4 times too small", setting("vae", scaling_factor=0.18215)),
        ("wrong text encoder", random("text_encoder")),
        ("broken VAE", random("vae", "decoder")),
    ],
    ids=["v", "scale / 4", "text", "decoder"],
)
def test_a_broken_copy_is_named(tmp_path, monkeypatch, said, change):
    """By four pictures, one of each prompt."""
    monkeypatch.setattr(doctor.prior, "PICTURES", 4)
    found = report(tmp_path, change)
    assert said in found.fault
    assert "\n" not in found.fault
    assert found.lines()[-1] == f"likely fault: {found.fault}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "change"),
    [
        (
            "wrong prediction type: the folder says x",
            setting("scheduler", prediction_type="sample"),
        ),
        ("about 4.7 times too large", setting("vae", scaling_factor=5 * 0.77)),
        ("broken VAE", random("vae", "encoder")),
        ("broken U-Net", random("unet")),
        ("text has no effect", silent),
        ("", setting("unet")),
    ],
    ids=["x", "scale * 5", "encoder", "unet", "silent", "a mere copy"],
)
def test_other_ways_of_breaking_it(tmp_path, said, change):
    found = report(tmp_path, change, steps=6)
    assert said in found.fault
    assert bool(said) == bool(found.fault)


@pytest.mark.slow
def test_the_biased_prior_is_healthy_too():
    found = diagnose(
        plugins.load("priors", "stable_diffusion")(CPU, folder="embedded-biased"), steps=4
    )
    assert found.fault == ""


def test_random_networks_are_no_prior():
    assert diagnose(tiny_prior(), steps=2).fault


def test_a_network_of_v_is_told_from_one_of_eps(healthy):
    levels = tuple(
        replace(x, errors={**x.errors, "eps": x.errors["v"], "v": x.errors["eps"]})
        for x in healthy.levels
    )
    assert "says eps, but taken as v" in replace(healthy, levels=levels).fault
    assert replace(healthy, levels=levels, declared="v").fault == ""


def test_one_prompt_is_not_enough():
    with pytest.raises(ValueError, match="two prompts"):
        diagnose(tiny_prior(), ["a dog"])


def test_the_environment_is_told_line_by_line():
    facts = {fact.name: fact for fact in check_environment()}
    assert {"torch", "cores", "GPU", "shipped weights", "reference pictures", "disk"} <= set(facts)
    assert facts["shipped weights"].value.endswith("verified")
    assert facts["torch"].value == torch.__version__.split("+")[0]
    extras = {name.removeprefix("extra ") for name in facts if name.startswith("extra ")}
    assert {"gpu", "mesh", "ray", "label"} <= extras
    missing = [fact for fact in facts.values() if "no " in fact.value and "extra" in fact.name]
    assert all("pip install 'esd-bench[" in str(fact) for fact in missing)


def test_damaged_weights_and_absent_packages_are_said(monkeypatch):
    def refuse(part: str) -> Path:
        raise weights.WeightsError(f"{part} has another SHA-256")

    monkeypatch.setattr(doctor.environment, "verified", refuse)
    monkeypatch.setattr(doctor.environment, "_version", lambda package: "")
    facts = {fact.name: fact for fact in check_environment()}
    assert "another SHA-256" in facts["shipped weights"].advice
    assert facts["torch"].value == "missing"
    assert str(facts["extra ray"]) == "extra ray: no ray; pip install 'esd-bench[ray]'"
