"""Ids of the log: they sort by time, and tell it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kith.base.ids import Ids, first_at, from_text, parse_stamp, stamp, stamp_of, to_text, when
from kith.base.slots import SLOTS

IDS = st.integers(0, (1 << 63) - 1)


@given(IDS)
def test_the_time_of_an_id_is_written_as_any_time_is(id: int) -> None:
    assert stamp_of(id) == stamp(when(id))
    assert parse_stamp(stamp_of(id)) == when(id)


@given(IDS, IDS)
def test_texts_sort_as_ids_do_and_times_do_not_go_backwards(one: int, other: int) -> None:
    one, other = sorted((one, other))
    assert to_text(one) <= to_text(other)
    assert stamp_of(one) <= stamp_of(other)
    assert from_text(to_text(one)) == one


@given(IDS)
def test_the_first_id_of_a_moment_is_not_later_than_any_of_it(id: int) -> None:
    assert first_at(when(id)) <= id


def test_ids_of_a_slot_grow_though_the_clock_goes_back() -> None:
    times = iter([10.0, 5.0, 10.0, 20.0])
    ids = Ids(lambda: next(times))
    made = [ids.next(1), ids.next(2), ids.next(1, 2), ids.next(3)]
    assert made == sorted(set(made))


def test_a_node_goes_on_after_the_ids_of_the_slot_that_it_has_gained() -> None:
    for counters in (1, SLOTS):
        ids = Ids(lambda: 10.0, counters)
        ids.gained(7, 11_000 << 20)
        ids.gained(7, 5)  # it never goes back
        assert ids.next(7) == (11_000 << 20) + 1
        assert ids.ahead() == 1.0


def test_one_of_many_nodes_counts_each_slot_by_itself_and_a_message_in_two_of_them_for_both() -> None:
    """A slot that is ahead of the clock takes along only those that it shares a message with."""
    ids = Ids(lambda: 10.0, SLOTS)
    now = 10_000 << 20
    ids.gained(7, now + 500)
    assert ids.next(8) == now
    assert ids.next(7, 8) == now + 501
    assert ids.next(8) == now + 502
    assert ids.next(9) == now
    assert ids.next(7) == now + 502
