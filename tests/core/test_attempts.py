"""Guessing passwords is slowed by address."""

from __future__ import annotations

import pytest

from kith.core.attempts import MOST, WINDOW, Attempts


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
def test_an_address_waits_after_too_many_failures_and_no_other_does(address: str) -> None:
    attempts = Attempts()
    for number in range(MOST):
        assert not attempts.too_many(address, number / 100)
        attempts.failed(address, number / 100)
    assert attempts.too_many(address, 1.0)
    assert not attempts.too_many("198.51.100.7", 1.0)
    assert not attempts.too_many(address, WINDOW + 1)
    attempts.failed(address, WINDOW + 1)
    assert not attempts.too_many(address, WINDOW + 2)


def test_an_ipv6_network_counts_as_one() -> None:
    attempts = Attempts()
    for number in range(MOST):
        attempts.failed(f"2001:db8::{number:x}", 0.0)
    assert attempts.too_many("2001:db8::ffff", 0.0)
    assert not attempts.too_many("2001:db8:0:1::1", 0.0)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "", "nonsense"])
def test_loopback_is_not_counted(address: str) -> None:
    attempts = Attempts()
    for _ in range(2 * MOST):
        attempts.failed(address, 0.0)
    assert not attempts.too_many(address, 0.0)


def test_memory_is_bounded() -> None:
    attempts = Attempts()
    for number in range(30_000):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(attempts._failed) <= 10_000
