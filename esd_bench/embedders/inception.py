"""The 2015 Inception network of the FID papers (arXiv 1706.08500), TensorFlow weights ported by torch-fidelity."""

from pathlib import Path
from typing import Literal
from unittest.mock import patch

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from esd_bench.embedders import Embedder
from esd_bench.embedders._network import Network, fingerprint, frozen, verified

FILE, SHA256 = "weights-inception-2015-12-05-6726825d.pth", "6726825d"
WHERE = (
    "get it from the releases (v0.2.0) of github.com/toshas/torch-fidelity, put it there, "
    "or name your copy: inception,weights=FILE"
)
SIDE = 299


def inception(
    device: torch.device,
    /,
    *,
    weights: str | None = None,
    resize: Literal["clean", "pytorch", "torchmetrics", "tf1"] = "clean",
    bias: bool = True,
) -> Embedder:
    """2048-d pool3 features and the 1008-way softmax of the 2015 network; nothing is downloaded.

    Not torchvision's Inception, whose numbers can't be compared with these.

    Args:
        device: where it runs.
        weights: the file of weights; None looks where torch-fidelity and torch.hub keep it.
        resize: whose numbers these are; all begin with 8-bit pictures and none rounds again after resizing.
            ``clean`` is PIL's antialiased bicubic in float (clean-fid, arXiv 2104.11222); ``pytorch`` torch's bilinear
            without antialiasing, then 2x - 1 of [0, 1] (pytorch-fid, clean-fid's ``legacy_pytorch``); ``torchmetrics`` torch's
            bilinear with antialiasing (since 1.8); ``tf1`` TensorFlow 1's bilinear, whose pixels lie at corners
            (torch-fidelity, the first implementations, torchmetrics before 1.8). All but ``pytorch`` scale by
            (x - 128) / 128.
        bias: whether the class head adds its bias; torch-fidelity's Inception Score leaves it out.

    Raises:
        ValueError: when the weights are missing or are not the published ones.
    """
    path = Path(weights) if weights else Path(torch.hub.get_dir()) / "checkpoints" / FILE
    network = frozen(_network(verified(path, SHA256, WHERE)), device)
    return embed(network, device, resize, bias)


def embed(network: nn.Module, device: torch.device, resize: str, bias: bool) -> Network:
    """The embedder round a given network of torch-fidelity's architecture."""
    *trunk, head = network.children()

    def forward(x: Tensor) -> dict[str, Tensor]:
        features = nn.Sequential(*trunk)(INPUTS[resize](x)).flatten(1)
        logits = head(features) if bias else features @ head.weight.T
        return {"features": features, "probs": logits.double().softmax(-1)}

    return Network(
        name=f"inception-2015-{resize}" + ("" if bias else "-unbiased"),
        digest=fingerprint(network, f"inception {resize} bias={bias}"),
        outputs=("features", "probs"),
        device=torch.device(device),
        prepare=_clean if resize == "clean" else _bytes,
        forward=forward,
    )


def _network(state: dict[str, Tensor]) -> nn.Module:
    from torch_fidelity import feature_extractor_inceptionv3 as module

    # Its constructor insists on loading weights itself, by unrestricted unpickling or a download.
    with patch.object(module, "load_state_dict_from_url", lambda *_, **__: state):
        return module.FeatureExtractorInceptionV3("inception", ["2048", "logits"])


def _clean(image: Image.Image) -> Float[Tensor, "3 h w"]:
    """Each channel resized in float32, not rounded back to 8 bits (clean-fid)."""
    channels = [
        Image.fromarray(np.asarray(channel, dtype=np.float32)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        for channel in image.convert("RGB").split()
    ]
    return torch.from_numpy(np.stack([np.asarray(x) for x in channels]).clip(0, 255))


def _bytes(image: Image.Image) -> Float[Tensor, "3 h w"]:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float()


def _tf1(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 299 299"]:
    if x.shape[-2:] != (SIDE, SIDE):
        from torch_fidelity.interpolate_compat_tensorflow import (
            interpolate_bilinear_2d_like_tensorflow1x,
        )

        x = interpolate_bilinear_2d_like_tensorflow1x(x, size=(SIDE, SIDE), align_corners=False)
    return (x - 128) / 128


def _pytorch(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 299 299"]:
    return 2 * _bilinear(x / 255, antialias=False) - 1


def _torchmetrics(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 299 299"]:
    return (_bilinear(x, antialias=True) - 128) / 128


def _bilinear(x: Float[Tensor, "n 3 h w"], antialias: bool) -> Float[Tensor, "n 3 299 299"]:
    return nn.functional.interpolate(
        x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=antialias
    )


INPUTS = {
    # Resized already, picture by picture.
    "clean": lambda x: (x - 128) / 128,
    "pytorch": _pytorch,
    "torchmetrics": _torchmetrics,
    "tf1": _tf1,
}
"""How each library makes the network's input of 8-bit pictures."""
