"""Prompt debiasing (Debiased-SDS, arXiv 2303.15413): which words of a prompt contradict a view, by a masked language model.

A word u contradicts view v if the model finds v likelier without it: with p_v the probability of "front", "side", "back" or
"overhead" in "This image is depicting a [MASK] view of ...", renormalised over the four,

    p_v(full) / (p_v(full) / 2 + p_v(without u) / 2) < 0.95.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from esd_bench.cameras import COMPASS
from esd_bench.prompts import LeaveOut, Prompt, bare

TEMPLATE = "This image is depicting a {mask} view of {text}"
THRESHOLD = 0.95
_SMALL = """
a an the this that these those some any each every no and or but nor of in on at by for from to with without into onto over
under up down out off as is are was were be being been it its his her their my your our i you he she they we who which what
very not
"""
FUNCTION_WORDS = frozenset(_SMALL.split())
"""Never left out. Differs from threestudio, where articles may vanish unless the user lists the candidates by number."""

Viewpoints: TypeAlias = Callable[[Sequence[str]], Float[Tensor, "n 4"]]
"""Texts to the probabilities of :data:`esd_bench.cameras.COMPASS`."""


def leave_out(prompt: Prompt, viewpoints: Viewpoints, origin: str) -> Prompt:
    """The prompt with the words that contradict each view, tested one at a time; its subject stays.

    Args:
        prompt: its text is what is tested.
        viewpoints: the language model.
        origin: what is recorded as the source of the words.
    """
    words = prompt.text.split()
    kept = {*FUNCTION_WORDS, *map(bare, prompt.subject.split())}
    places = [i for i, word in enumerate(words) if bare(word) not in kept]
    without = [" ".join(words[:i] + words[i + 1 :]) for i in places]
    full, *others = viewpoints([prompt.text, *without]).unbind(0)
    bad: dict[str, list[str]] = {view: [] for view in COMPASS}
    for place, other in zip(places, others, strict=True):
        for view, contradicted in zip(COMPASS, contradicts(full, other).tolist(), strict=True):
            if contradicted:
                bad[view].append(bare(words[place]))
    return replace(prompt, leave_out=listed(bad), leave_out_from=origin if places else "")


def contradicts(full: Float[Tensor, " 4"], without: Float[Tensor, " 4"]) -> Tensor:
    """Whether leaving a word out makes each view likelier by the ratio rule."""
    return full / (full / 2 + without / 2) < THRESHOLD


def listed(words: Mapping[str, Sequence[str]]) -> LeaveOut:
    """Words by view as a prompt holds them: in the order of the compass, views without words left away."""
    return tuple((view, tuple(words[view])) for view in COMPASS if words.get(view))


def bert(model: str) -> tuple[Viewpoints, str]:
    """A masked language model of transformers and what to call it: a folder, or a hub id such as ``bert-base-uncased``.

    Raises:
        ValueError: one line, when it can't be loaded or has no word of its own for a view.
    """
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    if not Path(model).is_dir() and model.count("/") > 1:
        raise ValueError(f"no folder {model!r}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModelForMaskedLM.from_pretrained(model, use_safetensors=True).eval()
    except Exception as error:
        why = str(error).strip().split("\n")[0]
        raise ValueError(f"no masked language model {model!r}: {why}") from None
    numbers = [tokenizer.encode(view, add_special_tokens=False) for view in COMPASS]
    if tokenizer.mask_token is None or any(len(x) != 1 for x in numbers):
        raise ValueError(f"{model} has no mask, or a view that is not one of its words")
    views = torch.tensor(numbers)[:, 0]

    @torch.no_grad()
    def viewpoints(texts: Sequence[str]) -> Float[Tensor, "n 4"]:
        asked = [TEMPLATE.format(mask=tokenizer.mask_token, text=text) for text in texts]
        given = tokenizer(asked, return_tensors="pt", padding=True)
        at = (given["input_ids"] == tokenizer.mask_token_id).float().argmax(1)
        logits = network(**given).logits[torch.arange(len(texts)), at][:, views]
        return logits.double().softmax(-1)

    name = Path(model).name if Path(model).is_dir() else model
    return viewpoints, f"masked language model {name}"
