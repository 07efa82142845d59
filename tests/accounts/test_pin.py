"""PINs over time, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kith.accounts.errors import Refused
from kith.accounts.pin import WAITS, Pins
from kith.accounts.proof import LIFETIME, Proofs
from kith.store.sqlite import SQLiteStore
from tests.accounts.test_codes import Clock, clock, store

__all__ = ["clock", "store"]


@pytest.fixture
def pins(store: SQLiteStore, clock: Clock) -> Pins:
    return Pins(store, b"secret", clock)


async def refusal(pins: Pins, pin: str) -> Refused:
    with pytest.raises(Refused) as error:
        await pins.check(1, pin)
    return error.value


async def test_waits_grow_with_each_wrong_pin_and_end_with_the_right_one(pins: Pins, clock: Clock) -> None:
    await pins.set(1, "123456")
    for wait in (*WAITS, WAITS[-1]):
        error = await refusal(pins, "000000")
        assert (error.reason, error.wait) == ("wrong-pin", wait)
        if wait:
            clock.now += wait - 1
            assert (await refusal(pins, "123456")).reason == "too-many"
            clock.now += 1
    await pins.check(1, "123456")
    assert (await refusal(pins, "000000")).wait == 0


async def test_tries_at_once_are_counted_one_by_one(pins: Pins) -> None:
    await pins.set(1, "123456")
    tries = await asyncio.gather(*(pins.check(1, f"{n:06}") for n in range(8)), return_exceptions=True)
    reasons = [error.reason for error in tries if isinstance(error, Refused)]
    assert len(reasons) == 8
    assert reasons.count("wrong-pin") <= 3


async def test_waits_outlive_a_restart(tmp_path: Path, clock: Clock) -> None:
    for _ in range(4):
        store = SQLiteStore(tmp_path / "again.sqlite")
        await store.open()
        pins = Pins(store, b"secret", clock)
        if not await pins.made(1):
            await pins.set(1, "123456")
        with pytest.raises(Refused) as error:
            await pins.check(1, "000000")
        await store.close()
    assert error.value.reason == "too-many"


async def test_a_pin_is_not_to_be_found_with_the_database_alone(
    pins: Pins, store: SQLiteStore, clock: Clock
) -> None:
    await pins.set(1, "123456")
    with pytest.raises(Refused):
        await Pins(store, b"another secret", clock).check(1, "123456")
    await pins.check(1, "123456")


async def test_without_a_pin_nothing_is_asked(pins: Pins) -> None:
    await pins.check(1, "")
    await pins.set(1, "123456")
    assert await pins.remove(1)
    await pins.check(1, "")
    assert not await pins.remove(1)


def test_a_proof_is_for_one_number_and_an_hour(clock: Clock) -> None:
    proofs = Proofs(b"secret", clock)
    proof = proofs.make("+491701234567")
    assert proofs.fits("+491701234567", proof)
    assert not proofs.fits("+491701234568", proof)
    assert not Proofs(b"other", clock).fits("+491701234567", proof)
    for wrong in ("", "x", "AAAA", proof[:-4], "é" * 20):
        assert not proofs.fits("+491701234567", wrong)
    clock.now += LIFETIME
    assert not proofs.fits("+491701234567", proof)
