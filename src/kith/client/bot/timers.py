"""Timers that outlive the program: a table of what is due, and the task that waits for the next."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kith.client.database import Database

_LONGEST_WAIT = 3600.0  # seconds; then the clock is asked again, in case it was set


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer that has run out. ``peer`` may be empty. ``due`` and ``every`` are seconds, since 1970."""

    id: int
    name: str
    peer: str
    data: Any
    due: float
    every: float | None
    attempts: int

    @property
    def due_time(self) -> datetime:
        """When it was due, in UTC."""
        return datetime.fromtimestamp(self.due, UTC)


class Timers:
    """The table of timers. Methods that write commit. ``now()`` returns seconds since 1970."""

    __slots__ = ("_changed", "_db", "_now", "_running")

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._now = now
        self._changed = asyncio.Event()
        self._running: set[int] = set()

    def start(self, name: str, peer: str, data: Any, due: float, every: float | None) -> None:
        """Starts a timer, in place of the one with the same name and peer."""
        self._db.sql.execute("DELETE FROM bot_timers WHERE name = ? AND peer = ?", (name, peer))
        self._db.sql.execute(
            "INSERT INTO bot_timers (name, peer, data, due, every) VALUES (?, ?, ?, ?, ?)",
            (name, peer, json.dumps(data), due, every),
        )
        self._db.commit()
        self._changed.set()

    def cancel(self, name: str, peer: str) -> bool:
        """Ends a timer. Returns whether there was one."""
        found = self._db.sql.execute("DELETE FROM bot_timers WHERE name = ? AND peer = ?", (name, peer))
        self._db.commit()
        return found.rowcount > 0

    def attempt(self, timer: DueTimer) -> int:
        """Counts an attempt to handle a timer, so that one that ends the program does not do so for ever."""
        row = self._db.sql.execute(
            "UPDATE bot_timers SET attempts = attempts + 1 WHERE id = ? RETURNING attempts", (timer.id,)
        ).fetchone()
        self._db.commit()
        return 0 if row is None else int(row[0])

    def unattempt(self, timer: DueTimer) -> None:
        """The bot stopped while the timer was handled: that says nothing against the timer."""
        self._db.sql.execute("UPDATE bot_timers SET attempts = attempts - 1 WHERE id = ?", (timer.id,))
        self._db.commit()
        self._running.discard(timer.id)

    def done(self, timer: DueTimer) -> None:
        """A timer was handled: it ends, or is due again at the next of its times that is not past.

        The caller commits.
        """
        if timer.every is None:
            self._db.sql.execute("DELETE FROM bot_timers WHERE id = ?", (timer.id,))
        else:
            missed = max(0.0, self._now() - timer.due) // timer.every
            self._db.sql.execute(
                "UPDATE bot_timers SET due = ?, attempts = 0 WHERE id = ?",
                (timer.due + (missed + 1) * timer.every, timer.id),
            )
        self._running.discard(timer.id)
        self._changed.set()

    async def run(self, put: Callable[[DueTimer], None]) -> None:
        """Calls ``put`` with each timer that has run out, until it is cancelled."""
        while True:
            self._changed.clear()
            now = self._now()
            for row in self._db.sql.execute(
                "SELECT id, name, peer, data, due, every, attempts FROM bot_timers"
                " WHERE due <= ? ORDER BY due",
                (now,),
            ).fetchall():
                if row[0] not in self._running:
                    self._running.add(row[0])
                    put(DueTimer(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5], row[6]))
            (due,) = self._db.sql.execute("SELECT min(due) FROM bot_timers WHERE due > ?", (now,)).fetchone()
            wait = _LONGEST_WAIT if due is None else min(max(due - self._now(), 0.0), _LONGEST_WAIT)
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass


def seconds(duration: float | timedelta) -> float:
    """A duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
