"""The way from one domain here to one domain elsewhere: a stream when needed, and what waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from kith.base.clock import Clock
from kith.base.ids import first_at, stamp_of
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.routing.post import Post
from kith.federation.connection import Connection
from kith.federation.failures import Ended, Failure, Refused, describe, returned
from kith.federation.outbox import Departure, DomainOutbox
from kith.federation.receipts import PATIENCE, Receipts
from kith.federation.refusals import Refusals
from kith.federation.unstored import Unstored, Waiting
from kith.federation.watched import Watched
from kith.ports.store import Unavailable
from kith.wire import ns
from kith.wire.content import as_client
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

#: An unused stream is closed after this many seconds.
IDLE = 600.0
#: How many seconds to wait after a failed attempt, half of it at random: at first, and at most. It is doubled
#: each time.
_RETRY, _RETRY_MOST = 1.0, 300.0
#: After this many seconds, something new to be sent is a reason for an earlier attempt.
_RETRY_SOONER = 10.0
#: For how many seconds a permanent failure is the answer to all.
_REMEMBERED = 10.0
#: For how many seconds messages wait for a server of which nothing says that it exists.
DOUBTFUL_PATIENCE = 600.0
#: A stream that has lived for so long, in seconds, was not a failure, whatever it ended with.
_LIVED = 10.0
#: After so many streams that the other server has ended, or left without an answer, before any message was
#: confirmed, messages are sent one by one; after more, the first one is returned.
_ONE_BY_ONE, _GIVEN_UP = 2, 4
#: Messages that have waited for so many seconds say since when (XEP-0203).
_DELAYED = 10.0
_END = len(b"</message>")
_STANZAS = frozenset(ns.tag(ns.SERVER, name) for name in ("iq", "message", "presence"))
_ACK, _ASK = ns.tag(ns.STREAM_MANAGEMENT, "a"), ns.tag(ns.STREAM_MANAGEMENT, "r")
logger = structlog.get_logger("kith")


class Opener(Protocol):
    """The interface of the object that has all links (`kith.federation.outgoing`), for one of them."""

    clock: Clock
    tasks: Tasks
    randomness: Randomness
    post: Post
    refusals: Refusals
    streams: int
    failures: int
    patience: float
    """For how many seconds messages wait for a server that is not reached."""

    async def open(self, local: str, remote: str) -> tuple[Connection, bool]:
        """Opens a stream and authenticates. Returns it, and whether stream management is enabled.

        Raises Failure.
        """

    answers: Callable[[str, str, Stanza], None] | None
    """Takes what the other server sends over the stream, given both domains (XEP-0288), if it may."""

    def wants(self, remote: str) -> bool:
        """Whether anybody here is interested in the presence of contacts at a domain."""

    async def refresh(self, remote: str) -> None:
        """The domain is reached again: brings presence up to date in both directions."""


class Link:
    """``outbox``: the messages for the domain that are stored until it has them."""

    def __init__(self, opener: Opener, local: str, remote: str, outbox: DomainOutbox) -> None:
        self._opener = opener
        self.local = local
        self.remote = remote
        self.outbox = outbox
        self._unstored = Unstored(remote, opener.clock, opener.tasks, opener.post, self._problem)
        self._watched = Watched()
        self._newest = 0  # the id of the last message
        self._coming = 0  # subscription requests that are being stored; presence may not overtake them
        self._news = asyncio.Event()  # something is to be written, or was confirmed
        self._attempt = asyncio.Event()  # an attempt may be made before its time
        self._running = False
        self._expiring = False
        self._failures = 0
        self._ended_at = float("-inf")  # the last attempt
        self._failure: Failure | None = None  # of the last attempt
        self._reached = False  # whether there was ever a stream
        self._broken = 0
        self._stale = False  # whether presence may be out of date, since a stream was lost
        self._receipts: Receipts | None = None  # of the open stream

    @property
    def waiting(self) -> int:
        """How many stanzas wait that are not stored."""
        return len(self._unstored)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

    def send(self, stanza: Stanza, sender: JID, settled: Callable[[], None] | None = None) -> None:
        """Takes a stanza that is not stored. ``settled``: see `kith.federation.unstored.Waiting`.

        Raises StanzaError if too much waits, or the server was just found not to exist.
        """
        if self._failure is not None and self._is_remembered(self._failure):
            raise returned(self.remote, self._failure)
        self._unstored.add(stanza, sender, self._newest, settled)
        self._wake(self._opener.clock.steady())

    def expect(self, id: int) -> None:
        """A subscription request is being stored; what comes after it is not sent before it.

        `arrived` has to follow.
        """
        self._newest = id
        self._coming += 1

    def arrived(self) -> None:
        """The request of `expect` has been taken, or could not be stored."""
        self._coming -= 1
        self._news.set()

    def depart(self, departure: Departure) -> None:
        """Takes a message that has become durable in the outbox of its sender."""
        self._newest = departure.id
        self.outbox.add(departure)
        self._wake(self._opener.clock.steady())

    def resume(self) -> None:
        """Continues with messages that are in the outbox already."""
        self.outbox.behind = True
        self._wake(self._opener.clock.steady())

    def heard(self) -> None:
        """The other server has reached us: it is up, so an attempt is worth while now."""
        if self._receipts is None and self._running:
            self._attempt.set()

    def answered(self, id: str) -> None:
        """The other server has answered the ping with this id."""
        if self._receipts is not None:
            self._confirm(self._receipts.answered(id, self._opener.clock.steady()))

    def _wake(self, now: float) -> None:
        self._news.set()
        if not self._running:
            self._running = True
            self._opener.tasks.spawn(self._run())
        elif now > self._ended_at + _RETRY_SOONER:
            self._attempt.set()

    # -- attempts ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._unstored or not self.outbox.empty or self._stale:
                await self._wait_for_turn()
                failure = await self._try()
                self._ended_at, self._failure = self._opener.clock.steady(), failure
                if failure is not None:
                    await self._failed(failure)
                if self._stale and not self._opener.wants(self.remote):
                    self._stale = False
        finally:
            self._running = False

    async def _wait_for_turn(self) -> None:
        """Waits before the next attempt, longer after each failure, unless there is a reason not to."""
        if self._failure is not None and self._is_remembered(self._failure):
            wait = _REMEMBERED
        elif self._failures:
            most = min(_RETRY * 2 ** (self._failures - 1), _RETRY_MOST)
            wait = most * (0.5 + self._opener.randomness.uniform(0, 0.5))
        else:
            return
        wait -= self._opener.clock.steady() - self._ended_at
        self._attempt.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(wait, 0)):
                await self._attempt.wait()

    def _problem(self) -> StanzaError:
        """The error for a stanza that was not sent in time."""
        return returned(self.remote, self._failure or Refused("it does not answer"))

    def _is_remembered(self, failure: Failure) -> bool:
        return failure.permanent and self._opener.clock.steady() < self._ended_at + _REMEMBERED

    async def _try(self) -> Failure | None:
        """Opens a stream, and uses it until it ends. Returns why it is to be tried again, if it failed."""
        opener = self._opener
        connection: Connection | None = None
        began = float("inf")
        try:
            connection, managed = await opener.open(self.local, self.remote)
            began = opener.clock.steady()
            self._reached = True
            self._receipts = Receipts(managed, self._ping)
            self.outbox.begin()
            opener.streams += 1
            try:
                if self._stale:
                    self._stale = False
                    opener.tasks.spawn(opener.refresh(self.remote))
                await self._pump(connection, self._receipts)
            finally:
                opener.streams -= 1
        except Failure as error:
            failure: Failure | None = error
            if isinstance(error, Ended) and began < float("inf") and not self.outbox.unconfirmed:
                failure = None  # it was not used any more
        except OSError as error:
            failure = Refused(describe(error))
        except Unavailable as error:
            failure = Refused(f"the store can't be read: {error}")
        else:
            failure = None
        finally:
            if connection is not None:
                connection.close()
            self._receipts = None
            self._unstored.put_back(self._watched.take())
            first = self.outbox.end()
        if failure is None:
            self._failures = 0
            return None
        if began + _LIVED < opener.clock.steady():
            self._failures = 0
        if began < float("inf"):
            self._stale = True
            if first and isinstance(failure, Refused) and failure.broken:
                self._broken += 1
                await self._give_up(failure, first)
        return failure

    async def _failed(self, failure: Failure) -> None:
        """Returns what can't wait for another attempt."""
        self._failures += 1
        self._opener.failures += 1
        logger.warning("no way to another server", domain=self.remote, reason=str(failure))
        try:
            if failure.permanent:
                await self.outbox.bounce(returned(self.remote, failure))
                self._unstored.return_all(returned(self.remote, failure))
                self._stale = False
            elif failure.doubtful and not self._reached:
                await self._bounce_older(DOUBTFUL_PATIENCE, returned(self.remote, failure))
            await self._bounce_older(
                self._opener.patience, returned(self.remote, failure, _hours(self._opener.patience))
            )
        except Unavailable as error:
            self._opener.tasks.failed("messages could not be returned to their senders", error)

    async def _bounce_older(self, seconds: float, error: StanzaError) -> None:
        before = first_at(datetime.fromtimestamp(self._opener.clock.now() - seconds, UTC))
        if not self.outbox.empty and (count := await self.outbox.bounce(error, before)):
            logger.warning("messages returned to their senders", domain=self.remote, count=count)

    async def _give_up(self, failure: Failure, id: int) -> None:
        """Returns the message with this id if the other server has ended several streams after it.

        Those behind it would never get through.
        """
        if self._broken < _GIVEN_UP:
            return
        self._broken = _ONE_BY_ONE
        text = f"{self.remote} has not confirmed the message: {failure}"
        with contextlib.suppress(Unavailable):
            await self.outbox.bounce(StanzaError("remote-server-timeout", text, type="wait"), id + 1)

    # -- an open stream ----------------------------------------------------------------------------

    def _ping(self) -> tuple[str, bytes]:
        id = self._opener.randomness.hex(16)
        attrs = {"type": "get", "id": id, "from": self.local, "to": self.remote}
        ping = Stanza.build("iq", attrs)
        ping.inner = f"<ping xmlns='{ns.PING}'/>".encode()
        return id, ping.to_bytes()

    def _confirm(self, count: int) -> None:
        if count:
            self._broken = self._failures = 0
            self.outbox.confirm(count)
        self._news.set()

    async def _pump(self, connection: Connection, receipts: Receipts) -> None:
        """Writes what waits until the stream is unused for long. Raises Failure, OSError, TimeoutError."""
        clock = self._opener.clock
        reading = asyncio.ensure_future(self._read(connection, receipts))
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # or it is logged
        try:
            while True:
                self._news.clear()
                await self.outbox.fill()
                data = self._next(receipts)
                if data:
                    connection.write(data)
                    async with asyncio.timeout(PATIENCE):
                        await connection.drain()
                now, deadline, due = clock.steady(), receipts.deadline, receipts.due
                if deadline is not None and now >= deadline:
                    # with stream management it is slow, and without, it may never answer
                    raise Refused("it has not confirmed what it was sent", broken=not receipts.managed)
                until = min(moment for moment in (now + IDLE, deadline, due) if moment is not None)
                if not await _either(reading, self._news, until - now):
                    if deadline is None and due is None:
                        return
                elif reading.done():
                    reading.result()
        finally:
            reading.cancel()

    def _next(self, receipts: Receipts) -> bytes:
        """What is to be written now."""
        now = self._opener.clock.steady()
        parts = []
        messages = deque(self.outbox.take(one_by_one=self._broken >= _ONE_BY_ONE))
        others: deque[Waiting] = deque() if self._coming else self._unstored.take()
        while messages or others:
            if messages and (not others or messages[0].id <= others[0].after):
                self._opener.refusals.sent(messages[0])
                parts.append(self._delayed(messages.popleft()))
                receipts.wrote(True, now)
            else:
                other = others.popleft()
                parts.append(other.data)
                receipts.wrote(False, now, self._watched.add(other))
        parts.append(receipts.request(now))
        if self.outbox.unsent and self._broken < _ONE_BY_ONE:
            self._news.set()  # the rest follows
        return b"".join(parts)

    def _delayed(self, departure: Departure) -> bytes:
        """A stored stanza, which says when it was sent if that is a while ago."""
        data, age = departure.stanza, self._opener.clock.now() - (departure.id >> 20) / 1000
        if age < _DELAYED or not data.startswith(b"<message"):
            return data
        delay = f"<delay xmlns='{ns.DELAY}' from='{escape_attribute(self.local)}'"
        return data[:-_END] + f"{delay} stamp='{stamp_of(departure.id)}'/></message>".encode()

    async def _read(self, connection: Connection, receipts: Receipts) -> None:
        """Reads acknowledgements, and answers, until the stream ends. Raises Failure, OSError."""
        received = 0
        while True:
            element = await connection.next()
            if not isinstance(element, Stanza):
                continue
            if element.tag == _ACK:
                h = element.attrs.get("h", "")
                self._confirm(receipts.acknowledged(h, self._opener.clock.steady()))
            elif element.tag == _ASK:
                connection.write(f"<a xmlns='{ns.STREAM_MANAGEMENT}' h='{received}'/>".encode())
            elif self._opener.answers is not None and element.tag in _STANZAS:
                received += 1
                self._opener.answers(self.local, self.remote, as_client(element, ns.SERVER))


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


def _hours(seconds: float) -> str:
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
