"""The small tokenizer that reads captions: every word of this world is one token, all else falls into letters."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Int
from torch import Tensor
from transformers import CLIPTokenizer

from esd_bench.cameras import COMPASS
from esd_bench.embedded.kinds import NAMES, PATTERNS
from esd_bench.embedded.parts import COLOURS

CONTEXT = 20
"""Tokens per caption, with the start and end tokens."""
WORDS = (
    "a", "an", "with", "of", "the", ",", "-", ".", "view", "normal", "map", "close", "up", "part", "photo", "picture",
    "toy", "stripes", "spots", "hat", "scarf", "backpack", "flag", *PATTERNS, *COMPASS, *COLOURS, *NAMES,
)  # fmt: skip
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters() -> list[str]:
    """The 256 printable stand-ins for bytes of GPT-2's and CLIP's byte-level vocabularies, in CLIP's order."""
    plain = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    odd = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(odd))]


def merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges that make each word one token; a word never undoes an earlier one, because its merges rank lower."""
    rules: list[tuple[str, str]] = []
    for word in words:
        pieces = apply(rules, word)
        while len(pieces) > 1:
            rules.append((pieces[0], pieces[1]))
            pieces = apply(rules, word)
    return rules


def apply(rules: Sequence[tuple[str, str]], word: str) -> list[str]:
    """The pieces of a word under ranked merges (the textbook loop)."""
    rank = {rule: i for i, rule in enumerate(rules)}
    pieces = [*word[:-1], f"{word[-1]}</w>"]
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: rank.get(pair, len(rank)))
        if best not in rank:
            break
        joined: list[str] = []
        for piece in pieces:
            if joined and (joined[-1], piece) == best:
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined
    return pieces


def tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer of a few hundred tokens: all bytes, and the words of this world as single tokens.

    The end token has the highest id, because open_clip finds it by argmax; unknown words fall into letters.
    """
    rules = merges(WORDS)
    bytes_ = byte_characters()
    tokens = [
        *bytes_,
        *(f"{b}</w>" for b in bytes_),
        *("".join(rule) for rule in rules),
        START,
        END,
    ]
    return CLIPTokenizer(
        vocab={token: i for i, token in enumerate(dict.fromkeys(tokens))},
        merges=rules,
        model_max_length=CONTEXT,
    )


def ids(texts: Sequence[str]) -> Int[Tensor, "n l"]:
    """Padded token ids."""
    rows = tokenizer()(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=CONTEXT,
        return_tensors="pt",
    )
    return rows.input_ids
