"""PINs to the last second, and as they are kept: what a database of before holds is understood."""

from __future__ import annotations

import asyncio
import hmac

import msgspec
import pytest
from argon2 import PasswordHasher

from kith.accounts.errors import Refused
from kith.accounts.pin import ANEW_AFTER, FORGOTTEN_AFTER, SETS, WAITS, Pins
from kith.base.secret import Secret
from kith.store.sqlite import SQLiteStore
from tests.accounts.test_codes import clock, store
from tests.accounts.test_pin import pins, refusal
from tests.clocks import SetClock

__all__ = ["clock", "pins", "store"]


async def kept(store: SQLiteStore, account: int = 1) -> dict[str, object]:
    document = await store.document(account, "pin", "")
    assert document is not None
    found: dict[str, object] = msgspec.msgpack.decode(document.value)
    return found


def test_the_bounds_are_those_that_are_promised() -> None:
    """docs/security.md names them."""
    assert WAITS == (0.0, 0.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)
    assert (FORGOTTEN_AFTER, ANEW_AFTER, SETS) == (7 * 86400.0, 30 * 86400.0, 20)


async def test_what_is_kept_of_a_pin_stays_as_it_was(pins: Pins, store: SQLiteStore, clock: SetClock) -> None:
    await pins.set(1, "123456")
    stored = await kept(store)
    peppered = hmac.digest(Secret(b"secret").key("pins"), b"1\x00123456", "sha256")
    assert PasswordHasher().verify(str(stored.pop("hash")), peppered)
    assert stored == {"made": clock.time, "wrong": 0, "until": 0.0, "generation": 0, "first": ""}


async def test_a_pin_is_known_by_when_it_was_made_and_by_a_version_of_its_own(
    pins: Pins, store: SQLiteStore, clock: SetClock
) -> None:
    assert (await pins.made(1), await pins.version(1)) == (0.0, "")
    await pins.set(1, "123456")
    assert await pins.made(1) == clock.time
    first = await pins.version(1)
    assert first == (await kept(store))["hash"]
    clock.forward(5)
    await pins.set(1, "123456")
    assert await pins.made(1) == clock.time
    assert await pins.version(1) not in ("", first)
    assert (await pins.made(2), await pins.version(2)) == (0.0, "")


async def test_a_try_counts_before_it_is_compared_and_the_right_one_ends_the_count(
    pins: Pins, store: SQLiteStore, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pins.set(1, "123456")
    made = clock.time
    for wrong in (1, 2, 3):
        clock.forward(1)
        error = await refusal(pins, "000000")
        assert (error.reason, str(error), error.wait) == (
            "wrong-pin",
            "The PIN is wrong.",
            WAITS[wrong - 1],
        )
        stored = await kept(store)
        assert (stored["made"], stored["wrong"], stored["until"]) == (
            made,
            wrong,
            clock.time + WAITS[wrong - 1],
        )
    error = await refusal(pins, "123456")
    assert (error.reason, error.wait) == ("too-many", 60.0)
    assert str(error) == "Too many wrong PINs. Try again in 60 seconds."
    assert (await kept(store))["wrong"] == 3  # one that has to wait is none
    clock.forward(60)

    async def cut(*_: object) -> bool:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(pins, "_fits", cut)
        with pytest.raises(asyncio.CancelledError):
            await pins.check(1, "123456")
    assert (await kept(store))["wrong"] == 4
    clock.forward(300)
    hash = (await kept(store))["hash"]
    await pins.check(1, "123456")
    assert await kept(store) == {
        "hash": hash,
        "made": made,
        "wrong": 0,
        "until": 0.0,
        "generation": 0,
        "first": "",
    }


async def test_twenty_new_pins_are_enough_and_then_one_in_three_minutes(pins: Pins, clock: SetClock) -> None:
    for number in range(20):
        await pins.set(1, f"{number:06}")
    with pytest.raises(Refused) as refused:
        await pins.set(1, "999999")
    assert (refused.value.reason, refused.value.wait) == ("too-many", 180)
    await pins.check(1, "000019")
    await pins.set(2, "123456")
    clock.forward(180)
    await pins.set(1, "999999")
    await pins.check(1, "999999")


async def test_who_loses_five_races_is_told_to_try_again(
    pins: Pins, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pins.set(1, "123456")
    tries = []

    async def beaten(*_: object) -> int:
        tries.append(1)
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_if", beaten)
        error = await refusal(pins, "123456")
    assert (error.reason, str(error), error.wait) == ("too-many", "Too many attempts at the same time.", 1.0)
    assert len(tries) == 5
    await pins.check(1, "123456")


async def test_a_pin_of_one_account_is_none_of_another(pins: Pins, store: SQLiteStore) -> None:
    for account in (1, 2):
        await pins.set(account, "123456")
    document = await store.document(1, "pin", "")
    assert document is not None
    await store.put(2, "pin", "", document.value)
    with pytest.raises(Refused) as refused:
        await pins.check(2, "123456")
    assert refused.value.reason == "wrong-pin"
    assert await pins.remove(1) is True
    assert await pins.remove(1) is False
    assert await pins.made(2)


async def test_hashes_are_made_one_at_a_time(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB."""
    at_once = most = 0
    hasher, one = PasswordHasher(), asyncio.get_running_loop()

    class Counting:
        def hash(self, data: bytes) -> str:
            return self._counted(hasher.hash, data)  # type: ignore[no-any-return]

        def verify(self, hash: str, data: bytes) -> bool:
            return self._counted(hasher.verify, hash, data)  # type: ignore[no-any-return]

        def _counted(self, work, *given):  # type: ignore[no-untyped-def]
            one.call_soon_threadsafe(change, 1)
            try:
                return work(*given)
            finally:
                one.call_soon_threadsafe(change, -1)

    def change(by: int) -> None:
        nonlocal at_once, most
        at_once += by
        most = max(most, at_once)

    monkeypatch.setattr(pins, "_hasher", Counting())
    await asyncio.gather(*(pins.set(account, "123456") for account in range(4)))
    await asyncio.gather(*(pins.check(account, "123456") for account in range(4)))
    assert most == 1
