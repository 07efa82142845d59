"""Streams that other servers open to this one.

Before its stanzas count, a server proves by its certificate whose it is (`kith.federation.external`), or each
pair of domains is verified by dialback (XEP-0220).
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

import structlog

from kith.core.actors import sm
from kith.core.actors.intake import Intake, Work
from kith.core.actors.link import LinkStream
from kith.core.actors.refused import stream_refused
from kith.core.log.retries import key_of
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.federation import dialback, external
from kith.federation.federation import Federation
from kith.federation.unconfirmed import UnconfirmedRefusals
from kith.federation.verifying import Verifying, domain_of
from kith.ports.connection import Security, Sink
from kith.wire import ns
from kith.wire.content import as_client
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.parser import StreamOpened
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_STREAM = ns.tag(ns.STREAMS, "stream")
_STARTTLS = ns.tag(ns.TLS, "starttls")
_DIALBACK = frozenset((dialback.RESULT, dialback.VERIFY))
_EXTERNAL = frozenset((external.AUTH, external.RESPONSE, external.ABORT))
_MANAGEMENT = frozenset((sm.ENABLE, sm.RESUME, sm.ACK, sm.ASK))
logger = structlog.get_logger("kith")


class Neighbour(Foreign):
    """A `kith.core.actors.sender.Sender` of another server, and its present stanza.

    Another server sends a message again if it does not know whether it has arrived.
    """

    __slots__ = ("_stanza", "_stream")

    def __init__(self, jid: JID, stream: IncomingStream, post: Post, stanza: Stanza) -> None:
        super().__init__(jid, stream, post)
        self._stream = stream
        self._stanza = stanza

    @property
    def key(self) -> bytes | None:
        return key_of(self._stanza)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        self._stream.refuse(stanza, error)


class IncomingStream(LinkStream, Intake):
    """The stream of a connection from another server."""

    __slots__ = (
        "_counting",
        "_external",
        "_federation",
        "_goodbye",
        "_header_sent",
        "_id",
        "_owes_count",
        "_proved",
        "_refusals",
        "_remote",
        "_stopping",
        "_verifying",
        "security",
    )

    def __init__(self, federation: Federation, sink: Sink, security: Security) -> None:
        super().__init__(federation.tasks, federation.figures, sink)
        self.security = security
        self._federation = federation
        self._id = ""
        self._remote = ""  # the ``from`` of the header
        self._external: external.External | None = None  # before the login, in TLS
        self._proved = ""  # the domain that a certificate has proved
        self._verifying = Verifying(federation, self._open_id, self.raw)
        self._header_sent = False
        self._counting = False  # whether stream management is enabled
        self._refusals = UnconfirmedRefusals()
        self._owes_count = False  # whether the other server has asked for the count, and waits for refusals
        self._goodbye = False  # our side of the stream has ended
        self._stopping = False

    # -- from the edge -------------------------------------------------------------------------

    @property
    def authenticated(self) -> bool:
        return bool(self._verifying.pairs or self._proved)

    def opened(self, header: StreamOpened) -> None:
        """Handles the stream header. Raises StreamError."""
        if header.tag != _STREAM or header.default_namespace != ns.SERVER:
            raise StreamError("invalid-namespace")
        self._open(header.attrs.get("to", ""), header.attrs.get("from", ""))
        if not self._federation.is_here(domain_of(header.attrs.get("to"))):
            raise StreamError("host-unknown")
        self._remote = domain_of(header.attrs["from"]) if header.attrs.get("from") else ""
        if self._proved and self._remote not in ("", self._proved):
            raise StreamError("invalid-from")
        if self.security.encrypted and not self._proved:
            known = self._remote if not self._federation.is_here(self._remote) else ""
            self._external = external.External(self.security, known, self.raw)
        if self.sink is not None:
            self.sink.send([self._features()])

    def receive(self, element: Stanza) -> None:
        """Handles an element. Raises StreamError."""
        if self.sink is None:
            return
        if element.tag == _STARTTLS and not self.security.encrypted:
            self.sink.send([f"<proceed xmlns='{ns.TLS}'/>".encode()])
            self._header_sent = False
            self.sink.start_tls()
        elif not self.security.encrypted:
            raise StreamError("policy-violation", "TLS first")
        elif element.tag in _DIALBACK:
            self._verifying.receive(element)
        elif element.tag in _EXTERNAL and self._external is not None:
            self._authenticate(element, self._external)
        elif element.tag in _MANAGEMENT:
            self._manage(element)
        else:
            stanza = as_client(element, ns.SERVER)
            if not stanza.kind:
                raise StreamError("unsupported-stanza-type")
            self._check(stanza)
            self.take(stanza)

    def closed(self) -> None:
        """The other server has closed its stream."""
        if self.idle:
            self.ended()
        else:
            self.ending = True

    def lost(self) -> None:
        self.sink = None

    def fail(self, error: StreamError) -> None:
        if not self._header_sent:
            self._open("", "")
        sink, self.sink = self.sink, None
        if sink is not None:
            refusal = stream_refused(self.figures, error, self.security.address)
            if self._goodbye:
                sink.close_for_restart()
            else:
                sink.close(refusal)

    def say_goodbye(self) -> bool:
        """Ends our side of the stream, if the other server does not keep what it has sent (RFC 6120 §4.4)."""
        if self.sink is None or self._counting or not self.authenticated:
            return False
        self._goodbye = True
        self.sink.send([b"</stream:stream>"])
        return True

    def shut_down(self) -> None:
        """The server stops. What was read is handled first, so that the other server learns of it."""
        self._stopping = True
        self.closed()

    def ended(self) -> None:
        sink, self.sink = self.sink, None
        if sink is None:
            return
        if self._counting:
            sink.send([sm.answer(self._count)])
        if self._goodbye:
            sink.close_for_restart()
        elif self._stopping:
            error = StreamError("system-shutdown")
            sink.close(stream_refused(self.figures, error, self.security.address))
        else:
            sink.close()

    # -- header and features ---------------------------------------------------------------------

    def _open(self, local: str, remote: str) -> None:
        self._id = self._federation.randomness.hex(16)
        self._header_sent = True
        attrs = {
            "id": self._id,
            "from": local or self._federation.domain.name,
            "xmlns:db": ns.DIALBACK,
            "version": "1.0",
        }
        if remote:
            attrs["to"] = remote
        if self.sink is not None:
            self.sink.open(attrs)

    def _features(self) -> bytes:
        """The features. Dialback has no second list of them, so stream management is in the first one."""
        if self.security.encrypted:
            feature = Element(ns.tag(ns.DIALBACK_FEATURE, "dialback"))
            SubElement(feature, ns.tag(ns.DIALBACK_FEATURE, "errors"))
        else:
            feature = Element(_STARTTLS)
            SubElement(feature, ns.tag(ns.TLS, "required"))
        offers = [serialize(feature)]
        if self.security.encrypted:
            offers.append(f"<sm xmlns='{ns.STREAM_MANAGEMENT}'/>".encode())
        if self._external is not None and not self._external.problem:
            offers.insert(0, external.OFFER)
        return b"<stream:features>%b</stream:features>" % b"".join(offers)

    def _open_id(self) -> str:
        """The id of the stream; empty if it is closed."""
        return self._id if self.sink is not None else ""

    # -- certificates ------------------------------------------------------------------------------

    def _authenticate(self, element: Stanza, exchange: external.External) -> None:
        domain = exchange.receive(element)
        if domain:
            self._proved, self._external = domain, None
            self._header_sent = False
            if self.sink is not None:
                self.sink.restart()
            self._federation.outgoing.heard(self._federation.domain.name, domain)
            return
        logger.info(
            "another server has not proved its domain",
            domain=self._remote,
            reason=exchange.problem or "it has asked for something else",
        )
        if exchange.exhausted:
            raise StreamError("policy-violation", "too many attempts")

    # -- stream management -------------------------------------------------------------------------

    def _manage(self, element: Stanza) -> None:
        """Handles an element of stream management (XEP-0198), without resumption.

        The other server has to keep what was not acknowledged. If it sends that again on another stream,
        it is recognized.
        """
        if element.tag == sm.ASK and self._counting:
            self.asked()
        elif element.tag == sm.ENABLE and self.authenticated and not self._counting:
            self._counting = True
            self.count_from_here()
            self.raw(f"<enabled xmlns='{ns.STREAM_MANAGEMENT}'/>".encode())
        elif element.tag == sm.RESUME:
            self.raw(sm.failed("item-not-found"))
        elif element.tag != sm.ACK:
            self.raw(sm.failed("unexpected-request"))

    # -- stanzas -----------------------------------------------------------------------------------

    def _addresses(self, stanza: Stanza) -> tuple[JID, JID]:
        try:
            return parse_jid(stanza.attrs["from"]), parse_jid(stanza.attrs["to"])
        except (KeyError, ValueError):
            raise StreamError("improper-addressing") from None

    def _check(self, stanza: Stanza) -> None:
        """Checks the addresses of a stanza (RFC 6120 §8.1.2.2 and §4.9.3.9). Raises StreamError."""
        sender, to = self._addresses(stanza)
        if (sender.domain, to.domain) in self._verifying.pairs:
            return
        if sender.domain != self._proved or not self._federation.is_here(to.domain):
            raise StreamError("invalid-from" if self.authenticated else "not-authorized")

    def handle(self, stanza: Stanza) -> Work:
        sender, to = self._addresses(stanza)
        federation = self._federation
        if stanza.kind == "iq" and stanza.type in ("result", "error") and not sender.local:
            federation.outgoing.answered(to.domain, sender.domain, stanza.id)
        elif (
            stanza.kind == "message" and stanza.type == "error" and federation.outgoing.refusals.take(stanza)
        ):
            return None
        return federation.router.admit(Neighbour(sender, self, federation.post, stanza), stanza, to)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, over our own stream to that server.

        With stream management, a message is not acknowledged before that server has the error. So if we are
        killed, it sends the message again, and its sender learns of the refusal.
        """
        answer = stanza.error(error)
        if answer is None:
            return
        sender, to = self._addresses(stanza)
        if not self._counting or stanza.kind != "message":
            self._federation.post.to_host(answer, to, sender)
            return
        number = self._refusals.add(self.handled)
        try:
            self._federation.outgoing.refuse(answer, to, sender, lambda: self._refused(number))
        except StanzaError:  # it can't be sent, now and later
            self._refused(number)

    def _refused(self, number: int) -> None:
        """The other server has a refusal, or can't be reached."""
        self._refusals.remove(number)
        if self._owes_count and self.sink is not None:
            self._owes_count = bool(self._refusals)
            self.raw(sm.answer(self._count))

    @property
    def _count(self) -> int:
        """How many stanzas are handled, and may be forgotten by the other server."""
        return self._refusals.limit(self.handled)

    def send_count(self) -> None:
        if self._refusals:
            self._owes_count = True
        else:
            super().send_count()

    def raw(self, data: bytes) -> None:
        if self.sink is not None:
            self.sink.send([data])
