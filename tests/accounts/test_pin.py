"""PINs over time, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kith.accounts.errors import Refused
from kith.accounts.pin import WAITS, Pins
from kith.accounts.proof import LIFETIME, Proofs
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.store.sqlite import SQLiteStore
from tests.accounts.test_codes import clock, store
from tests.clocks import SetClock

__all__ = ["clock", "store"]
SECRET = Secret(b"secret")


@pytest.fixture
def pins(store: SQLiteStore, clock: SetClock) -> Pins:
    return Pins(SECRET, clock, store)


async def refusal(pins: Pins, pin: str) -> Refused:
    with pytest.raises(Refused) as error:
        await pins.check(1, pin)
    return error.value


async def test_waits_grow_with_each_wrong_pin_and_end_with_the_right_one(pins: Pins, clock: SetClock) -> None:
    await pins.set(1, "123456")
    for wait in (*WAITS, WAITS[-1]):
        error = await refusal(pins, "000000")
        assert (error.reason, error.wait) == ("wrong-pin", wait)
        if wait:
            clock.time += wait - 1
            assert (await refusal(pins, "123456")).reason == "too-many"
            clock.time += 1
    await pins.check(1, "123456")
    assert (await refusal(pins, "000000")).wait == 0


async def test_tries_at_once_are_counted_one_by_one(pins: Pins) -> None:
    await pins.set(1, "123456")
    tries = await asyncio.gather(*(pins.check(1, f"{n:06}") for n in range(8)), return_exceptions=True)
    reasons = [error.reason for error in tries if isinstance(error, Refused)]
    assert len(reasons) == 8
    assert set(reasons) == {"wrong-pin", "too-many"}
    assert 1 <= reasons.count("wrong-pin") <= 3  # after which one has to wait


async def test_waits_outlive_a_restart(tmp_path: Path, clock: SetClock) -> None:
    for _ in range(4):
        store = SQLiteStore(tmp_path / "again.sqlite")
        await store.open()
        pins = Pins(SECRET, clock, store)
        if not await pins.made(1):
            await pins.set(1, "123456")
        with pytest.raises(Refused) as error:
            await pins.check(1, "000000")
        await store.close()
    assert error.value.reason == "too-many"


async def test_a_pin_is_not_to_be_found_with_the_database_alone(
    pins: Pins, store: SQLiteStore, clock: SetClock
) -> None:
    await pins.set(1, "123456")
    with pytest.raises(Refused):
        await Pins(Secret(b"another secret"), clock, store).check(1, "123456")
    await pins.check(1, "123456")


async def test_without_a_pin_nothing_is_asked(pins: Pins) -> None:
    await pins.check(1, "")
    await pins.set(1, "123456")
    assert await pins.remove(1)
    await pins.check(1, "")
    assert not await pins.remove(1)


@pytest.fixture
def proofs(store: SQLiteStore, clock: SetClock) -> Proofs:
    return Proofs(SECRET, clock, Randomness(), store)


def test_a_proof_is_for_one_number_and_its_pin_and_an_hour(
    store: SQLiteStore, proofs: Proofs, clock: SetClock
) -> None:
    proof = proofs.make("+491701234567", 7, "pin")
    assert proofs.fits(proof, "+491701234567", 7, "pin")
    assert not proofs.fits(proof, "+491701234568", 7, "pin")
    assert not proofs.fits(proof, "+491701234567", 8, "pin")
    assert not proofs.fits(proof, "+491701234567", 7, "another")
    assert not Proofs(Secret(b"other"), clock, Randomness(), store).fits(proof, "+491701234567", 7, "pin")
    for wrong in ("", "x", "AAAA", proof[:-4], "é" * 20, "A" * 76, "A" * 96):
        assert not proofs.fits(wrong, "+491701234567", 7, "pin")
        assert not proofs.is_for("+491701234567", wrong)
    assert proofs.is_for("+491701234567", proof)
    assert not proofs.is_for("+491701234568", proof)
    clock.time += LIFETIME
    assert not proofs.fits(proof, "+491701234567", 7, "pin")


async def test_a_proof_is_used_up_once_however_many_try_at_the_same_time(
    store: SQLiteStore, proofs: Proofs, clock: SetClock
) -> None:
    proof, other = (proofs.make("+491701234567", 7, "pin") for _ in range(2))
    assert sorted(await asyncio.gather(*(proofs.use_up(proof) for _ in range(5)))) == [False] * 4 + [True]
    assert await proofs.was_used(proof)
    assert not await proofs.was_used(other)
    await store.put(0, "proofs", "damaged", b"")
    clock.time += LIFETIME + 1
    await proofs.sweep()
    assert not await store.documents(0, "proofs")


async def test_a_wait_that_a_wrong_clock_has_set_ends(pins: Pins, clock: SetClock) -> None:
    await pins.set(1, "135790")
    clock.time += 300_000_000
    for _ in range(2):
        assert (await refusal(pins, "000000")).reason == "wrong-pin"
    assert (await refusal(pins, "000000")).wait == WAITS[2]
    clock.time -= 300_000_000
    assert (await refusal(pins, "135790")).wait <= WAITS[2]
    clock.time += WAITS[2]
