"""XEP-0280: Message Carbons. The account's other devices get copies of what one device sends or receives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from kith.core.actors.account import Account, Session
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.log.envelope import Envelope
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_PRIVATE = ns.tag(ns.CARBONS, "private")
_NO_COPY = ns.tag(ns.HINTS, "no-copy")
_BODY = ns.tag(ns.CLIENT, "body")
_WITHOUT_BODY = tuple(
    f"{{{namespace}}}" for namespace in (ns.RECEIPTS, ns.MARKERS, ns.CHAT_STATES, ns.OMEMO, ns.JINGLE_MESSAGE)
)


def eligible(stanza: Stanza) -> bool:
    """Whether a message is copied: chats, and others that a person would miss (XEP-0280 §6.1)."""
    if _PRIVATE in stanza.children or _NO_COPY in stanza.children:
        return False
    if stanza.type == "chat":
        return True
    if stanza.type not in ("", "normal"):
        return False
    return any(child == _BODY or child.startswith(_WITHOUT_BODY) for child in stanza.children)


class Carbons(Feature):
    """Sends copies to the sessions that have enabled them, when a message is delivered."""

    disco = (ns.CARBONS, f"{ns.CARBONS}#rules")

    bind_features = (ns.CARBONS,)

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        if request.find(ns.tag(ns.CARBONS, "enable")) is not None:
            session.state[Carbons] = True
        return ()

    @handles_iq("set", ns.CARBONS, "enable", to="own")
    async def enable(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        session.state[Carbons] = True
        return ()

    @handles_iq("set", ns.CARBONS, "disable", to="own")
    async def disable(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        session.state.pop(Carbons, None)
        return ()

    def session_saved(self, session: Session) -> object:
        return True if Carbons in session.state else None

    def session_restored(self, session: Session, saved: Any) -> None:
        session.state[Carbons] = True

    def message_received_committed(self, envelope: Envelope, account: Account) -> None:
        sender = envelope.sender
        if sender is None or sender.account is account or len(account.sessions) < 2:
            return
        if eligible(envelope.stanza):
            self._copy("received", envelope, account, envelope.delivered_to)

    def message_sent_committed(self, envelope: Envelope, account: Account) -> None:
        sessions = account.sessions
        if not sessions or (len(sessions) == 1 and envelope.sender in sessions.values()):
            return  # the session of the sender may have ended in the meantime
        if eligible(envelope.stanza):
            self._copy("sent", envelope, account, [envelope.sender, *envelope.delivered_to])

    def _copy(
        self, direction: str, envelope: Envelope, account: Account, without: Collection[object]
    ) -> None:
        inner: bytes | None = None
        for session in account.sessions.values():
            if Carbons not in session.state or session in without:
                continue
            # a session that is not available yet gets received messages later (`kith.core.log.replay`)
            if session.presence is None and direction == "received":
                continue
            if inner is None:
                message = envelope.for_owner(account.jid)
                inner = (
                    (
                        f"<{direction} xmlns='{ns.CARBONS}'><forwarded xmlns='{ns.FORWARD}'>"
                        f"<message xmlns='{ns.CLIENT}'"
                    ).encode()
                    + message[8:]
                    + f"</forwarded></{direction}></message>".encode()
                )
            bare = escape_attribute(account.jid)
            to = escape_attribute(session.full)
            kind = escape_attribute(envelope.stanza.type or "normal")
            session.push(f"<message from='{bare}' to='{to}' type='{kind}'>".encode() + inner)
