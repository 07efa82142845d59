"""Limits of text messages by country and by cost, which hold for everybody together and survive restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kith.accounts.budget import Budget, Use
from kith.accounts.codes import Codes
from kith.accounts.errors import Refused
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.config import Config
from kith.store.sqlite import SQLiteStore
from tests.clocks import SetClock

GERMAN, FRENCH, BRITISH = "+491701234567", "+33612345678", "+447400123456"
#: A Sunday in the middle of a month.
NOON = datetime(2026, 11, 15, 12, tzinfo=UTC).timestamp()


class Nobody:
    """Accepts text messages, which go nowhere."""

    async def send(self, number: str, text: str) -> None: ...
    async def close(self) -> None: ...


class There:
    """A server's codes, which can be started again on the same database."""

    def __init__(self, store: SQLiteStore, **settings: Any) -> None:
        self.store, self.config, self.clock = store, Config(**settings), SetClock(NOON)
        self.figures = Figures()
        self._asked = 0
        self.start()

    def start(self) -> None:
        domain, secret = Domain("example.org"), Secret(b"secret")
        self.codes = Codes(
            self.config, domain, secret, self.clock, Randomness(), self.store, Nobody(), self.figures
        )

    async def ask(self, number: str) -> str:
        """Asks for a code from an address of its own. Returns ``sent``, or why not."""
        self._asked += 1
        try:
            await self.codes.send(number, f"10.0.{self._asked // 200}.{self._asked % 200}")
        except Refused as error:
            return error.reason
        return "sent"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


def germans(count: int) -> list[str]:
    return [f"+4915112{index:06}" for index in range(count)]


async def test_a_country_gets_no_more_messages_in_a_day_than_its_limit(store: SQLiteStore) -> None:
    there = There(store, sms_limits={"DE": 3, "other": 1})
    assert [await there.ask(number) for number in germans(5)] == ["sent"] * 3 + ["too-many"] * 2
    assert await there.ask(FRENCH) == "sent"
    assert await there.ask("+33612345679") == "too-many"
    assert await there.ask(BRITISH) == "sent"  # each country that is not named has a limit of its own
    there.clock.time += 86400
    assert await there.ask(GERMAN) == "sent"


async def test_a_country_with_the_limit_zero_gets_none_and_is_told_so(store: SQLiteStore) -> None:
    there = There(store, sms_limits={"DE": 10, "other": 0})
    assert await there.ask(GERMAN) == "sent"
    assert await there.ask(FRENCH) == "country-not-served"
    assert there.figures.sms_countries == {("DE", "sent"): 1, ("FR", "limited"): 1}


async def test_no_more_is_spent_in_a_month_than_the_budget(store: SQLiteStore) -> None:
    there = There(store, sms_budget=1.0, sms_prices={"DE": 0.1, "other": 0.7})
    assert await there.ask(FRENCH) == "sent"
    assert [await there.ask(number) for number in germans(4)] == ["sent"] * 3 + ["too-many"]
    there.clock.time = datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp()
    assert await there.ask(GERMAN) == "too-many"
    there.clock.time += 60
    assert await there.ask(GERMAN) == "sent"


async def test_a_budget_can_be_used_to_the_last_cent(store: SQLiteStore) -> None:
    there = There(store, sms_budget=0.3, sms_prices={"other": 0.1})
    assert [await there.ask(number) for number in germans(4)] == ["sent"] * 3 + ["too-many"]


async def test_limits_and_budget_outlive_a_restart(store: SQLiteStore) -> None:
    there = There(store, sms_limits={"DE": 2}, sms_budget=1.0, sms_prices={"DE": 0, "other": 0.5})
    assert [await there.ask(number) for number in germans(2)] == ["sent"] * 2
    assert [await there.ask(number) for number in (FRENCH, BRITISH)] == ["sent"] * 2
    there.start()
    assert await there.ask(GERMAN) == "too-many"
    assert await there.ask("+33612345679") == "too-many"


async def test_a_wrong_clock_does_not_renew_the_budget(store: SQLiteStore) -> None:
    there = There(store, sms_budget=0.1, sms_prices={"other": 0.1})
    assert await there.ask(GERMAN) == "sent"
    there.clock.time += 90 * 86400
    assert await there.ask(FRENCH) == "sent"
    there.clock.time -= 90 * 86400
    assert await there.ask(BRITISH) == "too-many"


async def test_what_was_not_sent_counts_nowhere(store: SQLiteStore) -> None:
    there = There(store, sms_limits={"DE": 2}, sms_budget=1, sms_prices={"other": 0.4})
    assert await there.ask(GERMAN) == "sent"
    for _ in range(5):  # the same number, too early
        assert await there.ask(GERMAN) == "too-many"
    uses = list(there.codes.budget.uses())
    assert uses == [Use("hour", 1, 1000), Use("DE", 1, 2), Use("month", 0.4, 1)]


async def test_the_operator_is_warned_before_a_limit_is_reached_and_when_it_is(
    store: SQLiteStore, log: list[Any]
) -> None:
    there = There(store, sms_limits={"DE": 10})
    told: list[str] = []
    there.codes.budget.alarm = told.append
    for number in germans(12):
        await there.ask(number)
    assert told == [
        "Text messages are running out: DE, a day: 8 of 10.",
        "No more text messages: DE, a day: 10 of 10.",
    ]
    warnings = [(entry["log_level"], entry["event"], entry.get("limit"), entry.get("used")) for entry in log]
    assert warnings == [
        ("warning", "text messages are running out", "DE", 8),
        ("error", "no more text messages", "DE", 10),
    ]
    assert not any("+49" in str(entry) for entry in log)


async def test_limits_that_were_raised_hold_at_once(store: SQLiteStore) -> None:
    there = There(store, sms_limits={"DE": 1})
    assert [await there.ask(number) for number in germans(2)] == ["sent", "too-many"]
    there.config.take_over(Config(sms_limits={"DE": 2}))
    assert await there.ask(GERMAN) == "sent"


async def test_damaged_counts_start_at_zero_and_are_told(store: SQLiteStore, log: list[Any]) -> None:
    await store.put(0, "sms", "countries", b"\x93nonsense")
    there = There(store, sms_limits={"DE": 1})
    assert await there.ask(GERMAN) == "sent"
    assert log[0]["event"] == "a stored count of text messages is damaged and starts at zero"


async def test_counts_of_an_earlier_version_still_hold(store: SQLiteStore) -> None:
    """Which counted by minute only."""
    before = Budget(store, Config(), SetClock(NOON))
    await before.load()
    before.take("DE")
    await store.remove(0, "sms", "countries")
    there = There(store, sms_per_hour=1)
    assert await there.ask(GERMAN) == "too-many"
