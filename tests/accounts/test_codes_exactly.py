"""Codes to the last second, and as they are kept: what a database of before holds is understood."""

from __future__ import annotations

import asyncio
import hmac
from random import Random

import msgspec
import pytest
from structlog.testing import capture_logs

from kith.accounts.codes import LIFETIME, TRIES, TRIES_IN_ALL, USED_PER_DAY, WAITS, Codes, text
from kith.accounts.errors import Refused
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.config import Config
from kith.ports.store import Document
from kith.store.sqlite import SQLiteStore
from tests.accounts.test_codes import NUMBER, Phone, clock, codes, make, numbers, phone, refusal, store
from tests.clocks import SetClock

__all__ = ["clock", "codes", "phone", "store"]

HERE = "192.0.2.1"
DAY, HOUR = 86400.0, 3600.0


def keyed(*parts: str) -> bytes:
    return hmac.digest(Secret(b"secret").key("codes"), "\0".join(parts).encode(), "sha256")


async def kept(store: SQLiteStore) -> Document:
    (document,) = await store.documents(0, "codes")
    return document


def test_the_bounds_are_those_that_are_promised() -> None:
    """docs/security.md names them."""
    assert (LIFETIME, TRIES, TRIES_IN_ALL, USED_PER_DAY) == (600.0, 5, 25, 20)
    assert WAITS == (60.0, 120.0, 600.0, 3600.0)


