"""Finds out which messages written to a stream the other server has.

If it offers stream management (XEP-0198), its acknowledgements say so. Otherwise a ping (XEP-0199) is
written after the messages: a server handles what it reads in order (RFC 6120 §10.1), so if it answers, with
a result or an error, it has what was written before. That the bytes were written means nothing, since the
kernel of a server that hangs takes them too.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from kith.core.actors import sm
from kith.federation.failures import Refused

#: How many seconds the other server may take to confirm.
PATIENCE = 60.0
#: The seconds between pings.
_PING_INTERVAL = 1.0
_COUNT = re.compile(r"[0-9]{1,10}")
_MODULO = 1 << 32


class Receipts:
    """Counts what is written to one stream, and how much of it is confirmed.

    ``managed``: whether stream management is enabled. ``ping``: makes a ping with an id that nobody can
    guess, and returns both.
    """

    def __init__(self, managed: bool, ping: Callable[[], tuple[str, bytes]]) -> None:
        self.managed = managed
        self._ping = ping
        self._written = 0  # stanzas
        self._acknowledged = 0
        # for each stanza that has to be confirmed: how many were written with it, and who is told
        self._marks: deque[tuple[int, Callable[[], None] | None]] = deque()
        self._asked = False
        self._asked_at = float("-inf")
        self._since = 0.0  # when the oldest unconfirmed message was written, or another one was confirmed
        self._id = ""
        self._upto = 0  # what the answer to the ping confirms

    @property
    def deadline(self) -> float | None:
        """When the other server has to have confirmed something; None if there is nothing to confirm."""
        return self._since + PATIENCE if self._marks else None

    def wrote(self, message: bool, now: float, confirmed: Callable[[], None] | None = None) -> None:
        """A stanza was written. ``message``: it has to be confirmed.

        So has one with ``confirmed``, which is called then. It does not count as a message.
        """
        self._written += 1
        if message or confirmed is not None:
            if not self._marks:
                self._since = now
            self._marks.append((self._written, confirmed))

    def request(self, now: float) -> bytes:
        """The request for a confirmation to be written now; empty if none is due."""
        if not self._marks or self._asked:
            return b""
        if self.managed:
            self._asked = True
            return sm.REQUEST
        if now < self._asked_at + _PING_INTERVAL:
            return b""
        self._asked, self._asked_at, self._upto = True, now, self._written
        self._id, data = self._ping()
        return data

    @property
    def due(self) -> float | None:
        """When `request` will have another request; None if it is not known yet."""
        return self._asked_at + _PING_INTERVAL if self._marks and not self._asked else None

    def acknowledged(self, h: str, now: float) -> int:
        """The other server has handled ``h`` stanzas (XEP-0198 §4).

        Returns how many more messages it has. Raises Refused if that is impossible.
        """
        if not _COUNT.fullmatch(h):
            raise Refused("its acknowledgement is not a number")
        count = (int(h) - self._acknowledged) % _MODULO
        if self._acknowledged + count > self._written:
            raise Refused("it has acknowledged more than it was sent")
        self._acknowledged += count
        self._asked = False
        return self._confirmed(self._acknowledged, now)

    def answered(self, id: str, now: float) -> int:
        """A ping was answered. Returns how many more messages the other server has."""
        if not self._asked or not self._id or id != self._id:
            return 0
        self._asked = False
        return self._confirmed(self._upto, now)

    def _confirmed(self, upto: int, now: float) -> int:
        count = 0
        while self._marks and self._marks[0][0] <= upto:
            _, confirmed = self._marks.popleft()
            self._since = now
            if confirmed is None:
                count += 1
            else:
                confirmed()
        return count
