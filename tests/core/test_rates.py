"""Limits for each key: how often something may happen, and with how many different people."""

from __future__ import annotations

import pytest

from kith.base.rates import Distinct, RateLimit


def test_as_many_as_are_allowed_happen_at_once_and_again_as_time_passes() -> None:
    limit = RateLimit(2, 20.0)
    assert [limit.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert limit.wait("a", 4.0) == pytest.approx(6.0)
    assert not limit.take("a", 9.9)
    assert limit.take("a", 10.0)
    assert not limit.take("a", 10.0)
    assert limit.take("b", 10.0)
    assert limit.level("a", 25.0) == pytest.approx(0.5)
    assert limit.wait("a", 25.0) == 0.0
    assert [limit.take("a", 1000.0) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("most", [1, 3, 7, 10, 49, 1000])
@pytest.mark.parametrize("now", [0.0, 1234567.891])
def test_no_event_is_lost_to_rounding(most: int, now: float) -> None:
    limit = RateLimit(most, 3600.0)
    assert sum(limit.take("a", now) for _ in range(2 * most)) == most
    assert sum(limit.take("a", now + 3600.0) for _ in range(2 * most)) == most


def test_what_did_not_happen_is_not_counted() -> None:
    limit = RateLimit(2, 20.0)
    assert limit.take("a", 0.0)
    assert limit.take("a", 0.0)
    limit.add("a", 0.0, -1)
    assert limit.take("a", 0.0)
    assert not limit.take("a", 0.0)


def test_a_limit_of_zero_is_none_and_remembers_nobody() -> None:
    limit = RateLimit(0, 60.0)
    assert all(limit.take("a", 0.0) for _ in range(1000))
    assert limit.wait("a", 0.0) == 0.0
    assert not len(limit)


def test_the_key_that_was_unused_for_longest_is_forgotten() -> None:
    limit = RateLimit(1, 60.0, keys=2)
    assert [limit.take(key, 0.0) for key in ("a", "b")] == [True, True]
    assert not limit.take("a", 1.0)
    assert limit.take("c", 1.0)
    assert "a" not in limit
    assert not limit.take("b", 1.0)


def test_names_are_counted_until_their_window_is_over() -> None:
    seen = Distinct(60.0)
    for now, name in ((0.0, "ann"), (1.0, "ben"), (2.0, "ann"), (60.0, "cat")):
        seen.names("key", now).add(name)
    assert seen.names("key", 60.0) == {"ann", "ben", "cat"}
    assert seen.names("other", 60.0) == set()
    assert seen.names("key", 60.1) == set()


def test_what_is_remembered_is_bounded_and_the_oldest_window_goes_first() -> None:
    seen = Distinct(60.0, keys=2)
    seen.names("a", 0.0).add("x")
    seen.names("b", 1.0).add("x")
    seen.names("a", 61.0).add("y")  # a window of its own: b's is the oldest now
    seen.names("c", 61.0)
    known = seen.get("a")
    assert known is not None
    assert known.names == {"y"}
    assert seen.get("b") is None
