"""Deletes messages of groups when their time is over (the setting ``expire`` of a group)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from kith.client.database import Database
from kith.client.events import Event, MessageExpired
from kith.client.history import History

#: How long to sleep at most, in seconds: clocks are set, and computers sleep.
_MOST = 60.0


class GroupExpiry:
    """Works in a task of its own."""

    __slots__ = ("_db", "_history", "_now", "_publish", "_wake")

    def __init__(
        self,
        database: Database,
        history: History,
        publish: Callable[[Event], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = database
        self._history = history
        self._publish = publish
        self._now = now
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a message that may be the next to disappear."""
        self._wake.set()

    async def run(self) -> None:
        """Deletes what has to go, until it is cancelled."""
        while True:
            self._wake.clear()
            gone = self._history.take_expired(self._now())
            if gone:
                self._db.commit()
            for message in gone:
                self._publish(MessageExpired(message))
            following = self._history.next_expiry()
            wait = _MOST if following is None else min(max(following - self._now(), 0.05), _MOST)
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue
