"""The three criteria of success of arXiv 2401.00909, worded by us so that "yes" always means passed.

The paper: an object passes if it is right in each view, nothing is counted wrongly, and neither colour nor texture is
unrealistic and nothing floats about. A seed passes if all three hold.
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
        "Does every side show what belongs there?",
        "Which one shows on every side what belongs there?",
        "Turn it all the way round. Its front, such as a face, is seen from the front only; from behind you see a "
        "back, from the side a side.",
    ),
    Criterion(
        "count",
        "Counts",
        "Is every part there as often as it should be?",
        "Which one has every part as often as it should?",
        "Nothing is hallucinated: no second face or head, no additional legs, ears or handles; and nothing that the "
        "text asks for is missing.",
    ),
    Criterion(
        "look",
        "Look",
        "Are colour, texture and surface realistic?",
        "Which one looks more realistic?",
        "No unrealistic or oversaturated colours, no smeared or noisy texture, and nothing that floats around the object.",
    ),
)
NAMES = tuple(criterion.name for criterion in CRITERIA)
SINGLE = {"yes": "Yes", "no": "No", "unsure": "Can't tell"}
"""Answers about one asset."""
PAIRS = {"first": "Left", "second": "Right", "same": "Equal", "unsure": "Can't tell"}
"""Answers about two: stored by asset, shown by side."""
