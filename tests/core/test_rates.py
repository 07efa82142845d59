"""Whom one has had to do with, counted by different names in a window of time."""

from __future__ import annotations

from kith.base.rates import Distinct


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
