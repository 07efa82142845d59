"""Stanzas for another server that are not stored: presence, requests and their answers, typing notifications.

They wait for a stream for a short time, and are returned to their senders then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.routing.post import Post
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

#: What waits for one server at most.
MAX_STANZAS = 1000
MAX_BYTES = 4 * 1024 * 1024
#: For how long they wait, in seconds.
PATIENCE = 20.0


class Waiting(NamedTuple):
    """A stanza that waits until a time. ``after``: the id of the message that was sent before it.

    ``settled`` is called once the other server has it, or it was given up.
    """

    stanza: Stanza
    sender: JID
    data: bytes
    until: float
    after: int
    settled: Callable[[], None] | None = None


class Unstored:
    """The stanzas for one domain. ``problem``: the error for one that has waited for too long."""

    def __init__(
        self, domain: str, clock: Clock, tasks: Tasks, post: Post, problem: Callable[[], StanzaError]
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._tasks = tasks
        self._post = post
        self._problem = problem
        self._queue: deque[Waiting] = deque()
        self._size = 0
        self._expiring = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, stanza: Stanza, sender: JID, after: int, settled: Callable[[], None] | None = None) -> None:
        """Takes a stanza. Raises StanzaError if too much waits."""
        data = stanza.to_bytes()
        if len(self._queue) >= MAX_STANZAS or self._size + len(data) > MAX_BYTES:
            raise StanzaError("resource-constraint", f"too much waits for {self._domain}", type="wait")
        self._queue.append(Waiting(stanza, sender, data, self._clock.steady() + PATIENCE, after, settled))
        self._size += len(data)
        self._expire_later(PATIENCE)

    def take(self) -> deque[Waiting]:
        """All of them, to be sent now."""
        taken, self._queue, self._size = self._queue, deque(), 0
        return taken

    def put_back(self, written: Iterable[Waiting]) -> None:
        """Takes stanzas that were written to a stream that has ended: they are sent again."""
        for waiting in reversed(list(written)):
            self._queue.appendleft(waiting)
            self._size += len(waiting.data)
        if self._queue:
            self._expire_later(max(self._queue[0].until - self._clock.steady(), 0))

    def return_all(self, error: StanzaError) -> None:
        """Answers all with an error."""
        for waiting in self.take():
            self._return(waiting, error)

    def _expire_later(self, seconds: float) -> None:
        if not self._expiring:
            self._expiring = True
            self._tasks.later(seconds, self._expire)

    def _expire(self) -> None:
        self._expiring = False
        now = self._clock.steady()
        while self._queue and self._queue[0].until <= now:
            waiting = self._queue.popleft()
            self._size -= len(waiting.data)
            self._return(waiting, self._problem())
        if self._queue:
            self._expire_later(self._queue[0].until - now)

    def _return(self, waiting: Waiting, error: StanzaError) -> None:
        """Answers a stanza, even if its sender is offline now."""
        answer = waiting.stanza.error(error)
        if answer is not None:
            self._post.route(answer, JID("", self._domain), waiting.sender)
        if waiting.settled is not None:
            waiting.settled()
