"""Finds clients that are gone without a word (RFC 6120 §4.6), and leaves those in peace that sleep.

Who has been silent for long is asked; who then says nothing is lost, and its session, if it can be resumed,
waits. How long is long depends on what the client shows of itself: one that gives signs of life at an
interval of its own is never asked. (Each packet wakes a phone's radio, XEP-0286, and the phone knows best
when it is awake anyway.) A wheel turns for all connections together, and looks at the few whose time has
come: to a connection that costs two numbers, no timer and no task.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from kith.ports.connection import Liveness

#: Of the time after which a proxy would cut a silent connection.
_IN_TIME = 0.8
#: A client may exceed its own interval by half: radios sleep, and timers slip.
_SLACK = 1.5
#: How many turns the shortest time is divided into.
_FINENESS = 16


class Rules(NamedTuple):
    """In seconds, from the settings of these names. ``ping_after`` of 0: nobody is asked."""

    ping_after: float
    ping_timeout: float
    proxy_timeout: float

    def patience(self, liveness: Liveness) -> float:
        """How long a client may be silent before it is asked."""
        if not self.ping_after:
            return math.inf
        usual = self.ping_after * (2 if liveness.resumable else 1) * (2 if liveness.resting else 1)
        patience = max(usual, min(liveness.interval * _SLACK, self.longest))
        if liveness.proxied and not 0 < liveness.interval < self.proxy_timeout:
            return min(patience, _IN_TIME * self.proxy_timeout)
        return patience

    @property
    def longest(self) -> float:
        """However rarely a client shows itself, it is asked after that."""
        return 8 * self.ping_after

    @property
    def turn(self) -> float:
        """From one turn of the wheel to the next."""
        shortest = min(self.ping_after or math.inf, self.ping_timeout, _IN_TIME * self.proxy_timeout)
        return shortest / _FINENESS


#: Instead of the turn in which a connection was asked: it owes no answer; it is not among the connections.
_NOTHING, _OUTSIDE = 0, -1


class Watched(Protocol):
    """A connection. ``heard``: the turn in which something last came; ``asked``: that of a question to it."""

    heard: int
    asked: int

    def liveness(self) -> Liveness | None:
        """None while its silence means nothing."""

    def send_ping(self) -> None:
        """Sends what a client has to answer."""

    def on_timeout(self) -> None:
        """The client did not answer in time."""


_W = TypeVar("_W", bound=Watched)


class Wheel(Generic[_W]):
    """All connections of a server, each in the bucket of the turn in which it will be looked at."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.now = 1
        self._count = 0
        self._buckets: dict[int, set[_W]] = {}
        self._grace = self._turns(rules.ping_timeout)
        self._stride = self._turns(min(rules.ping_after or math.inf, _IN_TIME * rules.proxy_timeout))

    def __iter__(self) -> Iterator[_W]:
        return (one for bucket in self._buckets.values() for one in bucket)

    def __len__(self) -> int:
        return self._count

    def enter(self, connection: _W) -> None:
        connection.heard, connection.asked = self.now, _NOTHING
        self._count += 1
        self._put(connection, self._stride)

    def leave(self, connection: _W) -> None:
        """Lets go of it at once: what is gone must not take memory, however many come and go."""
        if connection.asked == _OUTSIDE:
            return
        connection.asked = _OUTSIDE
        self._count -= 1
        for bucket in self._buckets.values():  # a few dozen
            if connection in bucket:
                bucket.remove(connection)
                return

    def turn(self) -> None:
        """To be called every `Rules.turn` seconds."""
        self.now += 1
        for connection in self._buckets.pop(self.now, ()):
            if connection.asked != _OUTSIDE:  # it may go while others are looked at
                self._look(connection)

    def _look(self, connection: _W) -> None:
        """Looks again when it may be time to ask, and before, for that may change."""
        liveness = connection.liveness()
        if liveness is None or connection.heard >= connection.asked:
            connection.asked = _NOTHING
        patience = self.rules.patience(liveness) if liveness is not None else math.inf
        silent = (self.now - connection.heard) * self.rules.turn
        if connection.asked:
            left = connection.asked + self._grace - self.now
            self._put(connection, left if left > 0 else self._stride)
            if left <= 0:
                connection.on_timeout()
        elif silent < patience:
            self._put(connection, self._turns(patience - silent))
        else:
            self._put(connection, self._grace)
            connection.asked = self.now
            connection.send_ping()

    def _put(self, connection: _W, turns: int) -> None:
        due = self.now + min(turns, self._stride)
        self._buckets.setdefault(due, set()).add(connection)

    def _turns(self, seconds: float) -> int:
        return math.ceil(seconds / self.rules.turn) if seconds < math.inf else sys.maxsize
