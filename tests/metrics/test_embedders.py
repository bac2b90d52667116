"""Embedders: the published preprocessing exactly, fixed batches, and nothing unpickled that is not known."""

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from esd_bench import plugins
from esd_bench.embedders import _network
from esd_bench.embedders.clip import clip
from esd_bench.embedders.embedded import judge
from esd_bench.embedders.inception import FILE, embed, inception

CPU = torch.device("cpu")


def noise(n: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size)).float() / 255


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random CLIP in open_clip's folder format."""
    import open_clip
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("clip")
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "patch_size": 8, "width": 32, "head_width": 16, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    preprocess = {
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    both = {"model_cfg": config, "preprocess_cfg": preprocess}
    (path / "open_clip_config.json").write_text(json.dumps(both))
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()},
        path / "open_clip_model.safetensors",
    )
    return path


def test_clip_is_open_clips_own_pipeline(folder: Path) -> None:
    import open_clip

    found = clip(CPU, model=f"local-dir:{folder}")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    pixels = (noise(12, 48) * 255).byte()
    pictures = [Image.fromarray(x.permute(1, 2, 0).numpy()) for x in pixels]
    with torch.inference_mode():
        model.eval()
        expected = model.encode_image(
            torch.stack([preprocess(x) for x in pictures]), normalize=True
        )
        text = model.encode_text(open_clip.tokenize(["a red cat"]), normalize=True)
    assert torch.equal(found.images(pixels.float() / 255)["image"], expected)
    assert torch.equal(found.texts(["a red cat"]), text)
    assert found.texts(["a", "b"]).norm(dim=-1) == pytest.approx([1, 1], abs=1e-6)
    assert found.truth("a red cat") == {}


def test_a_digest_covers_weights_and_preprocessing(folder: Path, tmp_path: Path) -> None:
    base = clip(CPU, model=f"local-dir:{folder}")
    assert clip(CPU, model=f"local-dir:{folder}").digest == base.digest
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    value = json.loads((tmp_path / "open_clip_config.json").read_text())
    value["preprocess_cfg"]["interpolation"] = "bilinear"
    (tmp_path / "open_clip_config.json").write_text(json.dumps(value))
    assert clip(CPU, model=f"local-dir:{tmp_path}").digest != base.digest


def test_openai_weights_get_the_quick_gelu_that_they_were_trained_with() -> None:
    import open_clip

    seen: dict[str, Any] = {}

    def stop(*_: Any, **given: Any) -> None:
        seen.update(given)
        raise RuntimeError("stop here")

    with patch.object(open_clip, "create_model_and_transforms", stop):
        with pytest.raises(ValueError, match="cannot load CLIP ViT-B-32"):
            clip(CPU, model="ViT-B-32")
        assert seen["force_quick_gelu"] is True
        with pytest.raises(ValueError, match="stop here"):
            clip(CPU, model="ViT-B-32", pretrained="laion2b_s34b_b79k")
        assert seen["force_quick_gelu"] is False


@pytest.mark.parametrize("model", ["nonsense", "local-dir:/nowhere"])
def test_a_clip_that_is_not_there_is_one_line(model: str) -> None:
    with pytest.raises(ValueError, match="cannot load CLIP") as caught:
        clip(CPU, model=model)
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_numbers_to_rounding_and_the_same_bits_twice(folder: Path) -> None:
    pictures = noise(29, 48)
    slow = clip(CPU, model=f"local-dir:{folder}").images(pictures)["image"]
    network = clip(torch.device("cuda"), model=f"local-dir:{folder}")
    fast = network.images(pictures)["image"]
    assert fast.device == CPU
    assert torch.allclose(fast, slow, atol=1e-5)
    assert torch.equal(network.images(pictures[:5])["image"], fast[:5])


def test_batches_are_padded_so_that_company_does_not_matter(folder: Path) -> None:
    found = clip(CPU, model=f"local-dir:{folder}")
    pictures = noise(29, 32)
    whole = found.images(pictures)["image"]
    assert torch.equal(found.images(pictures[:5])["image"], whole[:5])
    assert torch.equal(found.images(pictures[24:])["image"], whole[24:])
    assert not whole.is_inference()
    with torch.inference_mode():
        one_by_one = [found.forward(found._input(x))["image"] for x in pictures.split(12)]
    assert torch.equal(torch.cat(one_by_one)[:29], whole)


