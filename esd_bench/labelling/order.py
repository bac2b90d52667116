"""In which order a rater sees the items: shuffled by the rater's own seed, a tenth of them twice.

Places come from hashes, not from a running generator: an item that is added later takes its place among the others and
moves none of them.
"""

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache

AGAIN = "~2"
"""What a slot's name ends in when its item is shown for the second time."""


def unit(seed: int, purpose: str, item: str) -> float:
    """A number in [0, 1) that a seed, a purpose and an item decide."""
    text = f"{seed}/{purpose}/{item}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big") / 2**56


def queue(items: Iterable[str], seed: int, share: float = 0.1) -> list[str]:
    """Slots in the order of one rater; a slot is an item's id, or that and :data:`AGAIN`.

    Args:
        items: ids.
        seed: the rater's.
        share: of the items, rounded up, is shown a second time: items of the first half, in the last third.
    """
    return list(_queue(tuple(items), seed, share))


@lru_cache(maxsize=256)
def _queue(items: tuple[str, ...], seed: int, share: float) -> tuple[str, ...]:
    first = sorted(items, key=lambda x: unit(seed, "order", x))
    early = first[: len(first) // 2]
    count = min(len(early), math.ceil(share * len(first)))
    twice = sorted(early, key=lambda x: unit(seed, "twice", x))[:count]
    places = {slot: i / len(first) for i, slot in enumerate(first)}
    places |= {x + AGAIN: 2 / 3 + unit(seed, "again", x) / 3 for x in twice}
    return tuple(sorted(places, key=lambda slot: (places[slot], slot)))


def item_of(slot: str) -> str:
    """The item shown in a slot."""
    return slot.removesuffix(AGAIN)


def turned(seed: int, slot: str) -> bool:
    """Whether a pair is shown with its second asset on the left."""
    return unit(seed, "side", slot) < 0.5
