"""Ids of the log: they sort by time, and tell it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kith.base.ids import first_at, from_text, parse_stamp, stamp, stamp_of, to_text, when

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
