"""An account in memory, and its sessions, which are bound resources (RFC 6120 §7)."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol
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


class Waking(Protocol):
    """Decides which devices of an account have to be woken, because they miss something (`kith.push`)."""

    def received(self, id: int, stanza: Stanza) -> None:
        """A message to the account was committed under this id, and sent to those of its sessions that get
        it.
        """

    def sent(self, stanza: Stanza, to: JID) -> None:
        """The account has sent a message, so somebody is at one of its devices."""


class Account:
    """An account that is owned by this node, and in its memory.

    ``jid``: the bare address as text. ``address``: the same as a `JID`. ``sessions``: the bound sessions by
    resource, including those that have lost their connection and can be resumed. ``slot``: the slot of its
    address. ``state``: data of features, by their class. ``waking``: None if none of its devices wants to be
    woken.
    """

    __slots__ = (
        "address",
        "delivery",
        "id",
        "jid",
        "leaving",
        "roster",
        "sessions",
        "slot",
        "state",
        "waking",
    )

    def __init__(self, record: AccountRecord) -> None:
        self.id = record.id
        self.jid = record.jid
        self.address: JID = parse_jid(record.jid)
        self.slot = slot_of(record.jid)
        self.leaving = False  # it is being removed, with its log
        self.sessions: dict[str, Session] = {}
        self.roster: Roster | None = None
        self.delivery = Delivery(record.id, record.delivered)
        self.state: dict[object, Any] = {}
        self.waking: Waking | None = None

    def available(self) -> list[Session]:
        """The sessions that have sent presence."""
        return [session for session in self.sessions.values() if session.presence is not None]

    def present(self) -> list[Session]:
        """The available sessions, except those that lost their connection a while ago and appear offline."""
        return [session for session in self.available() if not session.appears_offline]

    def targets(self, resource: str, type: str = "") -> list[Session]:
        """The sessions that get a message of a type (RFC 6121 §8.5.2 and §8.5.3).

        That is the session with the resource, else all sessions without a negative priority. Nobody gets a
        headline, error or groupchat message for a missing resource, or an error for the bare address.
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
    """The interface of the object that keeps all sessions (`kith.core.sessions.sessions`), for a session."""

    def handle(self, session: Session, stanza: Stanza) -> Work:
        """Handles a stanza from the client. Raises StanzaError, StreamError."""

    def element(self, session: Session, element: Stanza) -> None:
        """Handles an element that is neither a stanza nor stream management. Raises StreamError."""

    def enable(self, session: Session, element: Stanza) -> None:
        """Enables stream management, or refuses it (XEP-0198 §3)."""

    def end(self, session: Session, error: StreamError | None = None) -> None:
        """Ends the session and its connection."""


class Session(Outlet):
    """A session of an account. It may have no connection at the moment, and wait for its client to resume it.

    ``jid``: the full address. ``bare``: the account's address. ``address``: the IP address that it was last
    connected from; empty if that was before a restart. ``state``: data of features, by their class.
    """

    __slots__ = (
        "account",
        "address",
        "appears_offline",
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
        "shared",
        "state",
        "synced",
    )

    keeper: Keeper
    #: Clients' messages have no key: retries are recognized by their origin ids (XEP-0359).
    key: ClassVar[None] = None

    def __init__(self, keeper: Keeper, account: Account, jid: JID, sink: Sink | None, lang: str = "") -> None:
        super().__init__(keeper, account.delivery, sink)
        self.account = account
        self.jid = jid
        self.full = str(jid)
        self.bare = account.jid
        self.address = ""
        self.handheld = False  # the client says that it runs on a battery
        self.device = ""  # the id of the device, if the client has sent a user-agent id
        self.credential = ""  # the id of the app password that it has logged in with, if any
        self.lang = lang  # the language of the stream, for stanzas without one (RFC 6120 §8.1.5)
        # RFC 6121
        self.presence: Stanza | None = None
        self.priority = 0
        self.appears_offline = False  # without a connection for so long that it appears offline
        self.directed: set[JID] | None = None
        self.interested = False  # has requested the roster, so it gets roster pushes
        self.shared = False  # wants the messages that groups share with the account
        self.synced = 0  # the last log id that it has read from the archive
        self.caught_up = 0  # the last log id of the archive when it read its end; 0 if it did not
        self.lost_at = 0.0  # when the connection was lost, a time of the monotonic clock
        self.closed = False
        self.state: dict[object, object] = {}

    def receive(self, stanza: Stanza) -> None:
        """Handles a stanza or an element of stream management. Raises StreamError."""
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
        """Sends something that every client has to answer (XEP-0198 §4, XEP-0199 §4.1)."""
        if self.sm is not None:
            self.sm.asked = True
            self.raw(sm.REQUEST)
        else:
            attrs = {"type": "get", "id": "there", "from": self.account.address.domain, "to": self.full}
            self.raw(Stanza.build("iq", attrs, Element(ns.tag(ns.PING, "ping"))).to_bytes())

    @property
    def resting(self) -> bool:
        """Whether a packet would wake a device that nobody is looking at, as far as is known."""
        return self.handheld or self.quiet is not None

    def _manage(self, element: Stanza) -> None:
        if self.sm is None or element.tag not in (sm.ACK, sm.ASK):
            if element.tag == sm.ASK and self.ask_after(sm.ENABLE):
                return  # it was sent together with <enable/>, which was not handled yet
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
