"""What waits for the server of one domain, in the order in which it was sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from kith.federation.outbox import Departure, DomainOutbox
from kith.federation.unstored import Unstored, Waiting
from kith.federation.watched import Watched
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Queue:
    """What is stored, in the outboxes of its senders, until the other server has it, and what is not.

    ``news`` is set when something is to be written, or was confirmed. ``one_by_one``: at most one message is
    unconfirmed at a time.
    """

    def __init__(self, outbox: DomainOutbox, unstored: Unstored) -> None:
        self.outbox = outbox
        self.unstored = unstored
        self.news = asyncio.Event()
        self.one_by_one = False
        self._watched = Watched()
        self._newest = 0  # the id of the last message
        self._coming = 0  # subscription requests that are being stored; presence may not overtake them

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.unstored and self.outbox.empty

    def add(self, stanza: Stanza, sender: JID, settled: Callable[[], None] | None) -> None:
        """Takes a stanza that is not stored. Raises StanzaError if too much waits."""
        self.unstored.add(stanza, sender, self._newest, settled)
        self.news.set()

    def expect(self, id: int) -> None:
        """A message is being stored; what comes after it is not sent before it. `arrived` has to follow."""
        self._newest = id
        self._coming += 1

    def arrived(self) -> None:
        """The message of `expect` has been taken, or could not be stored."""
        self._coming -= 1
        self.news.set()

    def depart(self, departure: Departure) -> None:
        """Takes a message that has become durable in the outbox of its sender."""
        self._newest = departure.id
        self.outbox.add(departure)
        self.news.set()

    def begin(self) -> None:
        """A stream is open."""
        self.outbox.begin()

    def end(self) -> int:
        """The stream is lost. What was not confirmed is sent again on the next one.

        Returns the id of the first message that was not, or 0.
        """
        self.unstored.put_back(self._watched.take())
        return self.outbox.end()

    def take(self) -> Iterator[Departure | Waiting]:
        """What is to be written next, in order. Not too many messages at once, so that others get a turn."""
        messages = deque(self.outbox.take(one_by_one=self.one_by_one))
        others: deque[Waiting] = deque() if self._coming else self.unstored.take()
        while messages or others:
            if messages and (not others or messages[0].id <= others[0].after):
                yield messages.popleft()
            else:
                yield others.popleft()
        if self.outbox.unsent and not self.one_by_one:
            self.news.set()  # the rest follows

    def watch(self, waiting: Waiting) -> Callable[[], None] | None:
        """A stanza is written now. Returns what to call when it is confirmed; None if nobody waits for it."""
        return self._watched.add(waiting)
