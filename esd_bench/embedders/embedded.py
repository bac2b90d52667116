"""The embedded world's own judge: labels, pose, colour and features from one small trunk, trained on renders."""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from esd_bench.embedders import Embedder
from esd_bench.embedders._network import Network, fingerprint, frozen, to_tensor

SIDE = 64


def embedded(device: torch.device, /) -> Embedder:
    """The classifier and pose oracle that ship with the package; right for pictures of the embedded world only.

    Outputs: ``features`` of the trunk; ``probs`` of (kind, aspect), which change with the side one sees as ImageNet's
    labels do; ``azimuth`` in 24 bins; ``kind`` (its aspects summed); ``colour``.

    Args:
        device: where it runs.

    Raises:
        ValueError: when its weights are missing or damaged.
    """
    from esd_bench.embedded.objects import COLOURS, NAMES
    from esd_bench.embedded.weights import classifier

    return judge(frozen(classifier(), device), device, tuple(NAMES), tuple(COLOURS))


def judge(
    network: nn.Module, device: torch.device, kinds: Sequence[str], colours: Sequence[str]
) -> Network:
    """The embedder round a given network that answers logits ``label``, ``azimuth``, ``colour`` and ``features``."""

    def forward(x: Tensor) -> dict[str, Tensor]:
        found = network(x)
        label, azimuth, colour = (
            getattr(found, head).double().softmax(-1) for head in ("label", "azimuth", "colour")
        )
        return {
            "features": found.features,
            "probs": label,
            "azimuth": azimuth,
            "kind": label.reshape(len(label), len(kinds), -1).sum(-1),
            "colour": colour,
        }

    return Network(
        name="embedded",
        digest=fingerprint(network, f"embedded bicubic {SIDE}"),
        outputs=("features", "probs", "azimuth", "kind", "colour"),
        device=torch.device(device),
        prepare=_prepare,
        forward=forward,
        truth=lambda text: _named(text, {"kind": kinds, "colour": colours}),
    )


def _prepare(image: Image.Image) -> Float[Tensor, "3 64 64"]:
    """PIL's antialiased bicubic where the size differs; 64-pixel views go in as they are."""
    return to_tensor(
        image
        if image.size == (SIDE, SIDE)
        else image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    )


def _named(text: str, vocabulary: dict[str, Sequence[str]]) -> dict[str, int]:
    """Index of the one kind and the one colour that a text names; left out where it names none or several."""
    words = re.findall(r"[a-z]+", text.lower())
    named = {
        head: [w for w in dict.fromkeys(words) if w in known] for head, known in vocabulary.items()
    }
    return {
        head: vocabulary[head].index(found[0]) for head, found in named.items() if len(found) == 1
    }
