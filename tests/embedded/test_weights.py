"""The shipped files are the bytes that were recorded, and anything else is refused in one line."""

import json
import os
import shutil

import pytest

from esd_bench.embedded import weights
from esd_bench.embedded.card import page
from esd_bench.embedded.weights import PARTS, ROOT, SUMS, WeightsError


@pytest.fixture
def copy(tmp_path):
    """A folder with some of the shipped parts, sealed as shipped."""
    root = tmp_path / "weights"
    for part in ("classifier", "embedded/scheduler", "embedded/vae"):
        shutil.copytree(ROOT / part, root / part)
    weights.seal(root)
    return root


def test_every_shipped_file_is_recorded_and_intact():
    recorded = json.loads((ROOT / SUMS).read_text())
    for part in {name.split("/")[0] for name in recorded}:
        assert weights.verified(part)
    files = {
        p.relative_to(ROOT).as_posix(): p.stat().st_size for p in ROOT.rglob("*") if p.is_file()
    }
    assert set(files) == {*recorded, SUMS}
    assert sum(files.values()) < 24e6


def test_two_priors_ship_and_share_all_but_the_unet():
    assert weights.names() == ["embedded", "embedded-biased"]
    mild, biased = (weights.components(name) for name in weights.names())
    assert list(mild) == list(biased) == list(PARTS)
    assert [part for part in PARTS if mild[part] != biased[part]] == ["unet"]
    unets = [
        next(folder.glob("*.safetensors")).read_bytes() for folder in (mild["unet"], biased["unet"])
    ]
    assert unets[0] != unets[1]


def test_weights_are_half_precision_safetensors():
    from safetensors import safe_open

    for path in ROOT.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} <= {"F16", "I64"}  # noqa: SIM118
    assert not [p for p in ROOT.rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".ckpt")]


def test_an_altered_byte_is_refused(copy):
    assert weights.verified("classifier", copy) == copy / "classifier"
    weights.verified.cache_clear()
    path = copy / "classifier" / "model.safetensors"
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(WeightsError, match="another SHA-256"):
        weights.classifier(copy)
    assert weights.verified("embedded/vae", copy), "the other parts are not touched by it"


def test_a_missing_or_a_strange_file_is_refused(copy):
    (copy / "classifier" / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"incomplete.*classifier/config\.json"):
        weights.verified("classifier", copy)
    (copy / "embedded" / "vae" / "evil.bin").write_text("x")
    with pytest.raises(WeightsError, match=r"strangers.*evil\.bin"):
        weights.verified("embedded/vae", copy)


def test_errors_are_one_line_and_values(tmp_path):
    with pytest.raises(ValueError, match="no weights in"):
        weights.verified("clip", tmp_path)
    with pytest.raises(ValueError, match="there are embedded, embedded-biased") as caught:
        weights.folder("embeded")
    assert "\n" not in str(caught.value)


def test_sealing_forgets_what_was_read_before(copy):
    weights.verified("classifier", copy)
    (copy / "classifier" / "config.json").write_text("{}")
    weights.seal(copy)
    assert weights.verified("classifier", copy)


def test_the_card_is_made_from_its_numbers():
    numbers = json.loads((ROOT / "card.json").read_text())
    text = (ROOT / "MODEL_CARD.md").read_text()
    assert text == page.markdown(numbers, page.files(ROOT))
    for sheet in ("data", "windows", "vae", "embedded", "embedded-biased"):
        assert (ROOT / f"sheet-{sheet}.webp").is_file()
        assert f"(sheet-{sheet}.webp)" in text


@pytest.mark.parametrize("name", ["embedded", "embedded-biased"])
def test_an_exported_folder_is_a_plain_pipeline(name, tmp_path):
    from diffusers import StableDiffusionPipeline

    folder = weights.export(name, tmp_path / name)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red dog", num_inference_steps=2, output_type="np").images
    assert picture.shape == (1, 64, 64, 3)
    assert picture.std() > 0.01
