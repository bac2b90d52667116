"""How many words a text has, counted without splitting it: a face of a text may have any number of corners."""

import numpy as np

CHUNK = 2**24
"""Bytes that are looked at together."""


def words(text: bytes) -> int:
    """Runs of printable ASCII."""
    count, inside = 0, False
    for at in range(0, len(text), CHUNK):
        found = np.frombuffer(text, np.uint8, min(CHUNK, len(text) - at), at)
        black = (found > 32) & (found < 127)
        count += int(np.count_nonzero(black[1:] & ~black[:-1])) + int(black[0] and not inside)
        inside = bool(black[-1])
    return count
