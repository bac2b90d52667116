"""What the captions say.

A caption names a kind, usually its colour and what it wears, sometimes the side that one sees: "a red dog with a hat, back
view", "a striped blue cat", "close-up of a green frog", "a gray owl, normal map".
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from esd_bench.cameras import COMPASS
from esd_bench.embedded.kinds import NAMES, PATTERNS, extras
from esd_bench.embedded.parts import COLOURS

DROP_COLOUR, VIEW_WORD, WRONG_VIEW, PREFIX, LOOSE_PATTERN = 0.15, 0.30, 0.10, 0.10, 0.25
"""Probabilities: no colour; a view word; a view word drawn blindly; "a photo of"; "with stripes" for "striped"."""

PREFIXES = ("a photo of", "a picture of", "a toy of")
LOOSE = {"striped": "stripes", "spotted": "spots"}
WINDOWS = ("", "close-up of", "part of")
"""Words for the whole picture, a zoom, and an object that leaves the picture."""


@dataclass(frozen=True)
class Subject:
    """A kind of object in a colour ("" leaves it open) with an extra ("" is none)."""

    kind: str
    colour: str = ""
    extra: str = ""

    def phrase(self, loose: bool = False) -> str:
        """The noun phrase with its article; ``loose`` says "with stripes" instead of "striped"."""
        pattern = self.extra if self.extra in PATTERNS and not loose else ""
        noun = " ".join(word for word in (pattern, self.colour, self.kind) if word)
        text = f"{article(noun)} {noun}"
        if not self.extra or pattern:
            return text
        return f"{text} with {LOOSE.get(self.extra) or f'a {self.extra}'}"


def article(noun: str) -> str:
    """``a`` or ``an``."""
    return "an" if noun[0] in "aeiou" else "a"


def subjects() -> Iterator[Subject]:
    """Every kind in every colour with every extra it can have: the distinct prompts of this world."""
    for kind in NAMES:
        for colour, extra in product(COLOURS, extras(kind)):
            yield Subject(kind, colour, extra)


def view(compass: int) -> str:
    """The view word of an index into :data:`esd_bench.cameras.COMPASS`, as suites append it."""
    return f"{COMPASS[compass]} view"


@dataclass(frozen=True)
class Picture:
    """What a caption may mention of a picture: the true compass index, an index into WINDOWS, and the kind of map."""

    subject: Subject
    compass: int
    window: int = 0
    normals: bool = False


def caption(picture: Picture, rng: random.Random, view_word: bool | None = None) -> str:
    """One random caption; ``view_word`` forces or forbids naming the view."""
    subject = picture.subject
    if rng.random() < DROP_COLOUR:
        subject = Subject(subject.kind, "", subject.extra)
    text = subject.phrase(loose=rng.random() < LOOSE_PATTERN)
    if picture.window and rng.random() < 0.5:
        text = f"{WINDOWS[picture.window]} {text}"
    elif not picture.normals and rng.random() < PREFIX:
        text = f"{rng.choice(PREFIXES)} {text}"
    named = rng.random() < VIEW_WORD if view_word is None else view_word
    tail = [view(_seen(picture.compass, rng))] if named else []
    if picture.normals:
        tail.insert(rng.randrange(len(tail) + 1), "normal map")
    return ", ".join([text, *tail])


def _seen(compass: int, rng: random.Random) -> int:
    """The compass index that a careless annotator writes: now and then any of front, side and back."""
    return rng.randrange(3) if rng.random() < WRONG_VIEW else compass
