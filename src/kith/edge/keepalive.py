"""Finds clients that are gone without closing their connections (RFC 6120 §4.6), and lets phones sleep.

A client that has been silent for long is pinged. If it does not answer in time, its connection is closed, and
its session waits to be resumed, if it can be. How long depends on the client (`Liveness`). One that sends
signs of life at an interval of its own is never pinged, since each packet wakes a phone's radio (XEP-0286),
and the phone knows best when it is awake anyway.

A silence after which a client has answered may be half as long again the next time, since the network has
kept the connection. A new connection begins anew: whoever was lost is on another network, or was silent for
too long.

One timer wheel serves all connections. It costs each of them three numbers, and no timer or task.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from kith.ports.connection import Liveness

#: The fraction of `proxy_timeout` after which a client behind a proxy is pinged.
_IN_TIME = 0.8
#: A client may exceed its own interval by this factor, since radios sleep and timers slip.
_SLACK = 1.5
#: The number of turns of the wheel within the shortest timeout.
_FINENESS = 16


class Rules(NamedTuple):
    """The settings of the same names, in seconds. If ``ping_after`` is 0, nobody is pinged."""

    ping_after: float
    ping_timeout: float
    proxy_timeout: float

    def patience(self, liveness: Liveness, survived: float = 0.0) -> float:
        """How many seconds a client may be silent before it is pinged.

        ``survived``: the longest silence after which it has answered, over this connection. As the network
        has kept the connection for so long, it may be longer the next time.
        """
        if not self.ping_after:
            return math.inf
        usual = self.ping_after * (2 if liveness.resumable else 1) * (2 if liveness.resting else 1)
        patience = max(usual, min(max(liveness.interval, survived) * _SLACK, self.longest))
        if liveness.proxied and not 0 < liveness.interval < self.proxy_timeout:
            return min(patience, _IN_TIME * self.proxy_timeout)
        return patience

    @property
    def longest(self) -> float:
        """The maximum of `patience`, however long the client's own interval is."""
        return 8 * self.ping_after

    @property
    def turn(self) -> float:
        """The seconds between two turns of the wheel."""
        shortest = min(self.ping_after or math.inf, self.ping_timeout, _IN_TIME * self.proxy_timeout)
        return shortest / _FINENESS


#: Values of `Watched.asked` instead of a turn: no answer is owed; the connection is not on the wheel.
_NOTHING, _OUTSIDE = 0, -1


class Watched(Protocol):
    """A connection on the wheel.

    ``heard``: the turn in which something was last received. ``asked``: the turn in which it was pinged.
    ``survived``: after how many turns of silence it was pinged last; it has answered unless ``asked`` is set.
    """

    heard: int
    asked: int
    survived: int

    def liveness(self) -> Liveness | None:
        """What decides how long the client may be silent; None while its silence means nothing."""

    def send_ping(self) -> None:
        """Sends something that the client has to answer."""

    def on_timeout(self) -> None:
        """The client did not answer in time."""


_W = TypeVar("_W", bound=Watched)


class Wheel(Generic[_W]):
    """A timer wheel: each connection is in the bucket of the turn in which it is looked at next."""

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
        """Adds a connection."""
        connection.heard, connection.asked = self.now, _NOTHING
        self._count += 1
        self._put(connection, self._stride)

    def leave(self, connection: _W) -> None:
        """Removes a connection at once, so that closed connections take no memory."""
        if connection.asked == _OUTSIDE:
            return
        connection.asked = _OUTSIDE
        self._count -= 1
        for bucket in self._buckets.values():  # a few dozen
            if connection in bucket:
                bucket.remove(connection)
                return

    def turn(self) -> None:
        """Looks at the connections of one bucket. Has to be called every `Rules.turn` seconds."""
        self.now += 1
        for connection in self._buckets.pop(self.now, ()):
            if connection.asked != _OUTSIDE:  # it may leave while others are looked at
                self._look(connection)

    def _look(self, connection: _W) -> None:
        """Pings the connection, ends it, or puts it into a later bucket.

        That is at most one stride later, since what is known of the client may change.
        """
        liveness = connection.liveness()
        if liveness is None or connection.heard >= connection.asked:
            connection.asked = _NOTHING
        survived = connection.survived * self.rules.turn
        patience = self.rules.patience(liveness, survived) if liveness is not None else math.inf
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
            connection.survived = max(connection.survived, self.now - connection.heard)
            connection.asked = self.now
            connection.send_ping()

    def _put(self, connection: _W, turns: int) -> None:
        due = self.now + min(turns, self._stride)
        self._buckets.setdefault(due, set()).add(connection)

    def _turns(self, seconds: float) -> int:
        return math.ceil(seconds / self.rules.turn) if seconds < math.inf else sys.maxsize
