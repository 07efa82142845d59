"""Limits how many text messages the server sends per hour, to all people together. Survives restarts.

Messages are counted per minute of the time of day, so that the counts are still meaningful after a restart.
"""

from __future__ import annotations

import msgspec
import structlog

from kith.base.clock import Clock
from kith.config import Config
from kith.ports.store import DocumentStore

SPACE = "sms"
KEY = "sent"
_HOUR = 60
#: Seconds between two log lines about a reached limit.
_LOG_INTERVAL = 600.0
logger = structlog.get_logger("kith")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, int]).decode


class Budget:
    """At most ``sms_per_hour`` messages in any 60 minutes."""

    def __init__(self, store: DocumentStore, config: Config, clock: Clock) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._minutes: dict[int, int] | None = None  # how many were sent in which minute since 1970
        self._logged_at = float("-inf")

    async def load(self) -> None:
        """Reads what was sent before the start. Has to be awaited before `take`."""
        if self._minutes is not None:
            return
        document = await self._store.document(0, SPACE, KEY)
        try:
            kept = _decode(document.value) if document is not None else {}
        except msgspec.DecodeError as error:
            logger.error("the stored count of text messages is damaged and starts at zero", exc_info=error)
            kept = {}
        if self._minutes is None:  # another request may have read it first
            self._minutes = kept

    def take(self) -> float:
        """Counts a message. Returns 0 if it may be sent; otherwise does not count it, and returns the seconds
        to wait.
        """
        now = self._clock.now()
        minutes = self._recent(now)
        if sum(minutes.values()) >= self._config.sms_per_hour:
            self._warn(now)
            return max(1.0, (min(minutes) + _HOUR) * 60 - now)
        minute = int(now // 60)
        minutes[minute] = minutes.get(minute, 0) + 1
        self._save()
        return 0.0

    def give_back(self) -> None:
        """Uncounts a message that was not sent after all."""
        minutes = self._recent(self._clock.now())
        if minutes:
            newest = max(minutes)
            minutes[newest] -= 1
            if not minutes[newest]:
                del minutes[newest]
            self._save()

    @property
    def used(self) -> int:
        """How many messages were counted in the last hour."""
        return sum(self._recent(self._clock.now()).values())

    def _recent(self, now: float) -> dict[int, int]:
        """The counts of the last hour, without minutes in the future, which were counted by a wrong clock."""
        minute = int(now // 60)
        known = self._minutes or {}
        self._minutes = {at: count for at, count in known.items() if minute - _HOUR < at <= minute}
        return self._minutes

    def _save(self) -> None:
        self._store.put_soon(0, SPACE, KEY, _encode(self._minutes))

    def _warn(self, now: float) -> None:
        if abs(now - self._logged_at) < _LOG_INTERVAL:
            return
        self._logged_at = now
        logger.warning(
            "no more text messages in this hour",
            sms_per_hour=self._config.sms_per_hour,
            todo="find out who requests so many codes, or raise sms_per_hour",
        )
