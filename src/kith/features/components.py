"""XEP-0114: Jabber Component Protocol. Gateways, bots and services connect to serve domains of their own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import structlog

from kith.base.attempts import Guesses
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.intake import Intake, Work
from kith.core.actors.link import LinkStream
from kith.core.actors.refused import stream_refused
from kith.core.hooks.feature import Feature
from kith.core.routing.foreign import Foreign
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.features.disco import item
from kith.ports.connection import Security, Sink
from kith.wire import ns
from kith.wire.content import as_client
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.parser import StreamOpened
from kith.wire.stanza import Stanza

_STREAM = ns.tag(ns.STREAMS, "stream")
_HANDSHAKE = ns.tag(ns.COMPONENT, "handshake")
logger = structlog.get_logger("kith")


class Component(Intake):
    """A configured component, connected or not. It is the host of its domain."""

    __slots__ = ("_feature", "_out", "name", "secret")

    def __init__(self, feature: Components, name: str, secret: str) -> None:
        super().__init__(feature.tasks, feature.figures, None)
        self._feature = feature
        self.name = name
        self.secret = secret
        self._out: list[bytes] = []

    # -- to the component ------------------------------------------------------------------------

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Sends a stanza to the component. Raises StanzaError if it is not connected."""
        if self.sink is None:
            raise StanzaError("service-unavailable", "the service is not connected", type="wait")
        self.raw(stanza.to_bytes())

    def raw(self, data: bytes) -> None:
        if self.sink is None:
            return
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self.sink is not None:
            self.sink.send(out)

    # -- from the component ----------------------------------------------------------------------

    def handle(self, stanza: Stanza) -> Work:
        sender, to = (self._address(stanza, name) for name in ("from", "to"))
        if sender.domain != self.name:
            raise StreamError("invalid-from", f"not an address of {self.name}")
        feature = self._feature
        if feature.domain.holds(to) or feature.hosts.here(to.domain) is not None:
            return feature.router.admit(Foreign(sender, self, feature.post), stanza, to)
        request = stanza.kind == "message" or stanza.type in ("get", "set")
        feature.post.to_host(stanza, sender, to, strict=request)
        return None

    def _address(self, stanza: Stanza, name: str) -> JID:
        try:
            return parse_jid(stanza.attrs[name])
        except (KeyError, ValueError):
            raise StreamError("improper-addressing", f"{name} is an address") from None

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        answer = stanza.error(error)
        if answer is not None:
            self.raw(answer.to_bytes())

    def fail(self, error: StreamError) -> None:
        self.disconnect(stream_refused(self._feature.figures, error, self.name))

    def ended(self) -> None:
        self.disconnect()

    # -- the connection --------------------------------------------------------------------------

    def connect(self, sink: Sink) -> None:
        """Uses a new connection that has authenticated. An older one ends, since it is probably dead."""
        if self.sink is not None:
            conflict = StreamError("conflict", "the component connected again")
            self.disconnect(stream_refused(self._feature.figures, conflict, self.name))
        self.ending = False
        self.sink = sink
        logger.info("component connected", component=self.name)

    def disconnect(self, error: bytes = b"") -> None:
        self._flush()
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.close(error)

    def lost(self, sink: Sink) -> None:
        if self.sink is sink:
            self.sink = None
            self._out.clear()
            logger.warning("component disconnected", component=self.name)


class ComponentStream(LinkStream):
    """The stream of a component: header, handshake, then stanzas."""

    def __init__(self, feature: Components, sink: Sink, security: Security) -> None:
        self.security = security
        self._feature = feature
        self._sink = sink
        self._id = feature.randomness.hex(16)
        self._component: Component | None = None
        self._header_sent = False
        self.authenticated = False

    def opened(self, header: StreamOpened) -> None:
        """Handles the stream header. Raises StreamError."""
        if header.tag != _STREAM or header.default_namespace != ns.COMPONENT:
            raise StreamError("invalid-namespace")
        name = header.attrs.get("to", "")
        try:
            self._component = self._feature.components.get(parse_jid(name).domain)
        except ValueError:
            self._component = None
        self._open(name)
        if self._component is None:
            raise StreamError("host-unknown", "no such component is configured")

    def _open(self, name: str) -> None:
        self._header_sent = True
        self._sink.open({"from": name, "id": self._id} if name else {"id": self._id})

    def receive(self, element: Stanza) -> None:
        """Handles an element. Raises StreamError."""
        component = self._component
        if component is None:
            return
        if self.authenticated:
            if component.sink is self._sink:
                stanza = as_client(element, ns.COMPONENT)
                if not stanza.kind:
                    raise StreamError("unsupported-stanza-type")
                component.take(stanza)
            return
        self._authenticate(component, element)

    def _authenticate(self, component: Component, element: Stanza) -> None:
        guesses, now = self._feature.guesses, self._feature.clock.steady()
        attempt = guesses.admit(self.security.address, component.name, now)
        if attempt is None:
            raise StreamError("policy-violation", "too many failed logins, wait a minute")
        digest = hashlib.sha1(f"{self._id}{component.secret}".encode()).hexdigest()  # XEP-0114 §3
        given = (element.element.text or "").strip().encode()
        if element.tag != _HANDSHAKE or not hmac.compare_digest(digest.encode(), given):
            raise StreamError("not-authorized")
        guesses.right(attempt, now)
        self.authenticated = True
        component.connect(self._sink)
        self._sink.send([b"<handshake/>"])

    def closed(self) -> None:
        """Handles the end of the component's stream."""
        component = self._component
        if component is not None and component.sink is self._sink:
            if component.idle:
                component.disconnect()
            else:
                component.ending = True
        else:
            self._sink.close()

    def lost(self) -> None:
        """Handles the loss of the connection."""
        if self._component is not None:
            self._component.lost(self._sink)

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""
        if not self._header_sent:
            self._open("")
        component = self._component
        if component is not None and component.sink is self._sink:
            component.fail(error)
        else:
            self._sink.close(stream_refused(self._feature.figures, error, self.security.address))


class Components(Feature):
    """The components that are configured, by domain."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        randomness: Randomness,
        tasks: Tasks,
        figures: Figures,
        guesses: Guesses,
        hosts: Hosts,
        post: Post,
        router: Router,
    ) -> None:
        self.domain = domain
        self.clock = clock
        self.randomness = randomness
        self.tasks = tasks
        self.figures = figures
        self.guesses = guesses
        self.hosts = hosts
        self.post = post
        self.router = router
        self.components = {name: Component(self, name, secret) for name, secret in config.components.items()}
        for component in self.components.values():
            hosts.add(component.name, component)

    def disco_items(self, to: JID) -> Sequence[Element]:
        return () if to.local else [item(c.name) for c in self.components.values() if c.sink is not None]

    def stream(self, sink: Sink, security: Security) -> ComponentStream:
        """Makes the stream for a new connection to the component port."""
        return ComponentStream(self, sink, security)
