"""A session: a bound resource, with or without a connection at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from xml.etree.ElementTree import Element

from kith.core.actors import sm
from kith.core.actors.intake import Intake, Work
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.actors.account import Account
    from kith.core.node import Node
    from kith.ports.connection import Sink


#: What waits for a client that does not read what goes before it; past this its stream ends.
HELD_BYTES = 4 * 1024 * 1024


class Quiet(Protocol):
    """Decides what of a stream can wait (XEP-0352)."""

    def offer(self, data: bytes, id: int) -> None:
        """Takes what `Session.push` would send."""

    def release(self) -> None:
        """Sends what it holds."""


class Session(Intake):
    """``jid`` is the full address, ``bare`` the account's. ``state`` is for features, by their class."""

    __slots__ = (
        "absent",
        "account",
        "bare",
        "caught_up",
        "closed",
        "counted",
        "credential",
        "device",
        "directed",
        "full",
        "handheld",
        "held",
        "holding",
        "interested",
        "jid",
        "lang",
        "lost_at",
        "out",
        "presence",
        "priority",
        "quiet",
        "seen",
        "sm",
        "state",
        "synced",
    )

    def __init__(self, domain: Node, account: Account, jid: JID, sink: Sink | None, lang: str = "") -> None:
        super().__init__(domain, sink)
        self.account = account
        self.jid = jid
        self.full = str(jid)
        self.bare = account.jid
        self.handheld = False  # runs on a battery, by what it says
        self.device = ""  # the id of the client installation, if it has told one
        self.credential = ""  # the id of the app password that it has logged in with, if it was one
        self.lang = lang  # of the stream, for stanzas that do not say theirs (RFC 6120 §8.1.5)
        self.out: list[bytes] = []
        # RFC 6121
        self.presence: Stanza | None = None
        self.priority = 0
        self.absent = False  # has been without a connection for so long that to others it is unavailable
        self.directed: set[JID] | None = None
        self.interested = False  # has asked for the roster, so it gets pushes
        # outgoing
        self.sm: sm.Unacknowledged | None = None
        self.holding: list[tuple[bytes, int]] | None = None  # while stored messages are sent first
        self.held = 0  # bytes in it
        self.quiet: Quiet | None = None  # set while the client does not want to be disturbed
        self.counted = False  # takes part in the account's delivery mark
        self.seen: set[int] | None = None  # got before it took part
        self.synced = 0  # what it has read from the archive by itself, as a log id
        self.caught_up = 0  # where the archive ended when it last looked there; 0: it did not look
        self.lost_at = 0.0  # when the connection went, in the loop's time
        self.closed = False
        self.state: dict[object, object] = {}

    # -- in ---------------------------------------------------------------------------------

    def receive(self, stanza: Stanza) -> None:
        """A stanza or a stream-management element came. Raises StreamError."""
        if not stanza.kind and stanza.tag != sm.ENABLE:
            self._manage(stanza)
        else:
            self.take(stanza)

    def handle(self, stanza: Stanza) -> Work:
        return self.domain.router.handle(self, stanza)

    def ended(self) -> None:
        if not self.closed:
            self.domain.sessions.end(self)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, unless it was itself an answer."""
        answer = stanza.error(error)
        if answer is not None:
            answer.attrs["to"] = self.full
            if not answer.attrs.get("from"):
                answer.attrs["from"] = self.account.jid
            self.send(answer)

    # -- stream management ---------------------------------------------------------------------

    def _manage(self, element: Stanza) -> None:
        if self.sm is None or element.tag not in (sm.ACK, sm.ASK):
            if element.tag == sm.ASK and self.ask_after(sm.ENABLE):
                return  # it came in one flight with <enable/>, which is still to be handled
            if element.tag in (sm.ACK, sm.ASK, sm.RESUME):
                self.raw(sm.failed("unexpected-request"))
                return
            if self.domain.hooks.element(self, element):
                return
            raise StreamError("unsupported-stanza-type")
        if element.tag == sm.ACK:
            self.sm.asked = False
            self.acknowledge(element.attrs.get("h", ""))
        else:
            self.asked()

    def acknowledge(self, h: str) -> None:
        """The client has handled ``h`` stanzas. Raises StreamError."""
        assert self.sm is not None
        delivery = self.account.delivery
        ids = self.sm.receive(h)
        if ids and self.counted:
            for id in ids:
                delivery.acknowledged(id)
            self.domain.marks.changed(self.account.delivery)
        if self.sm.due:
            self.domain.sessions.flush_later(self)

    def enable(self, token: str, limit: int, limit_bytes: int, answer: bytes) -> None:
        """Stanzas count from here on, in both directions (XEP-0198 §3)."""
        self.raw(answer)
        self.flush()
        self.sm = sm.Unacknowledged(token, limit, limit_bytes)
        self.received = len(self.backlog) if self.backlog else 0
        self.handled = -1  # the element itself is not counted, but its handling will be
        self.asked_before()

    # -- out ----------------------------------------------------------------------------------

    def send(self, stanza: Stanza) -> None:
        self.push(stanza.to_bytes())

    def push(self, data: bytes, id: int = 0) -> None:
        """Sends a stanza; ``id`` if it is an entry of the account's log."""
        if self.holding is not None:
            self.holding.append((data, id))
            self.held += len(data)
            if self.held > HELD_BYTES:
                self.domain.sessions.close_later(self)
        elif self.quiet is not None:
            self.quiet.offer(data, id)
        else:
            self.transmit(data, id)

    def transmit(self, data: bytes, id: int = 0) -> None:
        """Sends it now, although stored messages may be on their way."""
        if id:
            delivery = self.account.delivery
            if not self.counted:
                if self.seen is None:
                    self.seen = set()
                self.seen.add(id)
            elif self.sm is not None:
                delivery.handed(id)
            elif self.sink is not None:
                delivery.acknowledged(id)
                self.domain.marks.changed(self.account.delivery)
        if self.sm is not None:
            self.sm.sent(data, id)
        if self.sink is None:
            if self.sm is not None and self.sm.forgotten:
                self.domain.sessions.close_later(self)
            return
        if not self.out:
            self.domain.sessions.flush_later(self)
        self.out.append(data)

    def hold(self) -> None:
        """What is pushed from here on waits for `release`."""
        if self.holding is None:
            self.holding = []
            self.held = 0

    def release(self, after: int = 0) -> None:
        """Sends what was held back, but for entries of the log up to ``after``."""
        held, self.holding = self.holding, None
        for data, id in held or ():
            if not id or id > after:
                self.transmit(data, id)

    def raw(self, data: bytes) -> None:
        """Sends an element that is not counted."""
        if self.sink is not None:
            if not self.out:
                self.domain.sessions.flush_later(self)
            self.out.append(data)

    def ask(self) -> None:
        """Asks for a sign of life, which every client has to give (XEP-0198 §4, XEP-0199 §4.1)."""
        if self.sm is not None:
            self.sm.asked = True
            self.raw(sm.REQUEST)
        else:
            attrs = {"type": "get", "id": "there", "from": self.domain.name, "to": self.full}
            self.raw(Stanza.build("iq", attrs, Element(ns.tag(ns.PING, "ping"))).to_bytes())

    @property
    def resting(self) -> bool:
        """Whether a packet would wake a device that its owner does not look at, as far as it is known."""
        return self.handheld or self.quiet is not None

    def flush(self) -> None:
        """Writes what waits, once per turn of the loop."""
        sink = self.sink
        if sink is None:
            self.out.clear()
            return
        manage = self.sm
        if manage is not None and manage.due:
            manage.asked = True
            self.out.append(sm.REQUEST)
        if self.out:
            out, self.out = self.out, []
            sink.send(out)

    def confirm(self) -> None:
        """Says how much was handled, unasked (XEP-0198 §4), after all that waits to be sent."""
        self.raw(sm.answer(self.handled))
        self.flush()

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        self.domain.sessions.end(self, error)

    def __repr__(self) -> str:
        return f"<Session {self.full}>"
