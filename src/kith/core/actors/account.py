"""An account while this node has to do with it: its sessions, its roster, what is under way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kith.core.actors.delivery import Delivery
from kith.ports.store import AccountRecord
from kith.wire.jid import JID, parse_jid

if TYPE_CHECKING:
    from kith.core.actors.roster import Roster
    from kith.core.actors.session import Session
    from kith.core.log.envelope import Envelope


class Account:
    """``jid`` is the bare address as text, ``address`` the same as a `JID`.

    ``sessions`` by resource: bound ones, among them those that have lost their connection and may
    resume. ``state`` is for features, by their class.
    """

    __slots__ = ("address", "delivery", "id", "jid", "roster", "sessions", "state")

    def __init__(self, record: AccountRecord) -> None:
        self.id = record.id
        self.jid = record.jid
        self.address: JID = parse_jid(record.jid)
        self.sessions: dict[str, Session] = {}
        self.roster: Roster | None = None
        self.delivery = Delivery(record.id, record.delivered)
        self.state: dict[object, object] = {}

    def available(self) -> list[Session]:
        """Sessions that have sent presence."""
        return [session for session in self.sessions.values() if session.presence is not None]

    def present(self) -> list[Session]:
        """Those of them that others see: not those that lost their connection a while ago."""
        return [session for session in self.available() if not session.absent]

    def targets(self, resource: str) -> list[Session]:
        """Who gets a message: the resource if it is there, else all that did not opt out.

        RFC 6121 §8.5.2 and §8.5.3: a negative priority opts out.
        """
        if resource and (session := self.sessions.get(resource)) is not None:
            return [session]
        return [
            session
            for session in self.sessions.values()
            if session.presence is not None and session.priority >= 0
        ]

    def deliver(self, envelope: Envelope) -> None:
        """Hands a message to the sessions that are to get it (RFC 6121 §8.5)."""
        resource = envelope.to.resource
        if not resource and envelope.stanza.type == "error":
            return  # RFC 6121 §8.5.2.1.1: an answer to nobody in particular
        if resource and envelope.stanza.type in ("headline", "error", "groupchat"):
            found = self.sessions.get(resource)
            targets = [found] if found is not None else []
        else:
            targets = self.targets(resource)
        if not targets:
            return
        data = envelope.for_owner(self.jid)
        id = envelope.id
        for session in targets:
            session.push(data, id)
        envelope.delivered_to = targets
