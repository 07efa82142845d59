"""XEP-0352: Client State Indication. While a client is inactive, stanzas that are not urgent are held back.

Held back are presence, typing notifications, receipts, read markers, copies of what other devices sent,
statuses of contacts, and PEP events; if a newer one replaces an older, only the newer. Anything else is sent
at once, after what was held back: this keeps the order, and the radio of the device is awake anyway. It is
also urgent that another device has answered a call, because this one should stop ringing.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.wire import ns
from kith.wire.stanza import Stanza

#: How many stanzas are held back for a session at most; then all are sent.
MAX_HELD = 256
MAX_BYTES = 128 * 1024
_ACTIVE = ns.tag(ns.CSI, "active")
_INACTIVE = ns.tag(ns.CSI, "inactive")
_EVENT = ns.tag(ns.PUBSUB_EVENT, "event")
_COPIES = (ns.tag(ns.CARBONS, "received"), ns.tag(ns.CARBONS, "sent"))
_FORWARDED = ns.tag(ns.FORWARD, "forwarded")
_MESSAGE = ns.tag(ns.CLIENT, "message")
#: Namespaces of child elements that are not urgent.
_CHATTER = frozenset(
    (ns.CHAT_STATES, ns.RECEIPTS, ns.MARKERS, ns.HINTS, ns.STANZA_ID, ns.DELAY, ns.ENCRYPTION)
)
_THREAD = ns.tag(ns.CLIENT, "thread")
#: Entries of the status log (docs/status.md).
_STATUSES = frozenset(ns.tag(ns.STATUS, name) for name in ("status", "retract", "seen"))


def waits(data: bytes) -> str | None:
    """Returns None if the stanza is urgent, else a key of what it replaces (empty if it replaces nothing)."""
    if data.startswith(b"<iq"):
        return None
    stanza = Stanza.from_bytes(data)
    sender = stanza.attrs.get("from", "")
    if stanza.kind == "presence":
        return f"presence {sender}" if stanza.type in ("", "unavailable") else None
    if stanza.type == "error":
        return None
    if _EVENT in stanza.children:
        return _event(stanza, sender)
    for copy in _COPIES:
        if (element := stanza.child(copy)) is not None:
            inner = element.find(f"{_FORWARDED}/{_MESSAGE}")
            waiting = inner is None or _is_chatter(inner) or (copy is _COPIES[1] and not _is_call(inner))
            return "" if waiting else None
    if not _STATUSES.isdisjoint(stanza.children):
        return ""
    if not _is_chatter(stanza.element):
        return None
    typing = all(_namespace(child) in (ns.CHAT_STATES, ns.HINTS) for child in stanza.children)
    return f"typing {sender}" if typing else ""


def _event(stanza: Stanza, sender: str) -> str | None:
    event = stanza.child(_EVENT)
    first = event[0] if event is not None and len(event) else None
    if first is None:
        return ""
    items = first.findall(ns.tag(ns.PUBSUB_EVENT, "item"))
    # in nodes with a single item, such as avatars and device lists, each event replaces the previous one
    id = items[0].get("id", "") if len(items) == 1 else ""
    return f"event {sender} {first.get('node')} {id}" if id else ""


def _is_chatter(message: Element) -> bool:
    return all(_namespace(child.tag) in _CHATTER or child.tag == _THREAD for child in message)


def _is_call(message: Element) -> bool:
    return any(_namespace(child.tag) == ns.JINGLE_MESSAGE for child in message)


def _namespace(tag: str) -> str:
    return tag[1:].partition("}")[0]


class Quiet:
    """Filters the stanzas for an inactive session (`Session.push`)."""

    __slots__ = ("_count", "_held", "_session", "_size")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: dict[str, tuple[bytes, int]] = {}
        self._size = 0
        self._count = 0

    def offer(self, data: bytes, id: int) -> None:
        """Holds a stanza back, or, if it is urgent, sends everything."""
        key = waits(data)
        if key is None:
            self.release()
            self._session.transmit(data, id)
            return
        if not key or id:
            self._count += 1
            key = str(self._count)
        old = self._held.pop(key, None)
        if old is not None:
            self._size -= len(old[0])
        self._held[key] = (data, id)
        self._size += len(data)
        if len(self._held) > MAX_HELD or self._size > MAX_BYTES:
            self.release()

    def release(self) -> None:
        """Sends the stanzas that were held back, in order."""
        held, self._held = self._held, {}
        self._size = 0
        for data, id in held.values():
            self._session.transmit(data, id)


class ClientState(Feature):
    """Handles ``<active/>`` and ``<inactive/>``. New and resumed streams are active."""

    bind_features = (ns.CSI,)

    def stream_features(self) -> Sequence[Element]:
        return (Element(ns.tag(ns.CSI, "csi")),)

    def element(self, session: Session, element: Stanza) -> bool:
        if element.tag == _INACTIVE:
            self._rest(session)
        elif element.tag == _ACTIVE:
            self._wake(session)
        else:
            return False
        return True

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        if request.find(_INACTIVE) is not None:
            self._rest(session)
        return ()

    def session_resumed(self, session: Session) -> None:
        self._wake(session)

    def _rest(self, session: Session) -> None:
        if session.quiet is None:
            session.quiet = Quiet(session)

    def _wake(self, session: Session) -> None:
        quiet, session.quiet = session.quiet, None
        if quiet is not None:
            quiet.release()
