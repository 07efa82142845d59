"""Streams that other servers open to this one. Each pair of domains is verified before its stanzas count."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

import structlog

from kith.core.actors.intake import Intake, Work
from kith.core.actors.link import LinkStream
from kith.core.actors.refused import stream_refused
from kith.core.routing.foreign import Foreign
from kith.federation import dialback
from kith.federation.connection import Refused
from kith.federation.federation import Federation
from kith.federation.resolver import NotFound, Unreachable
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
#: The maximum number of pairs of domains on one stream, and of verifications in progress.
MAX_PAIRS = 100
MAX_VERIFYING = 10
logger = structlog.get_logger("kith")


def _domain(text: str | None) -> str:
    """The domain that an attribute names. Raises StreamError."""
    try:
        jid = parse_jid(text or "")
    except ValueError:
        raise StreamError("improper-addressing") from None
    if jid.local or jid.resource:
        raise StreamError("improper-addressing")
    return jid.domain


class IncomingStream(LinkStream, Intake):
    """The stream of a connection from another server."""

    __slots__ = ("_federation", "_header_sent", "_id", "_pairs", "_verifying", "security")

    def __init__(self, federation: Federation, sink: Sink, security: Security) -> None:
        super().__init__(federation.tasks, federation.figures, sink)
        self.security = security
        self._federation = federation
        self._id = ""
        self._pairs: set[tuple[str, str]] = set()
        self._verifying = 0
        self._header_sent = False

    # -- from the edge -------------------------------------------------------------------------

    @property
    def authenticated(self) -> bool:
        return bool(self._pairs)

    def opened(self, header: StreamOpened) -> None:
        """Handles the stream header. Raises StreamError."""
        if header.tag != _STREAM or header.default_namespace != ns.SERVER:
            raise StreamError("invalid-namespace")
        self._open(header.attrs.get("to", ""), header.attrs.get("from", ""))
        if not self._is_here(_domain(header.attrs.get("to"))):
            raise StreamError("host-unknown")
        if header.attrs.get("from"):
            _domain(header.attrs["from"])
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
        elif element.tag == dialback.RESULT:
            self._dialback(element)
        elif element.tag == dialback.VERIFY:
            self._answer(element)
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
            sink.close(stream_refused(self.figures, error, self.security.address))

    def ended(self) -> None:
        sink, self.sink = self.sink, None
        if sink is not None:
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
        if self.security.encrypted:
            feature = Element(ns.tag(ns.DIALBACK_FEATURE, "dialback"))
            SubElement(feature, ns.tag(ns.DIALBACK_FEATURE, "errors"))
        else:
            feature = Element(_STARTTLS)
            SubElement(feature, ns.tag(ns.TLS, "required"))
        return b"<stream:features>%b</stream:features>" % serialize(feature)

    def _is_here(self, domain: str) -> bool:
        return domain == self._federation.domain.name or self._federation.hosts.here(domain) is not None

    # -- dialback ----------------------------------------------------------------------------------

    def _dialback(self, element: Stanza) -> None:
        """Verifies a key by asking its domain's server over a verified stream (XEP-0220 §2.2.1)."""
        if "type" in element.attrs:
            raise StreamError("bad-format", "an answer that nobody asked for")
        remote, local = _domain(element.attrs.get("from")), _domain(element.attrs.get("to"))
        if not self._is_here(local):
            self._tell("result", local, remote, "error", error="item-not-found")
            return
        if remote == local or self._is_here(remote):
            raise StreamError("invalid-from")
        if len(self._pairs) >= MAX_PAIRS or self._verifying >= MAX_VERIFYING:
            self._tell("result", local, remote, "error", error="resource-constraint")
            return
        self._verifying += 1
        key = (element.element.text or "").strip()
        self.tasks.spawn(self._verify(local, remote, self._id, key))

    async def _verify(self, local: str, remote: str, id: str, key: str) -> None:
        error = ""
        valid = False
        try:
            valid = await self._federation.outgoing.verify(local, remote, id, key)
        except NotFound as problem:
            error, reason = "item-not-found", str(problem)
        except (Unreachable, Refused) as problem:
            error, reason = "remote-server-timeout", str(problem)
        finally:
            self._verifying -= 1
        if error:
            logger.warning("another server was not verified", domain=remote, reason=reason)
        if self.sink is None or id != self._id:
            return
        if valid:
            self._pairs.add((remote, local))
        self._tell(
            "result", local, remote, "error" if error else "valid" if valid else "invalid", error=error
        )

    def _tell(self, name: str, local: str, remote: str, type: str, id: str = "", error: str = "") -> None:
        attrs = {"from": local, "to": remote, "type": type}
        if id:
            attrs["id"] = id
        self.raw(dialback.element(name, attrs, error=error))

    def _answer(self, element: Stanza) -> None:
        """Answers another server that asks whether a key is ours (XEP-0220 §2.2.2)."""
        if "type" in element.attrs:
            raise StreamError("bad-format", "an answer that nobody asked for")
        remote, local = _domain(element.attrs.get("from")), _domain(element.attrs.get("to"))
        id = element.id
        if not self._is_here(local):
            self._tell("verify", local, remote, "error", id, "item-not-found")
            return
        key = (element.element.text or "").strip()
        fits = self._federation.outgoing.keys.fits(key, remote, local, id)
        self._tell("verify", local, remote, "valid" if fits else "invalid", id)

    # -- stanzas -----------------------------------------------------------------------------------

    def _addresses(self, stanza: Stanza) -> tuple[JID, JID]:
        try:
            return parse_jid(stanza.attrs["from"]), parse_jid(stanza.attrs["to"])
        except (KeyError, ValueError):
            raise StreamError("improper-addressing") from None

    def _check(self, stanza: Stanza) -> None:
        """Checks the addresses of a stanza (RFC 6120 §8.1.2.2 and §4.9.3.9). Raises StreamError."""
        sender, to = self._addresses(stanza)
        if (sender.domain, to.domain) not in self._pairs:
            raise StreamError("not-authorized" if not self._pairs else "invalid-from")

    def handle(self, stanza: Stanza) -> Work:
        sender, to = self._addresses(stanza)
        return self._federation.router.admit(Foreign(sender, self, self._federation.post), stanza, to)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Answers a stanza with an error, over our own stream to that server."""
        answer = stanza.error(error)
        if answer is not None:
            sender, to = self._addresses(stanza)
            self._federation.post.to_host(answer, to, sender)

    def raw(self, data: bytes) -> None:
        if self.sink is not None:
            self.sink.send([data])
