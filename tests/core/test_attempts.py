"""How often one may be wrong: by account, by address, and who is let in all the same."""

from __future__ import annotations

import pytest

from kith.base.addresses import network
from kith.base.attempts import (
    ACCOUNT,
    ADDRESS,
    FREE,
    KNOWN,
    KNOWN_SIZE,
    NETWORK,
    SIZE,
    Attempt,
    Guesses,
)

HOME, AWAY = "198.51.100.7", "203.0.113.9"


def wrong(guesses: Guesses, address: str, name: str, now: float = 0.0) -> bool:
    """A wrong attempt; False if it was refused unseen."""
    return guesses.admit(address, name, now) is not None


def right(guesses: Guesses, address: str, name: str, now: float = 0.0) -> bool:
    attempt = guesses.admit(address, name, now)
    if attempt is None:
        return False
    guesses.right(attempt, now)
    return True


def botnet(guesses: Guesses, name: str, now: float = 0.0) -> int:
    """Wrong attempts from a thousand addresses; how many were let in."""
    return sum(wrong(guesses, f"10.0.{n >> 8}.{n & 255}", name, now) for n in range(1000))


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
def test_an_address_waits_after_too_many_and_no_other_does(address: str) -> None:
    guesses = Guesses()
    most, seconds = ADDRESS
    assert all(wrong(guesses, address, f"name{n}") for n in range(most))
    assert not wrong(guesses, address, "another")
    assert wrong(guesses, "198.51.100.8", "another")
    assert wrong(guesses, address, "another", seconds / most)
    assert not wrong(guesses, address, "another", seconds / most)


def test_an_ipv6_network_counts_as_one_address_and_its_neighbours_together() -> None:
    guesses = Guesses()
    assert all(wrong(guesses, f"2001:db8::{n:x}", f"name{n}") for n in range(ADDRESS[0]))
    assert not wrong(guesses, "2001:db8::ffff", "another")
    assert wrong(guesses, "2001:db8:0:1::1", "another")
    let_in = sum(wrong(guesses, f"2001:db8:0:{n:x}::1", f"other{n}") for n in range(2, 2000))
    assert let_in == NETWORK[0] - ADDRESS[0] - 1
    assert wrong(guesses, "2001:db8:1::1", "another")


def test_an_account_can_be_guessed_so_often_however_many_guess() -> None:
    guesses = Guesses()
    most, seconds = ACCOUNT
    assert botnet(guesses, "ada") == most
    assert sum(botnet(guesses, "ada", minute * seconds / most) for minute in range(1, 61)) == 60
    assert botnet(guesses, "ben") == most


def test_an_owner_gets_in_from_where_they_were_before_whoever_guesses() -> None:
    guesses = Guesses()
    assert right(guesses, HOME, "ada")
    botnet(guesses, "ada")
    assert not right(guesses, AWAY, "ada")
    for _ in range(100):
        assert right(guesses, HOME, "ada")


def test_an_address_that_is_full_lets_its_own_people_in() -> None:
    """Many live behind one address; one of them guesses."""
    guesses = Guesses()
    assert right(guesses, HOME, "ada")
    for n in range(1000):
        wrong(guesses, HOME, f"name{n}")
    assert right(guesses, HOME, "ada")
    assert not right(guesses, HOME, "newcomer")


def test_who_knows_the_address_may_not_guess_for_ever_either() -> None:
    guesses = Guesses()
    assert right(guesses, HOME, "ada")
    let_in = sum(wrong(guesses, HOME, "ada") for _ in range(1000))
    assert let_in == KNOWN[0] + ACCOUNT[0]  # those of a known address, then those of any
    assert (
        sum(wrong(guesses, HOME, "ada", 60.0 * minute) for minute in range(1, 61) for _ in range(50)) <= 122
    )


def test_a_device_with_a_token_makes_its_address_known() -> None:
    guesses = Guesses()
    botnet(guesses, "ada")
    assert not right(guesses, HOME, "ada")
    guesses.known(HOME, "ada", 0.0)
    assert right(guesses, HOME, "ada")


def test_right_attempts_do_not_count_and_those_at_the_same_time_do() -> None:
    guesses = Guesses()
    for _ in range(1000):
        assert right(guesses, AWAY, "ada")
    guesses = Guesses()
    under_way = [guesses.admit(f"10.0.0.{n}", "ada", 0.0) for n in range(100)]
    assert sum(attempt is not None for attempt in under_way) == ACCOUNT[0]


def test_names_that_nobody_has_are_counted_as_others_are() -> None:
    """There is no difference to be seen, since it never asks who exists."""
    for name in ("ada", "", "nobody", "x" * 100_000, "\ud800"):
        assert botnet(Guesses(), name) == ACCOUNT[0]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "", "nonsense"])
def test_loopback_is_no_address_since_a_proxy_may_be_there_but_accounts_count(address: str) -> None:
    guesses = Guesses()
    assert network(address) == ""
    assert all(wrong(guesses, address, f"name{n}") for n in range(10 * ADDRESS[0]))
    assert sum(wrong(guesses, address, "ada") for _ in range(100)) == ACCOUNT[0]


def test_answers_get_slower_but_not_for_ever_and_not_for_the_first() -> None:
    guesses = Guesses()
    delays = [attempt.delay for n in range(15) if (attempt := guesses.admit(f"10.0.0.{n}", "ada", 0.0))]
    assert delays[:FREE] == [0.0] * FREE
    assert delays[FREE : FREE + 5] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert set(delays[FREE + 5 :]) == {4.0}


def test_the_attempt_that_fills_a_bound_says_so_once() -> None:
    guesses = Guesses()
    attempts = [guesses.admit(f"10.0.0.{n}", "ada", 0.0) for n in range(30)]
    assert [attempt.filled for attempt in attempts if attempt] == [""] * (ACCOUNT[0] - 1) + ["account"]
    filled = [a.filled for n in range(50) if isinstance(a := guesses.admit(HOME, f"x{n}", 0.0), Attempt)]
    assert filled == [""] * (ADDRESS[0] - 1) + ["address"]


def test_memory_is_bounded_whatever_is_tried() -> None:
    guesses = Guesses(size=100, known_size=300)
    assert SIZE <= 20_000
    assert KNOWN_SIZE <= 100_000
    for n in range(1000):
        address = f"2001:db8:{n >> 8:x}:{n & 255:x}::1"
        attempt = guesses.admit(address, f"{n}" * 50, float(n))
        assert attempt is not None
        guesses.right(attempt, float(n))
    sizes = [len(b) for b in (guesses._addresses, guesses._accounts, guesses._known)]
    assert sizes == [100, 100, 300]
    assert len(guesses._networks) == 4
    assert all(len(key) <= 24 for key in guesses._known._empty_at)
