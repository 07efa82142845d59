"""How many messages a commit waits for."""

from __future__ import annotations

from kith.store.gathering import BUSY, ENOUGH, SPAN, Gathering


def test_a_message_that_comes_alone_is_not_made_to_wait() -> None:
    gathering = Gathering()
    assert gathering.wanted(0.0) == 1
    for number in range(100):
        now = number * 2 / BUSY
        assert gathering.wanted(now) == 1
        gathering.committed(["ada"], 3, now)


def test_who_waits_for_each_answer_is_not_made_to_wait_however_fast() -> None:
    gathering = Gathering()
    for number in range(5000):
        assert gathering.wanted(number * 2e-4) == 1
        gathering.committed(["ada"], 1, number * 2e-4 + 1e-4)


def test_as_many_are_waited_for_as_were_under_way_at_once_lately() -> None:
    gathering = Gathering()
    for number in range(100):
        gathering.committed(3 * ["ada"], 5, number / 1000)
    assert gathering.wanted(0.1) == 5
    for number in range(100, 108):
        gathering.committed(2 * ["ada"], 2, number / 1000)
    assert gathering.wanted(0.108) == 2


def test_no_more_are_waited_for_than_come_in_a_moment() -> None:
    gathering = Gathering()
    for number in range(2000):
        gathering.committed(["ada"], 100, number / 1000)
    assert gathering.wanted(2.0) == 1 + round(1000 * SPAN)
    for number in range(2000, 4000):
        gathering.committed(100 * ["ada"], 1000, number / 1000)
    assert gathering.wanted(4.0) == ENOUGH


def test_the_wait_ends_with_the_load() -> None:
    gathering = Gathering()
    for number in range(1000):
        gathering.committed(["ada"], 2, number / 1000)
    assert gathering.wanted(1.0) == 2
    assert gathering.wanted(1.5) == 1


def test_many_senders_are_waited_for_even_if_each_commit_is_done_before_the_next_one_writes() -> None:
    gathering = Gathering()
    for number in range(1000):
        gathering.committed([f"sender {number % 50}"], 1, number / 1000)
    assert gathering.wanted(1.0) == 1 + round(1000 * SPAN)


def test_two_who_answer_each_other_are_hardly_made_to_wait() -> None:
    gathering = Gathering()
    waits = 0
    for number in range(1000):
        if gathering.wanted(number / 1000) > 1:
            waits += 1
            gathering.in_vain(1)
        gathering.committed([f"sender {number % 2}"], 1, number / 1000)
    assert waits < 25
    for number in range(1000, 1100):
        gathering.committed(["ada", "ben"], 2, number / 1000)
    assert gathering.wanted(1.1) == 2
