"""CLIP (Radford et al., arXiv 2103.00020) by open_clip: image and text embeddings for the CLIP distance."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from esd_bench.embedders import Embedder
from esd_bench.embedders._network import Network, fingerprint, frozen


def clip(
    device: torch.device, /, *, model: str = "ViT-L-14", pretrained: str | None = "openai"
) -> Embedder:
    """Any open_clip model, with its own preprocessing (bicubic antialiased resize of PIL, centre crop).

    Args:
        device: where it runs.
        model: an open_clip name, ``local-dir:PATH``, ``hf-hub:OWNER/NAME``, or ``embedded`` for the one that ships.
        pretrained: an open_clip tag or a local file of weights; ignored for the latter three.

    Raises:
        ValueError: one line, when the model or its weights are not to be had.
    """
    source = _source(model)
    inside = ":" in source
    loaded, preprocess, tokenizer = _load(source, None if inside else pretrained)
    network: Any = frozen(loaded, device)

    def texts(values: Sequence[str]) -> Tensor:
        return network.encode_text(tokenizer(list(values)).to(device), normalize=True)

    return Network(
        name=model if inside or source != model else f"{model}/{pretrained}",
        digest=fingerprint(network, f"clip {preprocess}"),
        outputs=("image",),
        device=torch.device(device),
        prepare=preprocess,
        forward=lambda x: {"image": network.encode_image(x, normalize=True)},
        text=texts,
    )


def _source(model: str) -> str:
    if model != "embedded":
        return model
    from esd_bench.embedded.weights import clip_folder

    return f"local-dir:{clip_folder()}"


def _load(source: str, pretrained: str | None) -> tuple[Any, Any, Any]:
    import open_clip

    quick = False
    if pretrained:
        # open_clip 3 builds OpenAI's models with plain GELU and only warns; their weights want the quick one.
        quick = bool((open_clip.get_pretrained_cfg(source, pretrained) or {}).get("quick_gelu"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network, _, preprocess = open_clip.create_model_and_transforms(
                source, pretrained=pretrained, force_quick_gelu=quick, require_pretrained=True
            )
            tokenizer = open_clip.get_tokenizer(source)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(
            f"cannot load CLIP {source} ({pretrained}): {reason}; "
            "a folder with open_clip_config.json and its weights is given as clip,model=local-dir:FOLDER"
        ) from None
    return network, preprocess, tokenizer
