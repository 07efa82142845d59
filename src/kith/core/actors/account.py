"""An account while this node has to do with it, and its sessions: bound resources (RFC 6120 §7)."""

from __future__ import annotations

from typing import ClassVar, Protocol
from xml.etree.ElementTree import Element

from kith.base.slots import slot_of
from kith.core.actors import sm
from kith.core.actors.delivery import Delivery
from kith.core.actors.intake import Work
from kith.core.actors.outlet import Outlet, Outlets
from kith.core.actors.roster import Roster
from kith.ports.connection import Sink
from kith.ports.store import AccountRecord
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza


class Account:
    """``jid`` is the bare address as text, ``address`` the same as a `JID`.

    ``sessions`` by resource: bound ones, among them those that have lost their connection and may
    resume. ``slot`` is the one that its address lies in. ``state`` is for features, by their class.
    """

    __slots__ = ("address", "delivery", "id", "jid", "roster", "sessions", "slot", "state")

    def __init__(self, record: AccountRecord) -> None:
        self.id = record.id
        self.jid = record.jid
        self.address: JID = parse_jid(record.jid)
        self.slot = slot_of(record.jid)
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

    def targets(self, resource: str, type: str = "") -> list[Session]:
        """Who gets a message of this type: the resource if it is there, else all that did not opt out.

        RFC 6121 §8.5.2 and §8.5.3: a negative priority opts out; a headline, an error or a groupchat message
        for a resource that is gone reaches nobody, and neither does an error for nobody in particular.
        """
        if resource:
            if (session := self.sessions.get(resource)) is not None:
                return [session]
            if type in ("headline", "error", "groupchat"):
                return []
        elif type == "error":
            return []
        return [
            session
            for session in self.sessions.values()
            if session.presence is not None and session.priority >= 0
        ]


class Keeper(Outlets, Protocol):
    """What a session asks of those who keep all sessions (`kith.core.sessions.sessions`)."""

    def handle(self, session: Session, stanza: Stanza) -> Work:
        """Handles what its client has sent. Raises StanzaError, StreamError."""

    def element(self, session: Session, element: Stanza) -> None:
        """Takes an element that is neither a stanza nor of stream management. Raises StreamError."""

    def enable(self, session: Session, element: Stanza) -> None:
        """Turns stream management on, or refuses it (XEP-0198 §3)."""

    def end(self, session: Session, error: StreamError | None = None) -> None:
        """Ends the session and its connection."""


class Session(Outlet):
    """``jid`` is the full address, ``bare`` the account's. ``state`` is for features, by their class.

    It lasts while its client may come back, with or without a connection at the moment.
    """

    __slots__ = (
        "absent",
        "account",
        "bare",
        "caught_up",
        "closed",
        "credential",
        "device",
        "directed",
        "full",
        "handheld",
        "interested",
        "jid",
        "lang",
        "lost_at",
        "presence",
        "priority",
        "state",
        "synced",
    )

    keeper: Keeper
    #: A client's message is known again by its origin id, if by anything (XEP-0359).
    key: ClassVar[None] = None

    def __init__(self, keeper: Keeper, account: Account, jid: JID, sink: Sink | None, lang: str = "") -> None:
        super().__init__(keeper, account.delivery, sink)
        self.account = account
        self.jid = jid
        self.full = str(jid)
        self.bare = account.jid
        self.handheld = False  # runs on a battery, by what it says
        self.device = ""  # the id of the client installation, if it has told one
        self.credential = ""  # the id of the app password that it has logged in with, if it was one
        self.lang = lang  # of the stream, for stanzas that do not say theirs (RFC 6120 §8.1.5)
        # RFC 6121
        self.presence: Stanza | None = None
        self.priority = 0
        self.absent = False  # has been without a connection for so long that to others it is unavailable
        self.directed: set[JID] | None = None
        self.interested = False  # has asked for the roster, so it gets pushes
        self.synced = 0  # what it has read from the archive by itself, as a log id
        self.caught_up = 0  # where the archive ended when it last looked there; 0: it did not look
        self.lost_at = 0.0  # when the connection went, by the steady clock
        self.closed = False
        self.state: dict[object, object] = {}

    def receive(self, stanza: Stanza) -> None:
        """A stanza or a stream-management element came. Raises StreamError."""
        if not stanza.kind and stanza.tag != sm.ENABLE:
            self._manage(stanza)
        else:
            self.take(stanza)

    def handle(self, stanza: Stanza) -> Work:
        if not stanza.kind:
            self.keeper.enable(self, stanza)
            return None
        return self.keeper.handle(self, stanza)

    def ended(self) -> None:
        if not self.closed:
            self.keeper.end(self)

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        self.keeper.end(self, error)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, unless it was itself an answer."""
        answer = stanza.error(error)
        if answer is not None:
            answer.attrs["to"] = self.full
            if not answer.attrs.get("from"):
                answer.attrs["from"] = self.account.jid
            self.send(answer)

    def send_ping(self) -> None:
        """Asks for a sign of life, which every client has to give (XEP-0198 §4, XEP-0199 §4.1)."""
        if self.sm is not None:
            self.sm.asked = True
            self.raw(sm.REQUEST)
        else:
            attrs = {"type": "get", "id": "there", "from": self.account.address.domain, "to": self.full}
            self.raw(Stanza.build("iq", attrs, Element(ns.tag(ns.PING, "ping"))).to_bytes())

    @property
    def resting(self) -> bool:
        """Whether a packet would wake a device that its owner does not look at, as far as it is known."""
        return self.handheld or self.quiet is not None

    def _manage(self, element: Stanza) -> None:
        if self.sm is None or element.tag not in (sm.ACK, sm.ASK):
            if element.tag == sm.ASK and self.ask_after(sm.ENABLE):
                return  # it came in one flight with <enable/>, which is still to be handled
            if element.tag in (sm.ACK, sm.ASK, sm.RESUME):
                self.raw(sm.failed("unexpected-request"))
                return
            self.keeper.element(self, element)
        elif element.tag == sm.ACK:
            self.sm.asked = False
            self.acknowledge(element.attrs.get("h", ""))
        else:
            self.asked()

    def __repr__(self) -> str:
        return f"<Session {self.full}>"