def photographs(n: int, size: int) -> torch.Tensor:
    """Crops of a real photograph."""
    data = pytest.importorskip("skimage.data")
    whole = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1).float() / 255
    corners = [(23 * i % (512 - size), 41 * i % (512 - size)) for i in range(n)]
    return torch.stack([whole[:, y : y + size, x : x + size] for y, x in corners])


def judges(name: str) -> Any:
    """The networks that answer with real weights."""
    if name == "imagenet":
        pytest.importorskip("efficientnet_lite_pytorch")
    options = {"clip": {"model": "embedded"}}.get(name, {})
    return plugins.load("embedders", name)(CPU, **options)


@pytest.mark.parametrize("name", ["clip", "embedded", "imagenet"])
def test_other_batches_and_threads_agree_to_rounding_and_equal_ones_to_the_bit(name: str) -> None:
    network, pictures = judges(name), photographs(5, 96)
    network.batch = 4
    base = network.images(pictures)
    again = network.images(pictures)
    threads, other = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        other.append(network.images(pictures))
    finally:
        torch.set_num_threads(threads)
    for network.batch in (1, 3):
        other.append(network.images(pictures))
    for output, value in base.items():
        assert torch.equal(again[output], value)
        scale = value.abs().max()
        assert all(float((x[output] - value).abs().max() / scale) < 1e-5 for x in other), output


class Stand(nn.Module):
    """A classifier's four heads, random."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3 * 64 * 64, 12 + 24 + 2 + 5)

    def forward(self, x: torch.Tensor) -> Any:
        from collections import namedtuple

        parts = self.body(x.flatten(1)).split([12, 24, 2, 5], dim=-1)
        return namedtuple("Heads", "label azimuth colour features")(*parts)


def test_the_embedded_judge_gives_probabilities_and_sums_aspects_to_kinds() -> None:
    found = judge(Stand(), CPU, ["cat", "dog", "owl"], ["red", "blue"])
    outputs = found.images(noise(3, 64))
    assert {k: tuple(v.shape) for k, v in outputs.items()} == {
        "features": (3, 5),
        "probs": (3, 12),
        "azimuth": (3, 24),
        "kind": (3, 3),
        "colour": (3, 2),
    }
    for head in ("probs", "azimuth", "kind", "colour"):
        assert outputs[head].sum(-1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert outputs["kind"][:, 1] == pytest.approx(outputs["probs"][:, 4:8].sum(-1), abs=1e-6)
    assert found.images(noise(2, 256))["features"].shape == (2, 5)
    with pytest.raises(NotImplementedError):
        found.texts(["a cat"])


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a red cat", {"kind": 0, "colour": 0}),
        ("A striped BLUE dog with a hat, back view", {"kind": 1, "colour": 1}),
        ("an owl", {"kind": 2}),
        ("a red cat and a blue dog", {}),
        ("a catalogue", {}),
    ],
)
def test_truth_is_what_the_text_names_once(text: str, truth: dict[str, int]) -> None:
    assert judge(Stand(), CPU, ["cat", "dog", "owl"], ["red", "blue"]).truth(text) == truth


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """The 2015 architecture with random weights."""
    from torch_fidelity.feature_extractor_inceptionv3 import (
        FeatureExtractorInceptionV3 as Inception,
    )

    torch.manual_seed(0)
    with patch.object(Inception, "load_state_dict"), patch("torch.load"):
        return Inception("x", ["2048", "logits", "logits_unbiased"], "unused").eval()


@pytest.mark.parametrize("size", [64, 299])
def test_inception_in_tf1_mode_is_torch_fidelitys(network: nn.Module, size: int) -> None:
    pictures = noise(2, size)
    features, logits, unbiased = network((pictures * 255).round().byte())
    for bias, expected in ((True, logits), (False, unbiased)):
        found = embed(network, CPU, "tf1", bias)
        found.batch = 2
        outputs = found.images(pictures)
        assert torch.equal(outputs["features"], features)
        assert outputs["probs"].numpy() == pytest.approx(expected.softmax(-1).numpy(), rel=1e-4)
    assert embed(network, CPU, "clean", True).digest != embed(network, CPU, "tf1", True).digest


def packages_input(mode: str, network: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Features of 8-bit pictures by the package whose numbers a mode promises, with the same weights."""
    arrays = [x.permute(1, 2, 0).numpy() for x in pixels]
    if mode == "torchmetrics":
        from torchmetrics.image.fid import NoTrainInceptionV3

        with patch.object(NoTrainInceptionV3, "load_state_dict"), patch("torch.load"):
            theirs = NoTrainInceptionV3("x", ["2048"], "unused")
        nn.Module.load_state_dict(theirs, network.state_dict())
        return theirs(pixels)
    if mode == "pytorch":
        from pytorch_fid import inception as module
        from torchvision.transforms.functional import to_tensor

        with patch.object(
            module, "load_state_dict_from_url", lambda *_, **__: network.state_dict()
        ):
            theirs = module.InceptionV3([3]).eval()
        return theirs(torch.stack([to_tensor(Image.fromarray(x)) for x in arrays]))[0].flatten(1)
    from cleanfid.resize import build_resizer

    resize = build_resizer("clean")
    resized = torch.stack([torch.from_numpy(resize(x).transpose(2, 0, 1)) for x in arrays])
    # clean-fid's network is this one in TorchScript; at 299 pixels it resizes nothing.
    return nn.Sequential(*[*network.children()][:-1])((resized - 128) / 128).flatten(1)


