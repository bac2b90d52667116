"""Clicks into answers: a rater's events, folded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from esd_bench.labelling.criteria import NAMES

BREAK = 600.0
"""Seconds after which a pause between two items does not count as work."""


@dataclass(frozen=True)
class Event:
    """One click.

    Attributes:
        kind: ``answer``, ``note``, ``done`` or ``undo``; an undo takes back the last event that still counts.
        at: seconds since 1970.
    """

    slot: str
    kind: str
    criterion: str = ""
    value: str = ""
    at: float = 0.0


@dataclass
class Slot:
    """What stands in one slot.

    Attributes:
        done: when it was finished; None while it is open.
    """

    answers: dict[str, str] = field(default_factory=dict)
    note: str = ""
    done: float | None = None

    @property
    def complete(self) -> bool:
        """Whether every criterion has an answer."""
        return all(name in self.answers for name in NAMES)


def standing(events: Iterable[Event]) -> list[Event]:
    """The events that were not taken back; a note that is being written is one event, its last text."""
    kept: list[Event] = []
    for event in events:
        same = kept and event.kind == "note" == kept[-1].kind and event.slot == kept[-1].slot
        if kept and (event.kind == "undo" or same):
            kept.pop()
        if event.kind != "undo":
            kept.append(event)
    return kept


def fold(events: Iterable[Event]) -> dict[str, Slot]:
    """What a rater's events come to, by slot."""
    slots: dict[str, Slot] = {}
    for event in standing(events):
        slot = slots.setdefault(event.slot, Slot())
        if event.kind == "answer":
            slot.answers[event.criterion] = event.value
        elif event.kind == "note":
            slot.note = event.value
        elif event.kind == "done":
            slot.done = event.at
    return slots


def current(order: Sequence[str], slots: Mapping[str, Slot]) -> str | None:
    """The first slot that is not done; None at the end."""
    empty = Slot()
    return next((slot for slot in order if slots.get(slot, empty).done is None), None)


def pace(slots: Mapping[str, Slot]) -> float | None:
    """Median seconds an item, breaks left out; None before the second item."""
    times = sorted(slot.done for slot in slots.values() if slot.done is not None)
    gaps = [b - a for a, b in pairwise(times) if b - a < BREAK]
    return median(gaps) if gaps else None
