"""A stream from its header to its session (RFC 6120 §4): what comes in is given to the steps of the login.

Afterwards it hands everything to its session.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from kith.core.account import Account
from kith.core.login.binding import Binding
from kith.core.login.channel_binding import ChannelBinding
from kith.core.login.sasl1 import SASL1
from kith.core.login.starttls import StartTLS
from kith.core.login.step import Step
from kith.core.ports import Sink
from kith.core.sasl import Security
from kith.core.session import Session
from kith.wire import ns
from kith.wire.errors import StreamError, stream_error
from kith.wire.jid import parse_jid
from kith.wire.parser import StreamOpened
from kith.wire.serialize import serialize
from kith.wire.stanza import LANG, Stanza

if TYPE_CHECKING:
    from kith.core.domain import Domain

_STREAM = ns.tag(ns.STREAMS, "stream")
#: Elements that may wait while one is answered.
_MAX_WAITING = 32


class Stream:
    """One connection's conversation. The edge calls `opened`, `receive`, `closed` and `lost`.

    ``security`` says what the connection offers; the edge updates it after a TLS handshake. ``failures``:
    logins that did not succeed. ``ended``: the connection is gone, or about to be closed.
    """

    __slots__ = (
        "_busy",
        "_header_sent",
        "_steps",
        "_waiting",
        "authenticated",
        "domain",
        "ended",
        "failures",
        "lang",
        "security",
        "session",
        "sink",
        "starttls",
    )

    def __init__(self, domain: Domain, sink: Sink, security: Security, starttls: bool) -> None:
        self.domain = domain
        self.sink = sink
        self.security = security
        self.starttls = starttls
        self.authenticated = False
        self.session: Session | None = None
        self.failures = 0
        self.lang = ""
        self.ended = False
        self._steps: tuple[Step, ...] = (StartTLS(self), SASL1(self), ChannelBinding(self))
        self._busy = False
        self._waiting: deque[Stanza] | None = None
        self._header_sent = False

    # -- from the edge -------------------------------------------------------------------------

    def opened(self, header: StreamOpened) -> None:
        """The peer's stream header. Raises StreamError."""
        if header.tag != _STREAM:
            raise StreamError("invalid-namespace" if header.tag.endswith("stream") else "bad-format")
        if header.default_namespace != ns.CLIENT:
            raise StreamError("invalid-namespace")
        self.begin(header.attrs)

    def begin(self, attrs: dict[str, str]) -> None:
        """Checks the header's attributes, answers with ours and the features. Raises StreamError."""
        self._send_header(attrs.get("from"))
        self.lang = attrs.get(LANG, "")
        to = attrs.get("to")
        if to is None:
            raise StreamError("improper-addressing")
        try:
            known = parse_jid(to) == self.domain.jid
        except ValueError:
            known = False
        if not known:
            raise StreamError("host-unknown")
        version = attrs.get("version", "0.9").partition(".")[0]
        if not (version.isascii() and version.isdecimal()) or version.strip("0") == "":
            raise StreamError("unsupported-version")
        self.send(self.features())

    def receive(self, stanza: Stanza) -> None:
        """A complete element. Raises StreamError."""
        session = self.session
        if session is not None:
            if not session.closed and session.sink is self.sink:
                session.receive(stanza)
            return
        if self.ended:
            return
        if self._busy:
            self._wait(stanza)
        elif not any(step.take(stanza) for step in self._steps):
            raise StreamError("not-authorized")

    def closed(self) -> None:
        """The peer has closed its stream (RFC 6120 §4.4)."""
        session = self.session
        if session is not None and session.sink is self.sink:
            if session.idle:
                self.domain.end_stream(session)
            else:
                session.ending = True
        else:
            self.end()

    def lost(self) -> None:
        """The connection is gone."""
        self.ended = True
        session = self.session
        if session is not None and session.sink is self.sink:
            self.domain.connection_lost(session)

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error, after the header if none was sent yet (RFC 6120 §4.9.1.2)."""
        session = self.session
        if session is not None and session.sink is self.sink:
            self.domain.end_stream(session, error)
            return
        if not self._header_sent:
            self._send_header(None)
        self.end(stream_error(error))

    # -- for the steps -------------------------------------------------------------------------

    def features(self) -> bytes:
        """``<stream:features/>`` as it is now (RFC 6120 §4.3.2)."""
        features = [feature for step in self._steps for feature in step.features()]
        if self.authenticated:
            features.append(Element(ns.tag(ns.STREAM_MANAGEMENT, "sm")))
            features += self.domain.hooks.stream_features()
        return b"<stream:features>%b</stream:features>" % b"".join(map(serialize, features))

    def send(self, *elements: bytes) -> None:
        """Sends elements of the negotiation."""
        self.sink.send(elements)

    def restart(self) -> None:
        """A new header comes next (RFC 6120 §4.3.3)."""
        self._header_sent = False

    def authenticated_as(self, account: Account) -> None:
        """It is known who is there."""
        self.authenticated = True
        self._steps = (Binding(self, account),)

    def ready(self, session: Session) -> None:
        """The stream has its session; the login is over."""
        self.session = session
        self._steps = ()

    def end(self, error: bytes = b"") -> None:
        """Closes the connection of a stream without a session."""
        if not self.ended:
            self.ended = True
            self.sink.close(error)

    def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a step's work; what comes in meanwhile waits."""
        self._busy = True
        self.domain.spawn(self._run(work))

    # -- inside --------------------------------------------------------------------------------

    def _send_header(self, peer: str | None) -> None:
        attrs = {"from": self.domain.name, "id": secrets.token_hex(10), "version": "1.0", "xml:lang": "en"}
        if peer is not None:
            attrs["to"] = peer
        self._header_sent = True
        self.sink.open(attrs)

    def _wait(self, stanza: Stanza) -> None:
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) >= _MAX_WAITING:
            raise StreamError("policy-violation", "too much before the stream was ready")
        self._waiting.append(stanza)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StreamError as error:
            self.fail(error)
        except Exception as error:
            self.domain.log_error("login failed", error)
            self.fail(StreamError("internal-server-error"))
        self._busy = False
        waiting, self._waiting = self._waiting, None
        try:
            for stanza in waiting or ():
                self.receive(stanza)
        except StreamError as error:
            self.fail(error)