@pytest.mark.parametrize(
    ("mode", "package"),
    [("clean", "cleanfid"), ("pytorch", "pytorch_fid"), ("torchmetrics", "torchmetrics")],
)
def test_a_fid_mode_is_the_package_s_own_features(
    network: nn.Module, mode: str, package: str
) -> None:
    pytest.importorskip(package)
    # Larger than the network's input, where antialiasing matters.
    pictures = noise(2, 400)
    found = embed(network, CPU, mode, True)
    found.batch = 2
    with torch.inference_mode():
        expected = packages_input(mode, network, (pictures * 255).round().byte())
    features = found.images(pictures)["features"]
    assert float((features - expected).abs().max() / expected.abs().max()) < 1e-5
    others = {"clean", "pytorch", "torchmetrics", "tf1"} - {mode}
    assert found.digest not in {embed(network, CPU, x, True).digest for x in others}


def test_the_clean_resize_is_pils_antialiased_bicubic_without_rounding(network: nn.Module) -> None:
    prepare = embed(network, CPU, "clean", True).prepare
    # Away from black and white, where the 8-bit resize clips between its two passes.
    picture = Image.fromarray((noise(1, 512)[0] * 99 + 80).byte().permute(1, 2, 0).numpy())
    found = prepare(picture).permute(1, 2, 0).numpy()
    rounded = np.asarray(picture.resize((299, 299), Image.Resampling.BICUBIC), dtype=np.float32)
    assert np.abs(found - rounded).max() < 1.5
    assert len(np.unique(found)) > 256


def test_inception_weights_are_checked_before_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no weights at .*github\.com/toshas/torch-fidelity"):
        inception(CPU, weights=str(tmp_path / "absent.pth"))
    fake = tmp_path / FILE
    torch.save({"x": torch.zeros(1)}, fake)
    with patch("torch.load") as load, pytest.raises(ValueError, match="damaged or another file"):
        inception(CPU, weights=str(fake))
    load.assert_not_called()


def test_verified_weights_are_read_as_tensors_only(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"x": torch.ones(2)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.equal(_network.verified(path, digest[:8], "")["x"], torch.ones(2))
    torch.save({"x": Path()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        _network.verified(path, digest[:8], "")


def test_imagenet_recognises_a_cat() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    data = pytest.importorskip("skimage.data")
    from esd_bench.embedders.imagenet import imagenet

    found = imagenet(CPU)
    found.batch = 1
    cat = torch.from_numpy(data.chelsea().copy()).permute(2, 0, 1)[None].float() / 255
    outputs = found.images(cat)
    assert outputs["features"].shape == (1, 1280)
    assert float(outputs["probs"][0, 281:286].sum()) > 0.9


def test_imagenet_takes_torchvision_networks_with_local_weights_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from esd_bench.embedders.imagenet import _tapped, imagenet

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r"no weights at .*download\.pytorch\.org"):
        imagenet(CPU, network="resnet18")
    with pytest.raises(ValueError, match="no ImageNet network"):
        imagenet(CPU, network="nonsense")
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 6))
    body.requires_grad_(False)
    x = torch.rand(3, 3, 2, 2)
    found = _tapped(body)(x)
    assert torch.equal(found["features"], body[:3](x))
    assert found["probs"].sum(-1) == pytest.approx(torch.ones(3, dtype=torch.float64))
