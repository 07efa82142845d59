"""How much one person may do in one group in a while, so that a crowd does not pay for one who floods it."""

from __future__ import annotations

from kith.base.clock import Clock
from kith.base.rates import RateLimit
from kith.wire.errors import StanzaError

#: For each kind: how many at once, and in how many seconds as many again.
_LIMITS = {
    "presence": (60, 60.0),
    "creation": (100, 3600.0),
    "change": (60, 60.0),
    "administration": (300, 60.0),
    "private": (60, 30.0),
    "request": (120, 30.0),
    "invitation": (50, 3600.0),
    "voice": (3, 60.0),
    "registration": (10, 3600.0),
}
#: For how many seconds of messages on average somebody may send at once.
_BURST = 10


class Rates:
    """Counts what each person does in each group. ``messages``: how many a second on average; 0: any."""

    def __init__(self, clock: Clock, messages: int) -> None:
        self._now = clock.steady
        self._messages = RateLimit(messages * _BURST, _BURST)
        self._limits = {kind: RateLimit(most, seconds) for kind, (most, seconds) in _LIMITS.items()}

    def message(self, group: str, bare: str) -> None:
        """Counts a message to all. Raises StanzaError if there were too many."""
        if not self._messages.take((group, bare), self._now()):
            raise StanzaError("resource-constraint", "too many messages in a short time", type="wait")

    def take(self, kind: str, group: str, bare: str) -> None:
        """Counts something else, such as a ``presence``. Raises StanzaError if there was too much of it."""
        if not self._limits[kind].take((group, bare), self._now()):
            raise StanzaError("policy-violation", "too much in a short time", type="wait")
