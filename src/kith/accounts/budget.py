"""Limits how many text messages the server sends: per hour, per country and day, and by cost per month.

Who makes a server send codes to expensive numbers earns from it (SMS pumping), so the limits hold for all
people together. All counts survive a restart. They are kept by the time of day, so that they are still
meaningful then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from kith.base.clock import Clock
from kith.config import Config
from kith.config.sms_rules import OTHER
from kith.ports.store import DocumentStore

SPACE = "sms"
#: The documents: messages by minute, by country and hour, and the cost of each month.
SENT, COUNTRIES, SPENT = "sent", "countries", "spent"
#: What is in the hour's window, in minutes, and in the day's, in hours.
_MINUTES, _HOURS = 60, 24
#: How many months are kept, more than one because the clock may be wrong for a while.
_MONTHS = 12
#: The share of a limit from which a warning is logged, and the seconds between two log lines about a limit.
ALARM = 0.8
_LOG_INTERVAL = 600.0
#: The names of limits for people; others are countries.
_LIMITS = {"hour": "everybody, an hour", "month": "the budget of the month"}
logger = structlog.get_logger("kith")
_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode
_decode_minutes = msgspec.msgpack.Decoder(dict[int, int]).decode
_decode_countries = msgspec.msgpack.Decoder(dict[str, dict[int, int]]).decode
_decode_spent = msgspec.msgpack.Decoder(dict[str, float]).decode


class Use(NamedTuple):
    """How much of a limit is used. ``name``: ``hour``, ``month``, or the two letters of a country."""

    name: str
    used: float
    limit: float


class Budget:
    """The limits ``sms_per_hour``, ``sms_limits`` and ``sms_budget``, and what was counted against them."""

    def __init__(self, store: DocumentStore, config: Config, clock: Clock) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._loaded = False
        self._minutes: dict[int, int] = {}  # how many were sent in which minute since 1970
        self._countries: dict[str, dict[int, int]] = {}  # the same by country, and by hour
        self._spent: dict[str, float] = {}  # the cost of the messages of a month, like 2026-11 (UTC)
        self._logged: dict[tuple[str, str], float] = {}
        #: Told, in a sentence, when a limit is nearly or wholly used up, besides the log.
        self.alarm: Callable[[str], None] = lambda text: None

    async def load(self) -> None:
        """Reads what was sent before the start. Has to be awaited before `take`."""
        if self._loaded:
            return
        minutes = await self._read(SENT, _decode_minutes)
        countries = await self._read(COUNTRIES, _decode_countries)
        spent = await self._read(SPENT, _decode_spent)
        if not self._loaded:  # another request may have read it first
            self._loaded = True
            self._minutes, self._countries, self._spent = minutes or {}, countries or {}, spent or {}

    async def _read(self, key: str, decode: Callable[[bytes], _T]) -> _T | None:
        document = await self._store.document(0, SPACE, key)
        try:
            return decode(document.value) if document is not None else None
        except msgspec.DecodeError as error:
            logger.error("a stored count of text messages is damaged and starts at zero", exc_info=error)
            return None

    def take(self, country: str) -> float:
        """Counts a message to a country (ISO 3166-1). Returns 0 if it may be sent.

        Otherwise does not count it, and returns the seconds to wait: `math.inf` if the country gets none.
        """
        now = self._clock.now()
        self._forget(now)
        if self._limit(country) == 0:
            return math.inf
        wait = self._wait(country, now)
        if not wait:
            self._add(country, now, 1)
            self._look(country, now)
        return wait

    def give_back(self, country: str) -> None:
        """Uncounts a message that was not sent after all."""
        now = self._clock.now()
        self._forget(now)
        self._add(country, now, -1)

    def uses(self) -> Iterator[Use]:
        """How much of each limit is used now."""
        self._forget(self._clock.now())
        yield Use("hour", sum(self._minutes.values()), self._config.sms_per_hour)
        for country in sorted({*self._countries, *self._config.sms_limits} - {OTHER}):
            if (limit := self._limit(country)) is not None:
                yield Use(country, sum(self._countries.get(country, {}).values()), limit)
        if self._config.sms_budget:
            yield Use("month", self._spent.get(_month(self._clock.now()), 0.0), self._config.sms_budget)

    def _wait(self, country: str, now: float) -> float:
        """The seconds until a message to a country may be sent. Logs which limit is reached."""
        if sum(self._minutes.values()) >= self._config.sms_per_hour:
            self._warn("hour", now, "find out who requests so many codes, or raise sms_per_hour")
            return max(1.0, (min(self._minutes) + _MINUTES) * 60 - now)
        hours, limit = self._countries.get(country, {}), self._limit(country)
        if limit is not None and sum(hours.values()) >= limit:
            self._warn(country, now, "find out who requests so many codes there, or raise sms_limits")
            return max(1.0, (min(hours) + _HOURS) * 3600 - now)
        spent = self._spent.get(_month(now), 0.0) + self._price(country)
        # sums of decimal fractions are not exact
        if self._config.sms_budget and spent > self._config.sms_budget * (1 + 1e-9):
            self._warn("month", now, "raise sms_budget, or wait for the next month")
            return max(1.0, _next_month(now) - now)
        return 0.0

    def _limit(self, country: str) -> int | None:
        """The messages that a country may get per day; None for any number."""
        limits = self._config.sms_limits
        return limits.get(country, limits.get(OTHER))

    def _price(self, country: str) -> float:
        prices = self._config.sms_prices
        return prices.get(country, prices.get(OTHER, 0.0))

    def _add(self, country: str, now: float, count: int) -> None:
        _bump(self._minutes, int(now // 60), count)
        _bump(self._countries.setdefault(country, {}), int(now // 3600), count)
        month = _month(now)
        self._spent[month] = max(0.0, self._spent.get(month, 0.0) + count * self._price(country))
        self._store.put_soon(0, SPACE, SENT, _encode(self._minutes))
        self._store.put_soon(0, SPACE, COUNTRIES, _encode(self._countries))
        if self._config.sms_prices:
            self._store.put_soon(0, SPACE, SPENT, _encode(self._spent))

    def _forget(self, now: float) -> None:
        """Drops counts before the windows, and those in the future, which were counted by a wrong clock."""
        self._minutes = _within(self._minutes, int(now // 60), _MINUTES)
        hour = int(now // 3600)
        kept = {country: _within(hours, hour, _HOURS) for country, hours in self._countries.items()}
        self._countries = {country: hours for country, hours in kept.items() if hours}
        self._spent = dict(sorted(self._spent.items())[-_MONTHS:])

    def _look(self, country: str, now: float) -> None:
        """Warns about the limits that are nearly used up."""
        for use in self.uses():
            if use.name in ("hour", "month", country) and use.limit and use.used >= ALARM * use.limit:
                self._log("text messages are running out", use, now, logger.warning)

    def _warn(self, name: str, now: float, todo: str) -> None:
        use = next(use for use in self.uses() if use.name == name)
        self._log("no more text messages", use, now, logger.error, todo=todo)

    def _log(self, event: str, use: Use, now: float, log: Callable[..., object], **more: str) -> None:
        if abs(now - self._logged.get((event, use.name), float("-inf"))) >= _LOG_INTERVAL:
            self._logged[event, use.name] = now
            share = f"{use.used:g} of {use.limit:g}"
            self.alarm(f"{event.capitalize()}: {_LIMITS.get(use.name, f'{use.name}, a day')}: {share}.")
            log(event, limit=use.name, used=round(use.used, 2), of=use.limit, **more)


def _bump(counts: dict[int, int], key: int, count: int) -> None:
    """Adds to a count. What is subtracted comes from the newest count if the one of ``key`` is gone."""
    if count < 0 and key not in counts:
        if not counts:
            return
        key = max(counts)
    counts[key] = counts.get(key, 0) + count
    if not counts[key]:
        del counts[key]


def _within(counts: Mapping[int, int], present: int, size: int) -> dict[int, int]:
    """The counts of the last ``size`` units of time, of which ``present`` is the current one."""
    return {at: count for at, count in counts.items() if present - size < at <= present}


def _month(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m}"


def _next_month(now: float) -> float:
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1).timestamp()
