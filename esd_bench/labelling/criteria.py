"""The three criteria of success of arXiv 2401.00909 as questions of which "yes" always means passed.

The requested object in the correct view; no hallucinated or counterfactual detail; no unrealistic colour, texture or massive
floaters. What to look for is said in our words. A seed passes if all three hold.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One question.

    Attributes:
        name: in files and in the database.
        title: a few words.
        question: about one asset; "yes" is passed.
        comparison: about two of them.
        detail: what to look for.
    """

    name: str
    title: str
    question: str
    comparison: str
    detail: str


CRITERIA = (
    Criterion(
        "view",
        "Views",
        "Is the requested object right in every view?",
        "Which one is right in more of its views?",
        "Turn it all the way round. Its front, such as a face, is seen from the front only; from behind you see a "
        "back, from the side a side.",
    ),
    Criterion(
        "count",
        "Counts",
        "Is it free of hallucinated or counterfactual detail?",
        "Which one has less hallucinated or counterfactual detail?",
        "No second face or head, no additional legs, ears or handles; and nothing that the text asks for is missing.",
    ),
    Criterion(
        "look",
        "Look",
        "Is it free of unrealistic colour, texture and massive floaters?",
        "Which one has less unrealistic colour, texture and floaters?",
        "No oversaturated colours, no smeared or noisy texture, and nothing large that floats around the object.",
    ),
)
NAMES = tuple(criterion.name for criterion in CRITERIA)
SINGLE = {"yes": "Yes", "no": "No", "unsure": "Can't tell"}
"""Answers about one asset."""
SIDES = {"left": "Left", "right": "Right", "same": "Equal", "unsure": "Can't tell"}
"""Answers about two, as they are shown and clicked; a page never says which asset is the first."""
PAIRS = ("first", "second", "same", "unsure")
"""Answers about two, as they are stored."""


def by_asset(value: str, flipped: bool) -> str:
    """A side as the asset that stands there."""
    return {"left": PAIRS[flipped], "right": PAIRS[not flipped]}.get(value, value)


def by_side(value: str, flipped: bool) -> str:
    """An asset as the side on which it stands.

    >>> by_side("first", True), by_asset("right", True), by_side("same", True)
    ('right', 'first', 'same')
    """
    sides = tuple(SIDES)
    return {"first": sides[flipped], "second": sides[not flipped]}.get(value, value)
