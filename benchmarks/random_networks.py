"""Real-size networks with random weights, which every library loads from the same files: the published ones are downloads."""

import json
from pathlib import Path
from unittest.mock import patch

import torch
from torchmetrics.image.fid import NoTrainInceptionV3


def weights(pictures: torch.Tensor, path: Path) -> None:
    """A random Inception whose layers neither vanish nor saturate on the pictures."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3 as Network

    torch.manual_seed(0)
    with patch.object(Network, "load_state_dict"), patch("torch.load"):
        network = Network("x", ["2048", "logits"], "unused")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(pictures)
    torch.save(network.state_dict(), path)


def extractor(path: Path, output: str) -> NoTrainInceptionV3:
    """That Inception as torchmetrics wants it."""
    found = NoTrainInceptionV3("x", [output], str(path))
    found.num_features = 2048
    return found


def clip(name: str, folder: Path) -> str:
    """A random CLIP of a published size in a folder; its name for open_clip, which loads it as any other."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder.mkdir()
    network = open_clip.create_model(name, pretrained=None)
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"
