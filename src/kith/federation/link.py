"""The way from one domain here to one domain elsewhere: a stream when needed, and what waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from kith.base.ids import first_at
from kith.base.tasks import Tasks
from kith.core.routing.post import Post
from kith.federation.connection import Connection
from kith.federation.failures import Ended, Failure, Refused, describe, returned
from kith.federation.outbox import Departure, DomainOutbox
from kith.federation.queue import Queue
from kith.federation.stream import Stream, Surroundings
from kith.federation.unstored import Unstored
from kith.ports.store import Unavailable
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

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
logger = structlog.get_logger("kith")


class Opener(Surroundings, Protocol):
    """The interface of the object that has all links (`kith.federation.outgoing`), for one of them."""

    tasks: Tasks
    post: Post
    streams: int
    failures: int
    patience: float
    """For how many seconds messages wait for a server that is not reached."""

    async def open(self, local: str, remote: str) -> tuple[Connection, bool]:
        """Opens a stream and authenticates. Returns it, and whether stream management is enabled.

        Raises Failure.
        """

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
        self._queue = Queue(outbox, self._unstored)
        self._attempt = asyncio.Event()  # an attempt may be made before its time
        self._running = False
        self._failures = 0
        self._ended_at = float("-inf")  # the last attempt
        self._failure: Failure | None = None  # of the last attempt
        self._reached = False  # whether there was ever a stream
        self._broken = 0
        self._stale = False  # whether presence may be out of date, since a stream was lost
        self._stream: Stream | None = None  # the open one

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
        self._queue.add(stanza, sender, settled)
        self._wake(self._opener.clock.steady())

    def expect(self, id: int) -> None:
        """A subscription request is being stored; what comes after it is not sent before it.

        `arrived` has to follow.
        """
        self._queue.expect(id)

    def arrived(self) -> None:
        """The request of `expect` has been taken, or could not be stored."""
        self._queue.arrived()

    def depart(self, departure: Departure) -> None:
        """Takes a message that has become durable in the outbox of its sender."""
        self._queue.depart(departure)
        self._wake(self._opener.clock.steady())

    def resume(self) -> None:
        """Continues with messages that are in the outbox already."""
        self.outbox.behind = True
        self._wake(self._opener.clock.steady())

    def heard(self) -> None:
        """The other server has reached us: it is up, so an attempt is worth while now."""
        if self._stream is None and self._running:
            self._attempt.set()

    def answered(self, id: str) -> None:
        """The other server has answered the ping with this id."""
        if self._stream is not None:
            self._stream.answered(id)

    def _wake(self, now: float) -> None:
        self._queue.news.set()
        if not self._running:
            self._running = True
            self._opener.tasks.spawn(self._run())
        elif now > self._ended_at + _RETRY_SOONER:
            self._attempt.set()

    # -- attempts ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while not self._queue.empty or self._stale:
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
            self._queue.begin()
            domains = self.local, self.remote
            self._stream = Stream(connection, domains, managed, self._queue, opener, self._confirmed)
            opener.streams += 1
            try:
                if self._stale:
                    self._stale = False
                    opener.tasks.spawn(opener.refresh(self.remote))
                await self._stream.run()
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
            self._stream = None
            first = self._queue.end()
        if failure is None:
            self._failures = 0
            return None
        if began + _LIVED < opener.clock.steady():
            self._failures = 0
        if began < float("inf"):
            self._stale = True
            if first and isinstance(failure, Refused) and failure.broken:
                self._broken += 1
                self._queue.one_by_one = self._broken >= _ONE_BY_ONE
                await self._give_up(failure, first)
        return failure

    def _confirmed(self) -> None:
        """The other server has messages."""
        self._broken = self._failures = 0
        self._queue.one_by_one = False

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


def _hours(seconds: float) -> str:
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
