"""What the page does for one rater: which card is next, and what a click changes. No HTTP."""

import re
import time
from dataclasses import dataclass, replace

from esd_bench.labelling.criteria import NAMES, by_asset, by_side
from esd_bench.labelling.database import Database, Rater
from esd_bench.labelling.order import item_of, queue, turned
from esd_bench.labelling.progress import Event, Slot, current, fold, pace, standing
from esd_bench.labelling.study import SHOWN, Asset, Item, Study

LONGEST_NOTE = 2000
KEY = re.compile(r"[\w-]{8,64}")


class StaleError(Exception):
    """The click belongs to a card that is no longer the rater's."""


@dataclass(frozen=True)
class Card:
    """What a rater sees now.

    Attributes:
        slot, item: what is judged; None at the end.
        assets: of the item, from left to right.
        answers, note: what is said already; answers as they are shown.
        done, total: progress.
        minutes: time left at the rater's own pace; None while it is unknown.
        upcoming: the assets after this card, to be fetched meanwhile, in an order that tells nothing.
        first: whether nothing can be taken back.
        votes: what raters said, for an adjudicator: criterion -> answer -> how many.
        notes: what raters wrote, for an adjudicator.
    """

    slot: str | None
    item: Item | None
    assets: tuple[Asset, ...]
    answers: dict[str, str]
    note: str
    done: int
    total: int
    minutes: float | None
    upcoming: tuple[Asset, ...]
    first: bool
    votes: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()


def answers_of(database: Database, study: Study) -> dict[int, dict[str, Slot]]:
    """All raters' answers by rater's id and slot."""
    return {rater: fold(events) for rater, events in database.everything(study.mode).items()}


def disputed(database: Database, study: Study) -> dict[str, list[Slot]]:
    """Items on which raters disagree in any criterion, with what each said when first asked."""
    raters = {x.id for x in database.raters() if x.role == "rater"}
    said: dict[str, list[Slot]] = {}
    for rater, slots in answers_of(database, study).items():
        for name, slot in slots.items():
            if rater in raters and slot.done is not None and name in study.items:
                said.setdefault(name, []).append(slot)
    return {item: slots for item, slots in said.items() if _differ(slots)}


def _differ(slots: list[Slot]) -> bool:
    return any(len({x.answers[name] for x in slots}) > 1 for name in NAMES)


def order_for(database: Database, study: Study, rater: Rater) -> list[str]:
    """The slots of a rater; those of an adjudicator are what the raters dispute, once."""
    if rater.role == "adjudicator":
        return queue(disputed(database, study), rater.seed, share=0)
    return queue(study.items, rater.seed)


def card(database: Database, study: Study, rater: Rater) -> Card:
    """What the rater sees now."""
    events = database.events(rater, study.mode)
    slots, order = fold(events), order_for(database, study, rater)
    slot = current(order, slots)
    done = sum(slots[x].done is not None for x in order if x in slots)
    speed = pace(slots)
    said = disputed(database, study).get(slot, []) if slot and rater.role == "adjudicator" else []
    item, state = study.items[item_of(slot)] if slot else None, slots.get(slot or "", Slot())
    flipped = _flipped(study, rater, slot or "")
    return Card(
        slot,
        item,
        (item.assets[::-1] if flipped else item.assets) if item else (),
        {name: by_side(value, flipped) for name, value in state.answers.items()},
        state.note,
        done,
        len(order),
        None if speed is None else speed * (len(order) - done) / 60,
        _upcoming(study, order, slot),
        not _undoable(events, order),
        _votes(said, flipped),
        tuple(x.note for x in said if x.note),
    )


def _flipped(study: Study, rater: Rater, slot: str) -> bool:
    """Whether a pair's second asset is on the left."""
    return study.mode == "pairs" and turned(rater.seed, slot)


def _undoable(events: list[Event], order: list[str]) -> bool:
    """Whether the last click is one that the rater can see again: not of an item that is not shown now."""
    last = standing(events)[-1:]
    return bool(last) and last[0].slot in order


def _upcoming(study: Study, order: list[str], slot: str | None) -> tuple[Asset, ...]:
    later = order[order.index(slot) + 1 :] if slot else []
    found = study.items[item_of(later[0])].assets if later else ()
    return tuple(sorted(found, key=lambda asset: asset.id))


def _votes(said: list[Slot], flipped: bool) -> dict[str, dict[str, int]]:
    votes: dict[str, dict[str, int]] = {name: {} for name in NAMES} if said else {}
    for slot in said:
        for name in NAMES:
            answer = by_side(slot.answers[name], flipped)
            votes[name][answer] = votes[name].get(answer, 0) + 1
    return votes


def click(database: Database, study: Study, rater: Rater, key: str, event: Event) -> None:
    """Append a click; one that is there already changes nothing.

    Raises:
        ValueError: for what the page can't have sent.
        StaleError: when the slot is not the rater's present one, as after a click in another window.
    """
    if not KEY.fullmatch(key):
        raise ValueError("no key")
    _check(event, study)
    flipped = _flipped(study, rater, event.slot)
    # In one step, or a click in another window could come between the question and the answer.
    with database.alone():
        if database.known(key):
            return
        if not _fits(database, study, rater, event):
            raise StaleError
        kept = replace(event, value=by_asset(event.value, flipped)) if event.criterion else event
        database.add(rater, study.mode, [(key, kept)])


def _fits(database: Database, study: Study, rater: Rater, event: Event) -> bool:
    """Whether the rater's present card allows a click."""
    events, order = database.events(rater, study.mode), order_for(database, study, rater)
    if event.kind == "undo":
        return _undoable(events, order)
    slots = fold(events)
    ready = event.kind != "done" or slots.get(event.slot, Slot()).complete
    return ready and event.slot == current(order, slots)


def made(slot: str, kind: str, criterion: str, value: str) -> Event:
    """A click that happens now."""
    return Event(slot, kind, criterion, value, time.time())


def _check(event: Event, study: Study) -> None:
    if event.kind == "answer":
        fits = event.criterion in NAMES and event.value in SHOWN[study.mode]
    elif event.kind == "note":
        fits = not event.criterion and len(event.value) <= LONGEST_NOTE
    else:
        fits = event.kind in ("done", "undo") and not (event.criterion or event.value)
    if not fits:
        raise ValueError("no such answer")
