"""How long a connection may be silent before the server is pinged: learned from the network.

Routers, above all those of mobile networks, forget connections that are silent: some after a minute, others
after an hour. Each ping wakes a radio, so the pause grows as long as connections survive it, and shrinks when
one does not. No sockets and no timers in here.
"""

from __future__ import annotations

from typing import Final

#: Bounds of the pause, in seconds. After the longest, at the latest, a dead connection is noticed.
LEAST: Final = 30.0
MOST: Final = 300.0
_GROWTH: Final = 1.5
#: After so many answered pings, a pause that a connection did not survive is tried again: networks change.
_TRUST_AGAIN: Final = 20


class Heartbeat:
    """``pause``: the seconds of silence after which to ping. It outlives connections."""

    __slots__ = ("_answered", "_ceiling", "_least", "_most", "_survived", "pause")

    def __init__(self, first: float) -> None:
        """``first``: the pause to begin with; also bounds that are shorter follow from it."""
        self.pause = first
        self._least, self._most = min(LEAST, first), max(MOST, first)
        self._survived = 0.0
        self._ceiling = self._most
        self._answered = 0

    def answered(self, silence: float) -> None:
        """The server has answered a ping after so many seconds without a packet in either direction."""
        self._survived = max(self._survived, silence)
        self._answered += 1
        if self._answered >= _TRUST_AGAIN:
            self._answered = 0
            self._ceiling = min(self._most, self._ceiling * _GROWTH)
        if silence >= self.pause * 0.9:  # a shorter silence shows nothing about this pause
            self.pause = min(self.pause * _GROWTH, self._ceiling)

    def lost(self, silence: float) -> None:
        """A connection was found dead after so many seconds of silence; short ones say nothing of it."""
        if silence < self._least:
            return
        self._answered = 0
        if silence <= self._survived:
            self._survived = 0.0  # it has survived that on another network
        self._ceiling = max(self._least, min(self._ceiling, silence) / _GROWTH)
        self.pause = min(self.pause, self._ceiling)
