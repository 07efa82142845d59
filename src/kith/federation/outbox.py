"""The messages that wait for the server of one domain: entries of the outboxes of accounts here.

The outbox is in the log of each sender (`kith.ports.store.LogStore.outbox`), so what a client was
acknowledged survives a restart. Only a part is in memory, and nothing while there is no stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from kith.core.peers.bounces import Bounces
from kith.federation.usage import Usage
from kith.ports.store import LogStore, Outgoing
from kith.wire.errors import StanzaError
from kith.wire.stanza import Stanza

#: What is in memory for one domain at most: written but not confirmed, or about to be written.
_HELD, _HELD_BYTES = 500, 1024 * 1024
_PAGE = 200
#: How many are written in one turn of the event loop.
_PORTION = 100


class Departure(NamedTuple):
    """An entry of an outbox: a stanza of the account with this id."""

    account: int
    id: int
    stanza: bytes


class DomainOutbox:
    """The entries for one domain, in the order of their ids.

    ``open``: a stream is open. ``behind``: the store has entries that are not in memory.
    """

    def __init__(self, domain: str, store: LogStore, bounces: Bounces, usage: Usage) -> None:
        self._domain = domain
        self._store = store
        self._bounces = bounces
        self._usage = usage
        self.open = False
        self.behind = False
        self._more = False  # whether one became durable since the store was last read
        self._queue: deque[Departure] = deque()
        self._sent: deque[Departure] = deque()
        self._size = 0
        self._last = 0  # the newest entry that was in memory since the stream is open

    @property
    def empty(self) -> bool:
        """Whether nothing waits for the domain."""
        return not (self.behind or self._queue or self._sent)

    @property
    def unsent(self) -> int:
        """How many are in memory to be sent."""
        return len(self._queue)

    @property
    def unconfirmed(self) -> int:
        """How many were sent, and the other server is not known to have them."""
        return len(self._sent)

    def add(self, departure: Departure) -> None:
        """Takes an entry that has become durable."""
        if departure.id <= self._last:
            return  # it was read from the store before its commit was announced
        if not self.open or self.behind or self._is_full(1):
            self.behind = self._more = True
        else:
            self._hold(departure)

    def begin(self) -> None:
        """A stream is open."""
        self.open = True

    def end(self) -> int:
        """The stream is lost. What was not confirmed is sent again on the next one.

        Returns the id of the first such message, or 0.
        """
        first = self._sent[0].id if self._sent else 0
        if self._queue or self._sent:
            self.behind = self._more = True
        self._queue.clear()
        self._sent.clear()
        self._size = self._last = 0
        self.open = False
        return first

    async def fill(self) -> None:
        """Reads more entries from the store, if there are any and there is room. Raises Unavailable."""
        while self.behind and not self._is_full(2):
            if not self._last:  # the confirmations of the stream before may not be committed yet
                await self._store.flush()
            self._more = False
            entries = await self._store.outbox_to(self._domain, self._last, _PAGE)
            for entry in entries:
                self._hold(Departure(entry.account, entry.id, entry.stanza))
            self.behind = self._more or bool(entries)

    def take(self, one_by_one: bool = False) -> list[Departure]:
        """The entries to be sent next, not too many at a time, so that others get their turn.

        ``one_by_one``: at most one is unconfirmed at a time.
        """
        most = max(1 - len(self._sent), 0) if one_by_one else _PORTION
        taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        self._sent.extend(taken)
        return taken

    def confirm(self, count: int) -> None:
        """The other server has the first ``count`` entries that were sent."""
        done: dict[int, list[int]] = {}
        for _ in range(count):
            departure = self._sent.popleft()
            self._size -= len(departure.stanza)
            self._usage.remove(departure.account, len(departure.stanza))
            done.setdefault(departure.account, []).append(departure.id)
        for account, ids in done.items():
            self._store.handed_on(account, ids)

    async def bounce(self, error: StanzaError, before: int | None = None) -> int:
        """Returns entries to their senders with an error: all, or those with an id less than ``before``.

        Only possible while no stream is open. Returns how many. Raises Unavailable.
        """
        count = after = 0
        while entries := await self._page(after):
            for entry in entries:
                if before is not None and entry.id >= before:
                    return count
                after = entry.id
                count += 1
                self._return(entry, error)
        self._more = False
        self.behind = bool(await self._page(0)) or self._more
        return count

    async def _page(self, after: int) -> Sequence[Outgoing]:
        await self._store.flush()  # the errors
        await self._store.flush()  # and then the removals of their entries
        return await self._store.outbox_to(self._domain, after, _PAGE)

    def _return(self, entry: Outgoing, problem: StanzaError) -> None:
        def stored() -> None:
            self._usage.remove(entry.account, len(entry.stanza))
            self._store.turned_away(entry.account, [entry.id])

        error = Stanza.from_bytes(entry.stanza).error(problem)
        if error is None:
            stored()
        else:
            self._bounces.tell(error, entry.account, stored)

    def _hold(self, departure: Departure) -> None:
        self._queue.append(departure)
        self._size += len(departure.stanza)
        self._last = departure.id

    def _is_full(self, parts: int) -> bool:
        """Whether one of so many equal parts of the room is taken."""
        held = len(self._queue) + len(self._sent)
        return held >= _HELD // parts or self._size >= _HELD_BYTES // parts
