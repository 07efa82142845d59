"""How much each account has in its outbox for other servers."""

from __future__ import annotations

from collections import Counter

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.ports.store import LogStore, Queued
from kith.wire.errors import StanzaError

#: What one account may have in its outbox: messages, and their bytes in total.
MAX_MESSAGES = 10_000
MAX_BYTES = 32 * 1024 * 1024
#: How often the outboxes are counted again at most, in seconds.
_RECOUNT = 60.0


class Usage:
    """Counts what waits in outboxes, so that no account fills the disk while a server is down."""

    def __init__(self, store: LogStore, tasks: Tasks, clock: Clock, local: str) -> None:
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._local = local
        self._messages: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()
        self._recounted = float("-inf")

    @property
    def messages(self) -> int:
        """How many messages wait in total."""
        return self._messages.total()

    async def read(self) -> list[Queued]:
        """Counts what is stored. Returns it, without what waits for other nodes."""
        self._recounted = self._clock.steady()
        found = [queued for queued in await self._store.outbox_sizes() if queued.domain != self._local]
        self._messages.clear()
        self._bytes.clear()
        for queued in found:
            self._messages[queued.account] += queued.messages
            self._bytes[queued.account] += queued.size
        return found

    def add(self, account: int, size: int, limited: bool = True) -> None:
        """Counts a stanza before it is stored. If it is ``limited``, raises StanzaError past the limit."""
        full = self._messages[account] >= MAX_MESSAGES or self._bytes[account] + size > MAX_BYTES
        if full and limited:
            if self._clock.steady() > self._recounted + _RECOUNT:
                self._recounted = self._clock.steady()
                self._tasks.spawn(self._recount())  # a log that was emptied has counted until now
            raise StanzaError("resource-constraint", "too many messages wait for other servers", type="wait")
        self._messages[account] += 1
        self._bytes[account] += size

    def remove(self, account: int, size: int) -> None:
        """A message is not in the outbox any more."""
        self._messages[account] -= 1
        self._bytes[account] -= size
        if self._messages[account] <= 0:
            del self._messages[account], self._bytes[account]

    async def _recount(self) -> None:
        await self.read()
