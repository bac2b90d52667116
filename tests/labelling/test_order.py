"""The order of a rater, and what clicks come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esd_bench.labelling.order import AGAIN, item_of, queue, turned
from esd_bench.labelling.progress import Event, current, fold, pace
from tests.labelling.studies import said

names = st.lists(st.text("abcdef", min_size=1, max_size=6), unique=True, max_size=60)
seeds = st.integers(0, 2**53)


@given(names, seeds)
def test_every_item_is_shown_once_and_a_tenth_of_them_again(items, seed):
    order = queue(items, seed)
    again = [x for x in order if x.endswith(AGAIN)]
    assert sorted(set(order) - set(again)) == sorted(items)
    assert len(again) == min(len(items) // 2, -(-len(items) // 10))
    assert len(set(order)) == len(order)
    for slot in again:
        apart = order.index(slot) - order.index(item_of(slot))
        assert apart >= max(1, len(items) / 6 - 1)


@given(names.filter(len), seeds)
def test_a_new_item_moves_no_other(items, seed):
    before = queue(items[:-1], seed, share=0)
    assert [x for x in queue(items, seed, share=0) if x != items[-1]] == before


def test_raters_see_different_orders_and_each_always_the_same():
    items = [str(i) for i in range(40)]
    assert queue(items, 1) == queue(items[::-1], 1)
    assert queue(items, 1) != queue(items, 2)


def test_sides_are_fair():
    left = sum(turned(seed, str(item)) for seed in range(40) for item in range(50))
    assert 900 < left < 1100


def events(clicks):
    return [event for _, event in clicks]


def test_undo_takes_back_click_by_click_also_across_items():
    first, second = events(said("a")), events(said("b", done=False))
    undo = Event("b", "undo")
    slots = fold([*first, *second[:1], undo, undo])
    assert slots["a"].done is None
    assert slots["a"].complete
    assert "b" not in slots
    assert not fold([undo, *first[:1], undo, undo])
    assert current(["a", "b"], fold(first)) == "b"


def test_a_note_that_is_being_written_is_one_event():
    notes = [Event("a", "note", "", text) for text in ("h", "hea", "heads")]
    assert fold(notes)["a"].note == "heads"
    assert not fold([*notes, Event("a", "undo")])


@given(st.lists(st.sampled_from(["answer", "undo", "note"]), max_size=30))
def test_as_many_undos_as_clicks_leave_nothing(kinds):
    clicks = [Event(str(i), kind, "view", "yes") for i, kind in enumerate(kinds)]
    assert not fold([*clicks, *[Event("", "undo")] * len(clicks)])


def test_the_pace_leaves_out_breaks():
    done = [Event(str(i), "done", at=at) for i, at in enumerate((0.0, 10.0, 20.0, 5000.0, 5030.0))]
    assert pace(fold(done)) == 10.0
    assert pace(fold(done[:1])) is None


def test_a_finished_item_that_is_answered_again_keeps_its_last_answer():
    slots = fold([Event("a", "answer", "view", "yes"), Event("a", "answer", "view", "no")])
    assert slots["a"].answers == {"view": "no"}
    with pytest.raises(KeyError):
        slots["b"]
