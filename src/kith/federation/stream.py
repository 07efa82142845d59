"""An open stream to another server: writes what waits, and learns what the other server has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from kith.base.clock import Clock
from kith.base.ids import stamp_of
from kith.base.randomness import Randomness
from kith.federation.connection import Connection
from kith.federation.failures import Refused
from kith.federation.outbox import Departure
from kith.federation.queue import Queue
from kith.federation.receipts import PATIENCE, Receipts
from kith.federation.refusals import Refusals
from kith.wire import ns
from kith.wire.content import as_client
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

#: An unused stream is closed after this many seconds.
IDLE = 600.0
#: Messages that have waited for so many seconds say since when (XEP-0203).
_DELAYED = 10.0
_END = len(b"</message>")
_STANZAS = frozenset(ns.tag(ns.SERVER, name) for name in ("iq", "message", "presence"))
_ACK, _ASK = ns.tag(ns.STREAM_MANAGEMENT, "a"), ns.tag(ns.STREAM_MANAGEMENT, "r")


class Surroundings(Protocol):
    """What a stream uses besides its queue."""

    clock: Clock
    randomness: Randomness
    refusals: Refusals

    answers: Callable[[str, str, Stanza], None] | None
    """Takes what the other server sends over the stream, given both domains (XEP-0288), if it may."""


class Stream:
    """``managed``: whether stream management is enabled. ``confirmed``: called when messages have arrived."""

    def __init__(
        self,
        connection: Connection,
        domains: tuple[str, str],
        managed: bool,
        queue: Queue,
        surroundings: Surroundings,
        confirmed: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._local, self._remote = domains
        self._queue = queue
        self._clock = surroundings.clock
        self._surroundings = surroundings
        self._confirmed = confirmed
        self._receipts = Receipts(managed, self._ping)

    def answered(self, id: str) -> None:
        """The other server has answered the ping with this id."""
        self._confirm(self._receipts.answered(id, self._clock.steady()))

    async def run(self) -> None:
        """Writes what waits until the stream is unused for long.

        Raises `kith.federation.failures.Failure`, OSError, TimeoutError, `kith.ports.store.Unavailable`.
        """
        clock, queue, receipts = self._clock, self._queue, self._receipts
        reading = asyncio.ensure_future(self._read())
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # or it is logged
        try:
            while True:
                queue.news.clear()
                await queue.outbox.fill()
                data = self._next()
                if data:
                    self._connection.write(data)
                    async with asyncio.timeout(PATIENCE):
                        await self._connection.drain()
                now, deadline, due = clock.steady(), receipts.deadline, receipts.due
                if deadline is not None and now >= deadline:
                    # with stream management it is slow, and without, it may never answer
                    raise Refused("it has not confirmed what it was sent", broken=not receipts.managed)
                until = min(moment for moment in (now + IDLE, deadline, due) if moment is not None)
                if not await _either(reading, queue.news, until - now):
                    if deadline is None and due is None:
                        return
                elif reading.done():
                    reading.result()
        finally:
            reading.cancel()

    def _next(self) -> bytes:
        """What is to be written now."""
        now, receipts = self._clock.steady(), self._receipts
        parts = []
        for waiting in self._queue.take():
            if isinstance(waiting, Departure):
                self._surroundings.refusals.sent(waiting)
                parts.append(self._delayed(waiting))
                receipts.wrote(True, now)
            else:
                parts.append(waiting.data)
                receipts.wrote(False, now, self._queue.watch(waiting))
        parts.append(receipts.request(now))
        return b"".join(parts)

    def _delayed(self, departure: Departure) -> bytes:
        """A stored stanza, which says when it was sent if that is a while ago."""
        data, age = departure.stanza, self._clock.now() - (departure.id >> 20) / 1000
        if age < _DELAYED or not data.startswith(b"<message"):
            return data
        delay = f"<delay xmlns='{ns.DELAY}' from='{escape_attribute(self._local)}'"
        return data[:-_END] + f"{delay} stamp='{stamp_of(departure.id)}'/></message>".encode()

    async def _read(self) -> None:
        """Reads acknowledgements, and answers, until the stream ends. Raises Failure, OSError."""
        received, answers = 0, self._surroundings.answers
        while True:
            element = await self._connection.next()
            if not isinstance(element, Stanza):
                continue
            if element.tag == _ACK:
                h = element.attrs.get("h", "")
                self._confirm(self._receipts.acknowledged(h, self._clock.steady()))
            elif element.tag == _ASK:
                self._connection.write(f"<a xmlns='{ns.STREAM_MANAGEMENT}' h='{received}'/>".encode())
            elif answers is not None and element.tag in _STANZAS:
                received += 1
                answers(self._local, self._remote, as_client(element, ns.SERVER))

    def _ping(self) -> tuple[str, bytes]:
        id = self._surroundings.randomness.hex(16)
        attrs = {"type": "get", "id": id, "from": self._local, "to": self._remote}
        ping = Stanza.build("iq", attrs)
        ping.inner = f"<ping xmlns='{ns.PING}'/>".encode()
        return id, ping.to_bytes()

    def _confirm(self, count: int) -> None:
        if count:
            self._confirmed()
            self._queue.outbox.confirm(count)
        self._queue.news.set()


async def _either(reading: asyncio.Future[None], news: asyncio.Event, seconds: float) -> bool:
    """Waits for one of both. Returns False after ``seconds``."""
    waiting = asyncio.ensure_future(news.wait())
    try:
        done, _ = await asyncio.wait(
            (waiting, reading), timeout=max(seconds, 0), return_when="FIRST_COMPLETED"
        )
    finally:
        waiting.cancel()
    return bool(done)
