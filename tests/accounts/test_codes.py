"""Codes over time, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from kith.accounts.codes import LIFETIME, USED_PER_DAY, WAITS, Codes
from kith.accounts.errors import Refused
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.config import Config
from kith.ports.sms import SMSError
from kith.store.sqlite import SQLiteStore
from tests.clocks import SetClock

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
def clock() -> SetClock:
    return SetClock(1_000_000.0)


def make(
    store: SQLiteStore, phone: Phone, clock: Clock, per_hour: int, figures: Figures | None = None
) -> Codes:
    config = Config(sms_per_hour=per_hour)
    domain, secret = Domain("example.org"), Secret(b"secret")
    return Codes(config, domain, secret, clock, Randomness(), store, phone, figures or Figures())


@pytest.fixture
def codes(store: SQLiteStore, phone: Phone, clock: SetClock) -> Codes:
    return make(store, phone, clock, 1000)


async def refusal(codes: Codes, code: str | None = None) -> Refused:
    asked = codes.send(NUMBER, "192.0.2.1") if code is None else codes.check(NUMBER, code, "192.0.2.1")
    with pytest.raises(Refused) as error:
        await asked
    return error.value


async def test_a_code_lives_ten_minutes(codes: Codes, phone: Phone, clock: SetClock) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    clock.time += LIFETIME - 1
    await codes.check(NUMBER, phone.code, "192.0.2.1")
    clock.time += 86400
    await codes.send(NUMBER, "192.0.2.1")
    clock.time += LIFETIME
    assert (await refusal(codes, phone.code)).reason == "expired-code"


async def test_a_newer_code_ends_the_older_one(codes: Codes, phone: Phone, clock: SetClock) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    older = phone.code
    clock.time += WAITS[0]
    await codes.send(NUMBER, "192.0.2.1")
    if older != phone.code:
        assert (await refusal(codes, older)).reason == "wrong-code"
    await codes.check(NUMBER, phone.code, "192.0.2.1")


async def test_waits_for_the_next_code_grow_until_a_day_is_over(
    codes: Codes, phone: Phone, clock: SetClock
) -> None:
    for wait in WAITS:
        assert await codes.send(NUMBER, "192.0.2.1") == wait
        clock.time += wait - 1
        assert (await refusal(codes)).wait == 1
        clock.time += 1
    wait = await codes.send(NUMBER, "192.0.2.1")
    assert wait == 86400 - sum(WAITS)
    clock.time += wait - 1
    assert (await refusal(codes)).reason == "too-many"
    clock.time += 1
    assert await codes.send(NUMBER, "192.0.2.1") > 0


async def test_who_has_used_a_code_need_not_wait_to_log_in_again(
    codes: Codes, phone: Phone, clock: SetClock
) -> None:
    for number in range(USED_PER_DAY):
        await codes.send(NUMBER, f"10.0.0.{number}")
        await codes.check(NUMBER, phone.code, f"10.0.0.{number}")
        clock.time += 1
    with pytest.raises(Refused) as refused:  # but not without end
        await codes.send(NUMBER, "10.0.1.1")
    assert refused.value.reason == "too-many"


async def test_a_message_that_was_not_sent_need_not_be_waited_for(codes: Codes, phone: Phone) -> None:
    phone.broken = True
    failed = await refusal(codes)
    assert (failed.reason, failed.wait) == ("unavailable", 7.0)
    phone.broken = False
    await codes.send(NUMBER, "192.0.2.1")
    await codes.check(NUMBER, phone.code, "192.0.2.1")


async def test_numbers_are_forgotten_after_a_day(
    codes: Codes, store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    clock.time += 86399
    await codes.sweep()
    assert len(await store.documents(0, "codes")) == 1
    clock.time += 1
    await codes.sweep()
    assert not await store.documents(0, "codes")


async def test_many_wrong_codes_from_one_address_end_its_tries(
    codes: Codes, phone: Phone, clock: SetClock
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


async def outcomes(*asked: Awaitable[object]) -> Counter[str]:
    """What became of requests that were made at once: ``fine``, or the reason of a refusal."""
    results = await asyncio.gather(*asked, return_exceptions=True)
    return Counter(one.reason if isinstance(one, Refused) else "fine" for one in results)


def numbers(count: int) -> list[str]:
    return [f"+4915112{index:06}" for index in range(count)]


async def test_sixty_requests_at_once_send_no_more_than_ten_one_after_the_other(codes: Codes) -> None:
    asked = [codes.send(number, "192.0.2.1") for number in numbers(60)]
    assert await outcomes(*asked) == {"fine": 10, "too-many": 50}


async def test_sixty_wrong_codes_at_once_count_as_sixty(codes: Codes) -> None:
    for index, number in enumerate(numbers(60)):
        await codes.send(number, f"192.0.2.{index}")
    asked = [codes.check(number, "x" * 6, "192.0.2.99") for number in numbers(60)]
    assert await outcomes(*asked) == {"wrong-code": 30, "too-many": 30}


async def test_sixty_requests_at_once_do_not_pass_the_limit_of_all(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    codes = make(store, phone, clock, 5)
    asked = [codes.send(number, f"192.0.2.{index}") for index, number in enumerate(numbers(60))]
    assert await outcomes(*asked) == {"fine": 5, "too-many": 55}


async def test_what_was_not_sent_does_not_count(codes: Codes, clock: SetClock) -> None:
    for _ in range(30):  # all but the first are too early
        await outcomes(codes.send(NUMBER, "192.0.2.1"))
    for number in numbers(9):
        await codes.send(number, "192.0.2.1")


async def test_the_limit_of_all_outlives_a_restart_and_ends_after_an_hour(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    def started() -> Codes:
        return make(store, phone, clock, 3)

    codes = started()
    for index, number in enumerate(numbers(3)):
        await codes.send(number, f"192.0.2.{index}")
    codes = started()
    with pytest.raises(Refused) as error:
        await codes.send(NUMBER, "192.0.2.9")
    assert (error.value.reason, 3500 < error.value.wait <= 3600) == ("too-many", True)
    clock.time += 3600
    await codes.send(NUMBER, "192.0.2.9")


async def test_messages_that_a_wrong_clock_has_counted_are_forgotten(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    codes = make(store, phone, clock, 1)
    clock.time += 300_000_000
    await codes.send(NUMBER, "192.0.2.1")
    clock.time -= 300_000_000
    codes = make(store, phone, clock, 1)
    await codes.send(NUMBER, "192.0.2.1")


async def test_what_is_over_the_limit_of_all_is_counted_for_the_operator(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    figures = Figures()
    codes = make(store, phone, clock, 2, figures)
    for index, number in enumerate(numbers(5)):
        await outcomes(codes.send(number, f"192.0.2.{index}"))
    assert figures.sms == {"sent": 2, "limited": 3}
    phone.broken = True
    clock.time += 3600
    await outcomes(codes.send(NUMBER, "192.0.2.1"))
    assert figures.sms["failed"] == 1


async def test_strangers_can_not_use_up_the_tries_of_whom_the_code_was_sent_for(
    codes: Codes, phone: Phone
) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    for stranger in ("198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"):
        for _ in range(6):  # the last two are one network, and count as one
            await outcomes(codes.check(NUMBER, "x" * 6, stranger))
    for left in (4, 3, 2, 1):
        assert (await refusal(codes, "x" * 6)).left == left
    await codes.check(NUMBER, phone.code, "192.0.2.1")


async def test_each_address_has_five_tries_even_all_at_once(codes: Codes, phone: Phone) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    asked = [codes.check(NUMBER, "x" * 6, "198.51.100.1") for _ in range(5)]
    assert await outcomes(*asked) == {"wrong-code": 5}
    assert await outcomes(codes.check(NUMBER, phone.code, "198.51.100.1")) == {"expired-code": 1}
    await codes.check(NUMBER, phone.code, "192.0.2.1")


async def test_twenty_five_wrong_codes_end_a_code_for_everybody(codes: Codes, phone: Phone) -> None:
    await codes.send(NUMBER, "192.0.2.1")
    for stranger in range(5):
        asked = [codes.check(NUMBER, "x" * 6, f"198.51.100.{stranger}") for _ in range(5)]
        assert await outcomes(*asked) == {"wrong-code": 5}
    assert (await refusal(codes, phone.code)).reason == "expired-code"


async def test_a_damaged_record_does_not_keep_the_others_from_being_cleaned(
    codes: Codes, store: SQLiteStore, clock: SetClock
) -> None:
    await store.put(0, "codes", "damaged", b"\x93nonsense")
    await codes.send(NUMBER, "192.0.2.1")
    clock.time += 86400
    await codes.sweep()
    assert not await store.documents(0, "codes")
