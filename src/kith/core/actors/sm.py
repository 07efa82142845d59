"""Stream management (XEP-0198): the stanzas that a session was sent and has not acknowledged."""

from __future__ import annotations

import re
from collections import deque
from xml.etree.ElementTree import Element, SubElement

from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.serialize import escape_attribute, serialize

_MODULO = 1 << 32
#: An unsigned number; it has to be one of 32 bits (XEP-0198 §11).
_COUNT = re.compile(r"[0-9]{1,10}")
REQUEST = f"<r xmlns='{ns.STREAM_MANAGEMENT}'/>".encode()
ENABLE = ns.tag(ns.STREAM_MANAGEMENT, "enable")
RESUME = ns.tag(ns.STREAM_MANAGEMENT, "resume")
ACK = ns.tag(ns.STREAM_MANAGEMENT, "a")
ASK = ns.tag(ns.STREAM_MANAGEMENT, "r")
#: How many stanzas or bytes may be unacknowledged before an acknowledgement is requested.
MAX_UNASKED = 8
_MAX_UNASKED_BYTES = 4096
#: The beginning of an answer to a client's request.
_ANSWER = re.compile(rb"<iq [^>]*\btype=['\"](?:result|error)['\"]")


def resumed(token: str, handled: int) -> bytes:
    """``<resumed/>`` for a resumed session."""
    id = escape_attribute(token)
    return f"<resumed xmlns='{ns.STREAM_MANAGEMENT}' previd='{id}' h='{handled % _MODULO}'/>".encode()


def answer(handled: int) -> bytes:
    """``<a/>`` with the count of handled stanzas."""
    return f"<a xmlns='{ns.STREAM_MANAGEMENT}' h='{handled % _MODULO}'/>".encode()


def failed(condition: str, handled: int | None = None) -> bytes:
    """``<failed/>`` with the condition of a stanza error."""
    element = Element(ns.tag(ns.STREAM_MANAGEMENT, "failed"))
    if handled is not None:
        element.set("h", str(handled % _MODULO))
    SubElement(element, ns.tag(ns.STANZA_ERRORS, condition))
    return serialize(element)


class Unacknowledged:
    """A queue of unacknowledged stanzas, as (bytes, id), the oldest first (for ids see `Outlet.push`).

    Beyond ``limit`` stanzas or ``limit_bytes`` bytes, it only keeps log ids (the log has the messages).
    Then the session can't be resumed until the client has caught up.

    Acknowledgements are requested for messages from the log and for requests to the client. Presence,
    typing and answers are acknowledged along with these, or once there are several, since each request
    costs a phone two packets.
    """

    __slots__ = (
        "_due",
        "acknowledged",
        "asked",
        "forgotten",
        "limit",
        "limit_bytes",
        "queue",
        "size",
        "token",
    )

    def __init__(self, token: str, limit: int, limit_bytes: int) -> None:
        self.token = token  # empty if the client did not ask for resumption
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.queue: deque[tuple[bytes, int]] = deque()
        self.acknowledged = 0
        self.size = 0
        self.forgotten = 0  # for how many in the queue only the log id is left
        self.asked = False
        self._due = 0  # the count that acknowledges everything that matters

    @property
    def due(self) -> bool:
        """Whether it is time to request an acknowledgement."""
        if self.asked or not self.queue:
            return False
        return (
            self._due > self.acknowledged or len(self.queue) >= MAX_UNASKED or self.size > _MAX_UNASKED_BYTES
        )

    @property
    def resumable(self) -> bool:
        return bool(self.token) and not self.forgotten

    def sent(self, data: bytes, id: int) -> None:
        if id or (data.startswith(b"<iq") and not _ANSWER.match(data)):
            self._due = self.acknowledged + len(self.queue) + 1
        if self.forgotten or len(self.queue) >= self.limit or self.size + len(data) > self.limit_bytes:
            self.forgotten += 1
            data = b""
        self.size += len(data)
        self.queue.append((data, id))

    def possible(self, h: str) -> bool:
        """Whether the client can have handled ``h`` stanzas in total (XEP-0198 §5)."""
        if not _COUNT.fullmatch(h) or int(h) >= _MODULO:
            return False
        return (int(h) - self.acknowledged) % _MODULO <= len(self.queue)

    def receive(self, h: str) -> list[int]:
        """The client has handled ``h`` stanzas in total. Returns the log ids of the newly acknowledged ones.

        Raises StreamError if it has acknowledged more than it was sent (XEP-0198 §4).
        """
        if not _COUNT.fullmatch(h) or int(h) >= _MODULO:
            raise StreamError("bad-format", "h is not a number")
        if not self.possible(h):
            sent = (self.acknowledged + len(self.queue)) % _MODULO
            too_high = Element(
                ns.tag(ns.STREAM_MANAGEMENT, "handled-count-too-high"), {"h": h, "send-count": str(sent)}
            )
            text = f"{h} stanzas were acknowledged, and {sent} sent"
            raise StreamError("undefined-condition", text, application=too_high)
        count = (int(h) - self.acknowledged) % _MODULO
        self.acknowledged += count
        ids = []
        for _ in range(count):
            data, id = self.queue.popleft()
            if id > 0:
                ids.append(id)
            if not data:
                self.forgotten -= 1
            self.size -= len(data)
        return ids
