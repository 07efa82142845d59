"""When a commit waits a little for more messages to share it, and for how many.

A commit costs a hundred times what one more message in it does. At a few hundred messages a second it is
worth waiting for others; a message that comes alone, and a sender who waits for each answer before it writes
on, are to wait for nothing. So as many are waited for as were under way at the same time lately: of senders
who wait for their answers, no more can come; those who do not wait make more and more of them share a
commit, until the patience of the thread that writes ends it.
"""

from __future__ import annotations

from collections import deque
from math import exp

#: Messages a second from which on a commit waits for company.
BUSY = 300
#: More in one commit hardly cost less.
ENOUGH = 64
#: Seconds over which messages are counted.
_SPAN = 0.1
#: So many commits are looked back on.
_COMMITS = 8


class Gathering:
    """Is told of each commit; says how many messages the next one is worth waiting for.

    Times are in seconds, of any steady clock.
    """

    __slots__ = ("_rate", "_seen", "_since")

    def __init__(self) -> None:
        self._rate = 0.0  # a second
        self._since = 0.0
        self._seen: deque[int] = deque([1], _COMMITS)  # how many were under way at the end of each commit

    def committed(self, messages: int, under_way: int, now: float) -> None:
        """A commit of so many messages has ended; with them, so many were waiting for their answers."""
        self._rate = self._rate * exp((self._since - now) / _SPAN) + messages / _SPAN
        self._since = now
        self._seen.append(under_way)

    def wanted(self, now: float) -> int:
        """How many messages are enough for a commit now: 1 if it should not wait."""
        if self._rate * exp((self._since - now) / _SPAN) < BUSY:
            return 1
        return min(max(self._seen), ENOUGH)
