"""Errors with which other servers answer messages, for senders who may be offline by then.

A message may be sent long after it was written, when its session is gone, and an error for a session that is
gone is dropped (RFC 6121 §8.5.3.2.1). So errors for messages that were sent lately are returned as those of
this server are.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from kith.base.clock import Clock
from kith.core.peers.bounces import Bounces
from kith.federation.outbox import Departure
from kith.wire import ns
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

_ERROR = ns.tag(ns.CLIENT, "error")
#: An attribute of a serialized stanza without entities.
_ATTRIBUTE = re.compile(r"""\s([\w:]+)=(?:'([^']*)'|"([^"]*)")""")
#: For how many seconds, and for how many messages, errors are expected.
_SECONDS, _MOST = 600.0, 20_000


class Refusals:
    """The messages that were sent lately: by sender, recipient (bare addresses) and ``id``."""

    def __init__(self, clock: Clock, bounces: Bounces) -> None:
        self._clock = clock
        self._bounces = bounces
        self._sent: OrderedDict[tuple[str, str, str], tuple[int, float]] = OrderedDict()

    def sent(self, departure: Departure) -> None:
        """A stanza was written to a stream."""
        head = departure.stanza[: departure.stanza.index(b">")].decode()
        if not head.startswith("<message") or "&" in head:
            return
        attrs = {name: one or other for name, one, other in _ATTRIBUTE.findall(head)}
        if not {"from", "to", "id"} <= attrs.keys():
            return
        now = self._clock.steady()
        key = parse_jid(attrs["from"]).bare, parse_jid(attrs["to"]).bare, attrs["id"]
        self._sent[key] = departure.account, now
        while self._sent:
            oldest, (_, at) = next(iter(self._sent.items()))
            if len(self._sent) <= _MOST and at > now - _SECONDS:
                break
            del self._sent[oldest]

    def take(self, error: Stanza) -> bool:
        """Returns the error to the sender if it answers such a message. Returns whether it does."""
        attrs = error.attrs
        key = parse_jid(attrs["to"]).bare, parse_jid(attrs["from"]).bare, error.id
        account, _ = self._sent.pop(key, (0, 0.0))
        reason = error.child(_ERROR)
        if not account or reason is None:
            return False
        kept = {name: attrs[name] for name in ("type", "id", "from", "to")}
        self._bounces.tell(Stanza.build("message", kept, reason), account, lambda: None)
        return True
