"""The one implementation of the embedder contract: prepare each picture, forward fixed batches, name the outputs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from esd_bench.ahead import ahead
from esd_bench.types import Images

BATCH = 12
"""Pictures per forward. Divides the usual counts (120 views, a ring of 36, 48 references), so nothing is padded."""


def no_text(texts: Sequence[str]) -> Tensor:
    """The text tower of networks that have none."""
    raise NotImplementedError("this network has no text tower")


def no_truth(text: str) -> dict[str, int]:
    """The labels that a text names, for networks without labels of their own."""
    return {}


@dataclass
class Network:
    """A frozen network with its preprocessing; see :class:`esd_bench.embedders.Embedder`.

    Attributes:
        prepare: 8-bit picture -> the network's input.
        forward: a batch of inputs -> outputs by name, on any device.
        batch: pictures per forward; the last batch is padded, because a row's last bits depend on the batch's size.
        text: the text tower.
        truth: labels that a text names.
    """

    name: str
    digest: str
    outputs: tuple[str, ...]
    device: torch.device
    prepare: Callable[[Image.Image], Float[Tensor, "3 _ _"]]
    forward: Callable[[Float[Tensor, "b 3 _ _"]], Mapping[str, Float[Tensor, "b _"]]]
    batch: int = BATCH
    text: Callable[[Sequence[str]], Tensor] = no_text
    truth: Callable[[str], dict[str, int]] = no_truth

    def images(self, rgb: Images) -> dict[str, Float[Tensor, "n _"]]:
        """One forward over pictures; see the contract."""
        # Pictures of the next batches are prepared, and those of a GPU wait there, while a batch is in the network.
        pieces = [self._some(inputs) for inputs in ahead(self._input, rgb.split(self.batch))]
        return {
            # A new tensor: one of inference mode could not be used where gradients are recorded.
            name: torch.cat([piece[name] for piece in pieces])[: len(rgb)].float().cpu().clone()
            for name in self.outputs
        }

    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit-norm text embeddings; see the contract."""
        with torch.inference_mode(), _exact():
            return self.text(texts).float().cpu().clone()

    def _input(self, rgb: Float[Tensor, "some 3 h w"]) -> Float[Tensor, "b 3 _ _"]:
        """A batch as the network reads it, padded; pinned for a GPU, so that its upload needn't be waited for."""
        bytes_ = (rgb.cpu() * 255).round().clamp(0, 255).to(torch.uint8)
        inputs = torch.stack([self.prepare(picture(x)) for x in bytes_])
        padded = inputs.new_zeros(self.batch, *inputs.shape[1:])
        padded[: len(inputs)] = inputs
        return padded.pin_memory() if self.device.type == "cuda" else padded

    def _some(self, inputs: Float[Tensor, "b 3 _ _"]) -> dict[str, Tensor]:
        with torch.inference_mode(), _exact():
            found = self.forward(inputs.to(self.device, non_blocking=True))
        return {name: found[name] for name in self.outputs}


def picture(pixels: UInt8[Tensor, "3 h w"]) -> Image.Image:
    """8-bit pixels as a PIL image, which published preprocessing is written for."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def to_tensor(image: Image.Image) -> Float[Tensor, "3 h w"]:
    """RGB in [0, 1]."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


def _exact() -> AbstractContextManager[Any]:
    """Convolutions that give the same bits each time, in full float32."""
    on = torch.backends.cudnn.enabled
    return torch.backends.cudnn.flags(
        enabled=on, benchmark=False, deterministic=True, allow_tf32=False
    )


def fingerprint(module: nn.Module, preprocessing: str) -> str:
    """SHA-256 of a module's weights, by name, and of a text that says how pictures are prepared."""
    value = hashlib.sha256(preprocessing.encode())
    for name, tensor in sorted(module.state_dict().items()):
        value.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        value.update(
            tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return value.hexdigest()


def frozen(module: nn.Module, device: torch.device) -> nn.Module:
    """A module ready to answer, never to learn."""
    return module.to(device).float().eval().requires_grad_(False)


def verified(path: Path, prefix: str, where: str) -> dict[str, Tensor]:
    """Weights from a ``.pth`` file, whose SHA-256 must begin as its publisher's file name says.

    Args:
        path: the file.
        prefix: first hex digits of its SHA-256.
        where: how to get it, for the message.

    Raises:
        ValueError: when it is not there or is another file.
    """
    if not path.is_file():
        raise ValueError(f"no weights at {path}; {where}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(prefix):
        raise ValueError(
            f"{path} is damaged or another file: its SHA-256 is {found[:8]}..., not {prefix}...; {where}"
        )
    return dict(torch.load(path, map_location="cpu", weights_only=True))
