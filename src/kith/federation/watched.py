"""What was written to another server, is not stored, and matters to somebody until that server has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kith.federation.unstored import MAX_BYTES, MAX_STANZAS, Waiting


class Watched:
    """The stanzas of one stream that are not confirmed, in the order in which they were written.

    There is a bound, since a server may confirm little and slowly, and cause more of them all the time.
    """

    __slots__ = ("_size", "_written")

    def __init__(self) -> None:
        self._written: deque[Waiting] = deque()
        self._size = 0

    def add(self, waiting: Waiting) -> Callable[[], None] | None:
        """A stanza is written now. Returns what to do when it is confirmed; None if that matters to nobody.

        Of those beyond the bound, it is not waited for: they count as arrived.
        """
        settled = waiting.settled
        if settled is None:
            return None
        if len(self._written) >= MAX_STANZAS or self._size + len(waiting.data) > MAX_BYTES:
            settled()
            return None
        self._written.append(waiting)
        self._size += len(waiting.data)

        def confirmed() -> None:
            self._written.remove(waiting)
            self._size -= len(waiting.data)
            settled()

        return confirmed

    def take(self) -> deque[Waiting]:
        """All of them: the stream has ended."""
        taken, self._written, self._size = self._written, deque(), 0
        return taken