async def test_what_is_kept_of_a_number_stays_as_it_was(
    codes: Codes, store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    now = clock.time
    await codes.send(NUMBER, HERE)
    document = await kept(store)
    assert document.key == keyed("number", NUMBER).hex()[:32]
    code = keyed("code", NUMBER, phone.code)
    assert msgspec.msgpack.decode(document.value) == [code, now, 25, [now], {}, []]
    assert (await refusal(codes, "x" * 6)).left == 4
    tried = {keyed("tried", HERE)[:8]: 1}
    assert msgspec.msgpack.decode((await kept(store)).value) == [
        code,
        now,
        24,
        [now],
        tried,
        [],
    ]
    await codes.check(NUMBER, phone.code, HERE)
    tried = {keyed("tried", HERE)[:8]: 2}
    assert msgspec.msgpack.decode((await kept(store)).value) == [b"", now, 23, [], tried, [now]]


async def test_a_code_has_six_digits_each_as_likely_as_the_others(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    class Known(Randomness):
        def below(self, limit: int) -> int:
            assert limit == 1_000_000
            return 7

    codes = Codes(
        Config(), Domain("example.org"), Secret(b"secret"), clock, Known(Random(1)), store, phone, Figures()
    )
    await codes.send(NUMBER, HERE)
    assert phone.code == "000007"
    await codes.check(NUMBER, "000007", HERE)


def test_a_message_says_what_it_is_and_lets_a_browser_fill_it_in() -> None:
    assert text("123456", "example.org") == (
        "123456 is your Kith code. Do not share it.\n\n@example.org #123456"
    )


async def test_a_code_ends_after_ten_minutes_and_not_before(
    codes: Codes, phone: Phone, clock: SetClock
) -> None:
    await codes.send(NUMBER, HERE)
    clock.time += 599.9
    assert (await refusal(codes, "x" * 6)).reason == "wrong-code"
    clock.time += 0.1
    assert (await refusal(codes, phone.code)).reason == "expired-code"


async def test_a_message_says_whose_code_it_is(store: SQLiteStore, clock: SetClock) -> None:
    sent = []

    class Reading(Phone):
        async def send(self, number: str, text: str) -> None:
            sent.append((number, text))

    await make(store, Reading(), clock, 10).send(NUMBER, HERE)
    ((number, message),) = sent
    assert (number, message) == (NUMBER, text(message[:6], "example.org"))


class Busy(Phone):
    """A gateway that takes its time."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.waiting = 0

    async def send(self, number: str, text: str) -> None:
        self.waiting += 1
        await self.free.wait()
        await super().send(number, text)


async def test_sixty_four_messages_may_be_on_their_way_and_no_more(
    store: SQLiteStore, clock: SetClock
) -> None:
    busy = Busy()
    codes = make(store, busy, clock, 1000)
    for _ in range(2):  # those that have gone make room
        busy.free.clear()
        busy.waiting = 0
        sending = [
            asyncio.create_task(codes.send(number, f"10.1.{index}.{int(clock.time) % 250}"))
            for index, number in enumerate(numbers(64))
        ]
        while busy.waiting < 64:
            await asyncio.sleep(0.01)
        with pytest.raises(Refused) as refused:
            await codes.send(NUMBER, HERE)
        assert (refused.value.reason, refused.value.wait) == ("unavailable", 5.0)
        busy.free.set()
        await asyncio.gather(*sending)
        await codes.send(NUMBER, HERE)
        clock.time += DAY + 1


async def test_a_refused_message_counts_neither_for_its_address_nor_for_all(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    codes = make(store, phone, clock, 10)
    await codes.send(NUMBER, HERE)
    for _ in range(30):
        assert (await refusal(codes)).reason == "too-many"
    for number in numbers(9):
        await codes.send(number, "192.0.2.2")
    clock.forward(HOUR - 100)
    for number in numbers(30)[10:]:  # nothing is left for all of them
        with pytest.raises(Refused):
            await codes.send(number, HERE)
    clock.forward(200)
    for number in numbers(40)[30:39]:
        await codes.send(number, HERE)


async def test_sends_of_a_clock_that_was_an_hour_ahead_are_no_reason_to_wait(
    codes: Codes, phone: Phone, clock: SetClock
) -> None:
    clock.time += HOUR
    await codes.send(NUMBER, HERE)
    clock.time -= HOUR
    await codes.send(NUMBER, HERE)


async def test_used_codes_count_for_a_day(codes: Codes, phone: Phone, clock: SetClock) -> None:
    began = clock.time
    for number in range(USED_PER_DAY):
        await codes.send(NUMBER, f"10.0.0.{number}")
        await codes.check(NUMBER, phone.code, f"10.0.0.{number}")
        clock.time += 1
    with pytest.raises(Refused) as refused:
        await codes.send(NUMBER, "10.0.1.1")
    assert refused.value.wait == began + DAY - clock.time
    clock.time = began + DAY - 0.5
    with pytest.raises(Refused):
        await codes.send(NUMBER, "10.0.1.1")
    clock.time = began + DAY
    await codes.send(NUMBER, "10.0.1.1")


async def test_a_gateway_that_fails_is_told_of_and_leaves_no_code(
    store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    figures = Figures()
    codes = make(store, phone, clock, 1000, figures)
    await codes.send(NUMBER, HERE)
    await codes.check(NUMBER, phone.code, HERE)
    used, clock.time = clock.time, clock.time + 5
    phone.broken = True
    with capture_logs() as lines:
        for _ in range(2):
            refused = await refusal(codes)
            assert (refused.reason, refused.wait) == ("unavailable", 7.0)
            assert str(refused) == "Text messages can't be sent at the moment. Try again soon."
    assert [(line["event"], line["log_level"], line["error"]) for line in lines] == [
        ("text message not sent", "error", "broken")
    ] * 2
    assert figures.sms["failed"] == 2
    assert msgspec.msgpack.decode((await kept(store)).value) == [b"", clock.time, 0, [], {}, [used]]


async def test_a_second_request_for_a_number_waits_for_the_first(codes: Codes, phone: Phone) -> None:
    results = await asyncio.gather(codes.send(NUMBER, HERE), codes.send(NUMBER, HERE), return_exceptions=True)
    (sent,) = [one for one in results if not isinstance(one, BaseException)]
    (refused,) = [one for one in results if isinstance(one, Refused)]
    assert (sent, refused.reason, refused.wait) == (60.0, "too-many", 60.0)


async def test_the_last_tries_say_how_many_are_left(codes: Codes, phone: Phone) -> None:
    await codes.send(NUMBER, HERE)
    for left in (4, 3, 2, 1):
        refused = await refusal(codes, "x" * 6)
        assert (refused.reason, refused.left, str(refused)) == ("wrong-code", left, "The code is wrong.")
    refused = await refusal(codes, "x" * 6)
    assert (refused.left, str(refused)) == (0, "The code is wrong. Request a new one.")
    refused = await refusal(codes, phone.code)
    assert refused.reason == "expired-code"


async def test_few_tries_in_all_are_what_is_left_to_each(codes: Codes) -> None:
    await codes.send(NUMBER, HERE)
    for place in range(23):
        with pytest.raises(Refused):
            await codes.check(NUMBER, "x" * 6, f"10.0.{place}.1")
    with pytest.raises(Refused) as refused:
        await codes.check(NUMBER, "x" * 6, HERE)
    assert refused.value.left == 1
    with pytest.raises(Refused) as refused:
        await codes.check(NUMBER, "x" * 6, HERE)
    assert refused.value.left == 0


async def test_right_and_expired_codes_are_no_wrong_ones(codes: Codes, phone: Phone, clock: SetClock) -> None:
    """Thirty wrong ones in an hour end an address's tries; nothing else counts for that."""
    for _ in range(40):
        assert (await refusal(codes, "x" * 6)).reason == "expired-code"
    for _ in range(20):
        await codes.send(NUMBER, HERE)
        await codes.check(NUMBER, phone.code, HERE)
        clock.forward(HOUR / 9)
    clock.forward(HOUR)
    for number in numbers(6):
        await codes.send(number, HERE)
        for _ in range(5):
            with pytest.raises(Refused) as refused:
                await codes.check(number, "x" * 6, HERE)
            assert refused.value.reason == "wrong-code"


async def test_a_store_that_fails_takes_no_try(
    codes: Codes, store: SQLiteStore, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await codes.send(NUMBER, HERE)

    async def broken(*_: object) -> None:
        raise RuntimeError("the disk")

    with monkeypatch.context() as patch:
        patch.setattr(store, "document", broken)
        for _ in range(40):
            with pytest.raises(RuntimeError, match="the disk"):
                await codes.check(NUMBER, phone.code, HERE)
        for number in numbers(20):
            with pytest.raises(RuntimeError, match="the disk"):
                await codes.send(number, HERE)
    await codes.check(NUMBER, phone.code, HERE)
    for number in numbers(9):
        await codes.send(number, HERE)


async def test_who_loses_five_races_is_told_to_try_again(
    codes: Codes, store: SQLiteStore, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await codes.send(NUMBER, HERE)
    tries = []

    async def beaten(*_: object) -> int:
        tries.append(1)
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_if", beaten)
        refused = await refusal(codes, phone.code)
    assert (refused.reason, refused.wait, len(tries)) == ("too-many", 1.0, 5)
    await codes.check(NUMBER, phone.code, HERE)


async def test_what_is_damaged_is_told_of_counts_as_none_and_is_swept_away(
    codes: Codes, store: SQLiteStore, phone: Phone, clock: SetClock
) -> None:
    await codes.send(NUMBER, HERE)
    await store.put(0, "codes", (await kept(store)).key, b"\xff")
    with capture_logs() as lines:
        refused = await refusal(codes, phone.code)
    assert refused.reason == "expired-code"
    assert str(refused) == "The code has expired, or none was sent. Request a new one."
    (line,) = lines
    assert (line["log_level"], line["space"]) == ("error", "codes")
    assert line["event"] == "a record is damaged and ignored"
    assert isinstance(line["exc_info"], msgspec.DecodeError)
    await codes.sweep()
    assert not await store.documents(0, "codes")


async def test_only_what_is_a_day_old_or_from_a_day_ahead_is_swept_away(
    codes: Codes, store: SQLiteStore, clock: SetClock
) -> None:
    began = clock.time
    for at, number in zip((0, 1, DAY, DAY + 1), numbers(4), strict=True):
        clock.time = began + at
        await codes.send(number, HERE)
    clock.time = began + 1
    await codes.sweep()
    assert len(await store.documents(0, "codes")) == 3  # the last is from a whole day ahead
    clock.time = began + DAY
    await codes.sweep()
    assert len(await store.documents(0, "codes")) == 2  # and the first is a day old
