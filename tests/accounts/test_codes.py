"""Codes over time, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.accounts.codes import LIFETIME, WAITS, Codes
from kith.accounts.errors import Refused
from kith.core.ports import SMSError
from kith.store.sqlite import SQLiteStore

NUMBER = "+491701234567"


class Phone:
    """Where messages arrive; ``broken``: where they do not."""

    broken = False
    code = ""

    async def send(self, number: str, text: str) -> None:
        if self.broken:
            raise SMSError("broken", 7.0)
        self.code = text[:6]

    async def close(self) -> None: ...


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def phone() -> Phone:
    return Phone()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def codes(store: SQLiteStore, phone: Phone, clock: Clock) -> Codes:
    return Codes(store, phone, b"secret", "example.org", 1000, clock)


async def refusal(codes: Codes, code: str | None = None) -> Refused:
    asked = codes.send(NUMBER, "192.0.2.1") if code is None else codes.check(NUMBER, code, "192.0.2.1")
    with pytest.raises(Refused) as error:
        await asked
    return error.value


async def test_a_code_lives_ten_minutes(codes: Codes, phone: Phone, clock: Clock) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    clock.now += LIFETIME - 1
    await codes.check(NUMBER, phone.code, "192.0.2.1")
    clock.now += 86400
    await codes.send(NUMBER, "192.0.2.1")
    clock.now += LIFETIME
    assert (await refusal(codes, phone.code)).reason == "expired-code"


async def test_a_newer_code_ends_the_older_one(codes: Codes, phone: Phone, clock: Clock) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    older = phone.code
    clock.now += WAITS[0]
    await codes.send(NUMBER, "192.0.2.1")
    if older != phone.code:
        assert (await refusal(codes, older)).reason == "wrong-code"
    await codes.check(NUMBER, phone.code, "192.0.2.1")


async def test_waits_for_the_next_code_grow_until_a_day_is_over(
    codes: Codes, phone: Phone, clock: Clock
) -> None:
    for wait in WAITS:
        assert await codes.send(NUMBER, "192.0.2.1") == wait
        clock.now += wait - 1
        assert (await refusal(codes)).wait == 1
        clock.now += 1
    wait = await codes.send(NUMBER, "192.0.2.1")
    assert wait == 86400 - sum(WAITS)
    clock.now += wait - 1
    assert (await refusal(codes)).reason == "too-many"
    clock.now += 1
    assert await codes.send(NUMBER, "192.0.2.1") > 0


async def test_a_message_that_was_not_sent_need_not_be_waited_for(codes: Codes, phone: Phone) -> None:
    phone.broken = True
    failed = await refusal(codes)
    assert (failed.reason, failed.wait) == ("unavailable", 7.0)
    phone.broken = False
    await codes.send(NUMBER, "192.0.2.1")
    await codes.check(NUMBER, phone.code, "192.0.2.1")


async def test_numbers_are_forgotten_after_a_day(
    codes: Codes, store: SQLiteStore, phone: Phone, clock: Clock
) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    clock.now += 86399
    await codes.sweep()
    assert len(await store.documents(0, "codes")) == 1
    clock.now += 1
    await codes.sweep()
    assert not await store.documents(0, "codes")


async def test_many_wrong_codes_from_one_address_end_its_tries(
    codes: Codes, phone: Phone, clock: Clock
) -> None:
    reasons = []
    for count in range(8):
        number = f"+49170123456{count}"
        await codes.send(number, f"192.0.2.{count}")
        for _ in range(5):
            with pytest.raises(Refused) as error:
                await codes.check(number, "x" * 6, "192.0.2.99")
            reasons.append(error.value.reason)
    assert reasons == ["wrong-code"] * 30 + ["too-many"] * 10
